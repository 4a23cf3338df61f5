"""When a record is stale: a page then shows the lazy URL, and the server checks that the object exists.

Each record gets stale at its own time in the second half of `check_ttl`. Otherwise all records of a page
would get stale at once. A record is distrusted after an object that was recorded later has been lost.
"""

import math

from shrinkmeister.protocol.records import ThumbnailRecord


def is_stale(key: str, record: ThumbnailRecord, distrust_before: float, check_ttl: int, now: float) -> bool:
    """Return whether the server has to check the object of a record before pages use it.

    key: the record's key, whose digest decides about its time
    """
    share = 0.5 + int(key[3:5], 36) / (2 * 36**2)
    return now - record.verified_at >= check_ttl * share or is_distrusted(record, distrust_before, now)


def is_distrusted(record: ThumbnailRecord, distrust_before: float, now: float) -> bool:
    """Return whether a record was written before the loss of objects was noticed."""
    return record.verified_at < distrust_before <= now


def moment(value: bytes) -> float:
    """Return the Unix time that a value of the shared cache contains; infinity for an invalid value."""
    return int(value) if len(value) < 20 and value.isdigit() else math.inf
