"""One result of `shrinkmeister doctor`, and the ids of its checks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OK = "ok"
WRONG = "wrong"
UNKNOWN = "unknown"
# The ids in the order of a report. Scripts rely on them: docs/troubleshooting/doctor.md.
CHECKS = (
    *("site", "reach", "health", "secret", "clock", "protocol", "versions", "settings", "cache"),
    *("bucket", "public_url", "signed_url", "sources", "source"),
)


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    id: str  # of CHECKS; a check may have several findings
    status: str  # OK, WRONG, or UNKNOWN for a check that could not run
    message: str  # what is right or wrong
    hint: str = ""  # what to change, or to know


def ok(id: str, message: str, hint: str = "") -> Finding:
    return Finding(id, OK, message, hint)


def wrong(id: str, message: str, hint: str) -> Finding:
    return Finding(id, WRONG, message, hint)


def skipped(ids: Iterable[str], blocker: str) -> Iterator[Finding]:
    """Return a finding for each check that cannot run because the check `blocker` failed."""
    return (Finding(id, UNKNOWN, f"not examined, because {blocker} is wrong") for id in ids)
