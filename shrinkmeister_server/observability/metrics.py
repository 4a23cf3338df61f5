"""Prometheus metrics of the server's answers: `GET /metrics`. Only THUMBNAIL_METRICS imports this.

They are made once in a process, because a registry takes each name once.
"""

import prometheus_client
from django.conf import settings
from prometheus_client.multiprocess import MultiProcessCollector

from shrinkmeister_server.observability.timing import Timing

REQUESTS = prometheus_client.Counter(
    "shrinkmeister_requests_total",
    "Requests by outcome: found, stored, waited, made, the class of an error (and its code), or -.",
    ["outcome", "code", "status"],
)
MAKING = prometheus_client.Histogram(
    "shrinkmeister_making_seconds",
    "Time from reading the source to recording the thumbnail, of thumbnails that were made.",
    # From a small picture with Pillow to where most browsers and proxies have given up.
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0),
)
PHASES = prometheus_client.Summary(
    "shrinkmeister_phase_seconds", "Time that requests spend on phases of Server-Timing.", ["phase"]
)


def count(outcome: str, code: str, status: int, timing: Timing) -> None:
    REQUESTS.labels(outcome, code, str(status)).inc()
    if outcome == "made":
        MAKING.observe(timing.making())
    for phase, seconds in timing.seconds.items():
        PHASES.labels(phase).observe(seconds)


def exposition() -> tuple[bytes, str]:
    """Return the metrics of all processes in Prometheus' format, and their content type."""
    registry = prometheus_client.REGISTRY
    if directory := getattr(settings, "PROMETHEUS_MULTIPROC_DIR", None):
        registry = prometheus_client.CollectorRegistry()
        MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]  # the library's
    return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST
