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
    "source",
)


@dataclass(frozen=True)
class Finding:
    """check    one of CHECKS; several findings may be of one
    status   OK, WRONG, or UNKNOWN for what could not be examined
    message  what is so
    hint     what to change, or to know; "" for nothing
    """

    check: str
    status: str
    message: str
    hint: str = ""


def well(check: str, message: str, hint: str = "") -> Finding:
    return Finding(check, OK, message, hint)


def wrong(check: str, message: str, hint: str) -> Finding:
    return Finding(check, WRONG, message, hint)


def undone(checks: Iterable[str], why: str) -> Iterator[Finding]:
    return (Finding(check, UNKNOWN, f"not examined: {why}") for check in checks)
