"""Prometheus metrics of the server's answers: `GET /metrics`, with THUMBNAIL_METRICS."""

from collections.abc import Callable
from functools import cache

from shrinkmeister_server.observability.timing import Timing

# Seconds, from a small picture with Pillow to where most browsers and proxies have given up.
BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)


@cache
def get_counter() -> Callable[[str, str, int, Timing], None]:
    """Return a function that counts a request. Raises ImportError without prometheus_client.

    It is made once in a process, because a registry takes each name once.
    """
    from prometheus_client import Counter, Histogram, Summary

    requests = Counter(
        "shrinkmeister_requests_total",
        "Requests by outcome: found, stored, waited, made, the class of an error (and its code), or -.",
        ["outcome", "code", "status"],
    )
    making = Histogram(
        "shrinkmeister_making_seconds",
        "Time from reading the source to recording the thumbnail, of thumbnails that were made.",
        buckets=BUCKETS,
    )
    phases = Summary(
        "shrinkmeister_phase_seconds", "Time that requests spend on phases of Server-Timing.", ["phase"]
    )

    def count(outcome: str, code: str, status: int, timing: Timing) -> None:
        requests.labels(outcome, code, str(status)).inc()
        if outcome == "made":
            making.observe(timing.making())
        for phase, seconds in timing.seconds.items():
            phases.labels(phase).observe(seconds)

    return count


def exposition(directory: str | None) -> tuple[bytes, str]:
    """Return all metrics in Prometheus' format, and their content type.

    directory: PROMETHEUS_MULTIPROC_DIR, where the server's processes write their metrics; None for the
    metrics of this process only
    """
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = REGISTRY
    if directory:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]  # the library's
    return generate_latest(registry), CONTENT_TYPE_LATEST
