"""What `shrinkmeister doctor` finds, one thing at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OK = "ok"
WRONG = "wrong"
UNKNOWN = "unknown"
# In the order of a report. Scripts rely on these names: docs/operations.md.
CHECKS = (
    "site",
    "reach",
    "health",
    "secret",
    "clock",
    "protocol",
    "versions",
    "settings",
    "cache",
    "bucket",
    "public_url",
    "signed_url",
    "sources",
    "source",
)


@dataclass(frozen=True)
class Finding:
    """id       one of CHECKS; several findings may be of one
    status   OK, WRONG, or UNKNOWN for what could not be examined
    message  what is so
    hint     what to change, or to know; "" for nothing
    """

    id: str
    status: str
    message: str
    hint: str = ""


def well(id: str, message: str, hint: str = "") -> Finding:
    return Finding(id, OK, message, hint)


def wrong(id: str, message: str, hint: str) -> Finding:
    return Finding(id, WRONG, message, hint)


def undone(ids: Iterable[str], first: str) -> Iterator[Finding]:
    """first: the check that has to go well before these"""
    return (Finding(id, UNKNOWN, f"not examined, since {first} is wrong") for id in ids)
