"""Whether the parts of a server work: examined once in some seconds, however often that is asked."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.cache.shared_cache import get_shared_cache
from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister.conf.credentials import described
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister_server.rendering.render import get_engine

logger = logging.getLogger(__name__)

# An examination writes to the cache and asks the bucket, and anybody may ask for one.
HEALTH_SECONDS = 5


@dataclass(frozen=True)
class Report:
    """parts     "ok" or "failed", by the names of the parts
    failures  what failed, for the log
    """

    parts: Mapping[str, str]
    failures: tuple[str, ...]


class Health:
    """The last report, for HEALTH_SECONDS. One thread makes the next; others get the former meanwhile."""

    def __init__(self, examine: Callable[[], Report], clock: Callable[[], float] = time.monotonic) -> None:
        self._examine = examine
        self._clock = clock
        self._lock = Lock()
        self._report: Report | None = None
        self._end = 0.0

    def report(self) -> Report:
        former = self._report
        # Only the first report of a process has to be waited for.
        if former and (self._clock() < self._end or not self._lock.acquire(blocking=False)):
            return former
        if not former:
            self._lock.acquire()
        try:
            if not self._report or self._clock() >= self._end:
                self._report = self._examine()
                self._end = self._clock() + HEALTH_SECONDS
            return self._report
        finally:
            self._lock.release()


def examine() -> Report:
    checks: dict[str, Callable[[], object]] = {
        "cache": lambda: get_shared_cache().check(),
        "bucket": lambda: get_thumbnail_storage().check(),
        "engine": get_engine,
    }
    failures = {}
    for part, check in checks.items():
        try:
            check()
        except (ShrinkmeisterError, ImproperlyConfigured) as error:
            failures[part] = described(error)
        # A failure that is not reported would be examined again for each request.
        except Exception as error:
            logger.exception("The examination of the %s failed unexpectedly", part)
            failures[part] = type(error).__name__
    parts = {part: "failed" if part in failures else "ok" for part in checks}
    return Report(parts, tuple(f"{part}: {error}" for part, error in failures.items()))


@reset_on_setting_change
def get_health() -> Health:
    """That of this process."""
    return Health(examine)
