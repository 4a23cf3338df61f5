"""boto3's errors as StorageErrors: whether S3 is busy, denies access, or fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shrinkmeister.conf.credentials import caused, described, is_safe
from shrinkmeister.exceptions import StorageBusyError, StorageDeniedError, StorageError

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


@contextmanager
def bucket_errors(what: str) -> Iterator[None]:
    """Turn what boto3 raises in the block into the StorageError that fits.

    what: begins the message. Only the error's name follows: botocore's texts contain the URL and those of
    AWS the ARN, either of which contains the name of a source.
    """
    try:
        yield
    except Exception as error:
        ours = _storage_error(what, error)
        if ours is None and is_safe(error):
            raise
        failed = caused(ours or StorageError(f"{what}: {type(error).__name__}"), error)
    else:
        return
    raise failed


def _storage_error(what: str, error: Exception) -> StorageError | None:
    """Return None for an error that is not boto3's."""
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
    if isinstance(error, (Boto3Error, BotoCoreError, HTTPError)):
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
