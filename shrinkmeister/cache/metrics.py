"""How the shared cache does, counted for Prometheus: with THUMBNAIL_METRICS, and else not loaded.

The counters are in the registry that prometheus_client has for a process, where whatever exports a site's
others finds them.
"""

from functools import cache
from typing import Literal

Operation = Literal["read", "write"]


class CacheMetrics:
    """To be made once in a process: a registry takes each name once."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge

        lookups = Counter(
            "shrinkmeister_lookups_total",
            "Thumbnails that the shared cache was asked for: hit, miss, or due for a look into the bucket.",
            ["result"],
        )
        self._hit, self._miss, self._due = (lookups.labels(one) for one in ("hit", "miss", "due"))
        self._failures = Counter(
            "shrinkmeister_cache_failures_total",
            "Times that the shared cache failed, and was left alone then.",
            ["operation"],
        )
        # Of several processes the one that has seen it last knows best, also of one that is gone.
        self._open = Gauge(
            "shrinkmeister_cache_open",
            "1 from a failure of the shared cache until it has answered again.",
            ["operation"],
            multiprocess_mode="mostrecent",
        )
        for operation in ("read", "write"):
            self._failures.labels(operation)
            self._open.labels(operation).set(0)

    def looked_up(self, found: bool, due: bool) -> None:
        (self._due if due else self._hit if found else self._miss).inc()

    def failed(self, operation: Operation) -> None:
        self._failures.labels(operation).inc()
        self._open.labels(operation).set(1)

    def answered_again(self, operation: Operation) -> None:
        self._open.labels(operation).set(0)


@cache
def get_cache_metrics() -> CacheMetrics:
    """Those of this process. Raises ImportError where prometheus_client is not installed."""
    return CacheMetrics()
