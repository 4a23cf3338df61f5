"""boto3's client of a bucket, one for all threads and with short timeouts; its errors as StorageErrors."""

import time
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import Any

from shrinkmeister.conf.credentials import described, errors_as, is_safe
from shrinkmeister.exceptions import StorageBusyError, StorageDeniedError, StorageError

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

# Statuses and codes of a store that is busy. Some stores send the codes with another status.
BUSY_STATUSES = (429, 503)
BUSY_CODES = (
    "BandwidthLimitExceeded",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
# The bucket is in another region, belongs to another account, or does not exist. Callers that look for an
# object handle its 404 themselves.
DENIED_STATUSES = (301, 401, 403, 404)
# Statuses of a store that does not know an operation (405, 501), or does not accept a CRC32 instead of
# Content-MD5 (400 MissingContentMD5, InvalidRequest, ...; 411).
FORM_STATUSES = (400, 405, 411, 501)


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
        resource.meta.client.meta.events.register_last("before-call.s3", _send_at_once)
        return resource

    @cached_property
    def unsigned_connection(self) -> Any:
        return super().unsigned_connection  # type: ignore[misc]  # as above


def _send_at_once(params: Any, **kwargs: Any) -> None:
    """Send the body of a PUT with its head.

    botocore would first wait for the answer "100 Continue", which pays for large bodies only. If S3
    redirects to another region, botocore sends a thumbnail again.
    """
    params["headers"].pop("Expect", None)


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


def bucket_errors(what: str) -> AbstractContextManager[None]:
    """Turn what boto3 raises in the block into the StorageError that fits.

    what: begins the message. Only the error's name follows: botocore's texts contain the URL and those of
    AWS the ARN, either of which contains the name of a source.
    """
    return errors_as(partial(_storage_error, what))


def _storage_error(what: str, error: Exception) -> StorageError | None:
    """Return None for a mistake of ours, unless its text shows a credential."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from urllib3.exceptions import HTTPError

    if isinstance(error, ClientError):
        code, status = error_code(error), status_of(error)
        kind = StorageDeniedError if status in DENIED_STATUSES else StorageError
        if status in BUSY_STATUSES or code in BUSY_CODES:
            kind = StorageBusyError
        return kind(f"{what}: {error.operation_name}: {code}")
    if isinstance(error, NoCredentialsError):
        return StorageDeniedError(f"{what}: {described(error)}")
    # botocore lets urllib3's error through when TLS breaks within a body.
    if isinstance(error, (Boto3Error, BotoCoreError, HTTPError)) or not is_safe(error):
        return StorageError(f"{what}: {type(error).__name__}")
    return None


def refuses_form(error: Any) -> bool:
    """Return whether a ClientError may mean that the store does not accept this kind of request."""
    return status_of(error) in FORM_STATUSES and error_code(error) not in BUSY_CODES


def error_code(error: Any) -> str:
    """Return the code of a botocore ClientError, such as "NoSuchKey"; "" if it has none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Any) -> int:
    """Return the HTTP status of a botocore ClientError; 0 if it has none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
