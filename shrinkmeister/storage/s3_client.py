"""The boto3 client of a bucket: one for all threads, with short timeouts and fresh connections."""

import time
from functools import cached_property
from typing import Any

# Seconds, and attempts. botocore's defaults are 60, 60 and 5: longer than any browser, Lambda or gunicorn
# waits. If S3 does not answer, the server still makes two requests: for the source and for the thumbnail.
# botocore's 10 connections are too few for a client that all threads share.
CLIENT_OPTIONS: dict[str, Any] = {
    "max_pool_connections": 50,
    "connect_timeout": 2,
    "read_timeout": 6,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
    # By default botocore adds a CRC32 to each PUT, over TLS after the body ("aws-chunked"), which many
    # S3-compatible stores refuse. Without it the signature covers the SHA-256 of the body.
    "request_checksum_calculation": "when_required",
}

# How long connections are used. Firewalls and NAT gateways drop idle ones after minutes, mostly without
# notice; a request on a dropped connection waits for the whole read_timeout.
CONNECTION_SECONDS = 60


def shared_client_class(kind: type) -> type:
    """Return an S3Storage class whose instances have one client for all threads."""
    return type(kind.__name__, (_SharedClient, kind), {"__module__": kind.__module__})


class _SharedClient:
    """Keep the boto3 resources of an S3Storage, of which django-storages makes one in each thread (1.14).

    Making one takes 0.2 s, and some servers start a thread for each request. boto3's clients are
    thread-safe.
    """

    @cached_property
    def connection(self) -> Any:
        resource = super().connection  # type: ignore[misc]  # of the S3Storage class beside this one
        _Renewal(resource.meta.client)
        return resource

    @cached_property
    def unsigned_connection(self) -> Any:
        return super().unsigned_connection  # type: ignore[misc]


class _Renewal:
    """Closes the connections of a client that may have been dropped. The next request opens new ones."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._since = time.time()
        client.meta.events.register("before-send.s3", self._before_send)
        client.meta.events.register("needs-retry.s3", self._needs_retry)

    def _before_send(self, **kwargs: Any) -> None:
        # The lower bound is for a clock that was set back.
        if not 0 <= time.time() - self._since < CONNECTION_SECONDS:
            self._renew()

    def _needs_retry(self, caught_exception: Exception | None = None, **kwargs: Any) -> None:
        """When one connection was dropped, the others of the pool probably were, too."""
        if caught_exception is not None:
            self._renew()

    def _renew(self) -> None:
        self._since = time.time()
        # A connection in use is closed after its request.
        self._client.close()
