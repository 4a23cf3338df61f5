"""What the server answers, counted for Prometheus: `GET /metrics`, with THUMBNAIL_METRICS."""

from functools import cache

from shrinkmeister_server.observability.timing import Timing

# Seconds: of a small picture with Pillow to where browsers and proxies have mostly given up.
BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)


class RequestMetrics:
    """To be made once in a process: a registry takes each name once."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Histogram, Summary

        self._requests = Counter(
            "shrinkmeister_requests_total",
            "Requests by what came of them: found, stored, waited, made, the class of an error, or -.",
            ["outcome", "status"],
        )
        self._making = Histogram(
            "shrinkmeister_making_seconds",
            "From reading the source to recording the thumbnail, of thumbnails that were made.",
            buckets=BUCKETS,
        )
        self._phases = Summary(
            "shrinkmeister_phase_seconds", "What requests spend their time on, as Server-Timing.", ["phase"]
        )

    def answered(self, outcome: str, status: int, timing: Timing) -> None:
        self._requests.labels(outcome, str(status)).inc()
        if outcome == "made":
            self._making.observe(timing.making())
        for phase, seconds in timing.seconds.items():
            self._phases.labels(phase).observe(seconds)


@cache
def get_request_metrics() -> RequestMetrics:
    """Those of this process. Raises ImportError where prometheus_client is not installed."""
    return RequestMetrics()


def exposition(directory: str | None) -> tuple[bytes, str]:
    """All counters as Prometheus reads them, and their content type.

    directory: where the processes of this server write theirs, PROMETHEUS_MULTIPROC_DIR; None for those of
    this process alone
    """
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = REGISTRY
    if directory:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]  # the library's
    return generate_latest(registry), CONTENT_TYPE_LATEST
