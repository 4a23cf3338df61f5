"""Records as the signed bytes that the shared cache holds."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from shrinkmeister.exceptions import RecordError
from shrinkmeister.protocol.records import ChangeRecord, FailureRecord, SourceRecord, ThumbnailRecord
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.ttl_cache import TTLCache

logger = logging.getLogger(__name__)

# Log bad data or slowness at most once per this many seconds.
LOG_INTERVAL = 60.0

R = TypeVar("R", ThumbnailRecord, SourceRecord, FailureRecord, ChangeRecord)


class RecordCodec:
    def __init__(self, signer: Signer, clock: Callable[[], float] = time.monotonic) -> None:
        self._signer = signer
        self._logged = TTLCache[bool](LOG_INTERVAL, 1, clock)

    def encode(self, records: Mapping[str, R]) -> dict[str, bytes]:
        return {key: self._signer.sign(key, record.dump()) for key, record in records.items()}

    def decode(self, kind: type[R], key: str | None, found: Mapping[str, bytes]) -> R | None:
        """Return the record under a key; None, and a log line, if its value is not valid."""
        if key is None or key not in found:
            return None
        try:
            return kind.load(self._signer.unsign(key, found[key]))
        except RecordError as error:
            # After a change of secrets, all records may be invalid.
            if not self._logged.get("invalid"):
                self._logged.set("invalid", True)
                logger.warning("The shared cache has an invalid record under %s, a miss: %s", key, error)
            return None
