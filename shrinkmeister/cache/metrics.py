"""Look-ups and failures of the shared cache, counted for Prometheus with THUMBNAIL_METRICS.

The counters are in prometheus_client's registry of the process, and are exported with the site's others.
"""

from functools import cache
from typing import Literal

Operation = Literal["read", "write"]


class CacheMetrics:
    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge

        lookups = Counter(
            "shrinkmeister_lookups_total",
            "Look-ups of thumbnails in the shared cache: hit, miss, or stale.",
            ["result"],
        )
        self._hit, self._miss, self._stale = (lookups.labels(one) for one in ("hit", "miss", "stale"))
        self._failures = Counter(
            "shrinkmeister_cache_failures_total",
            "Failures of the shared cache. After each, the process does not call it for some seconds.",
            ["operation"],
        )
        # Of several processes, the one that called the cache last has the latest state.
        self._open = Gauge(
            "shrinkmeister_cache_open",
            "1 from a failure of the shared cache until it has answered again.",
            ["operation"],
            multiprocess_mode="mostrecent",
        )
        for operation in ("read", "write"):
            self._failures.labels(operation)
            self._open.labels(operation).set(0)

    def looked_up(self, found: bool, stale: bool) -> None:
        (self._stale if stale else self._hit if found else self._miss).inc()

    def failed(self, operation: Operation) -> None:
        self._failures.labels(operation).inc()
        self._open.labels(operation).set(1)

    def answered_again(self, operation: Operation) -> None:
        self._open.labels(operation).set(0)


#: One of a process, since a registry accepts each name once. Raises ImportError without prometheus_client.
get_cache_metrics = cache(CacheMetrics)
