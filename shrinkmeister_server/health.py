"""Whether the parts of a server work: tested at most once in some seconds, however often clients ask."""

import logging
import time
from collections.abc import Callable
from threading import Lock

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister.conf.credentials import described
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister_server.rendering.render import get_engine

logger = logging.getLogger(__name__)

# An examination writes to the cache and asks the bucket, and any client can request one.
HEALTH_SECONDS = 5


# Maps each part to the sentence of its failure, or to "" if it works.
Report = dict[str, str]


class Health:
    """Keeps a report for HEALTH_SECONDS. While one thread makes the next, the others get the former."""

    def __init__(self, examine: Callable[[], Report], clock: Callable[[], float] = time.monotonic) -> None:
        self._examine = examine
        self._clock = clock
        self._lock = Lock()
        self._report: Report | None = None
        self._end = 0.0

    def report(self) -> Report:
        former = self._report
        # Threads wait for the first report of a process, and for no other one.
        if not self._lock.acquire(blocking=former is None) and former:
            return former
        try:
            if not self._report or self._clock() >= self._end:
                self._report = self._examine()
                self._end = self._clock() + HEALTH_SECONDS
            return self._report
        finally:
            self._lock.release()


def examine() -> Report:
    checks: dict[str, Callable[[], object]] = {
        "cache": lambda: get_shared_cache().connection.check(),
        "bucket": lambda: get_thumbnail_storage().check(),
        "engine": get_engine,
    }
    report = {}
    for part, check in checks.items():
        report[part] = ""
        try:
            check()
        except ShrinkmeisterError as error:
            report[part] = described(error)
        # An error that escapes would be raised again by each request.
        except Exception as error:
            logger.exception("The health check of the %s failed unexpectedly", part)
            report[part] = type(error).__name__
    return report


@reset_on_setting_change
def get_health() -> Health:
    return Health(examine)
