"""A bucket as django-storages' S3Storage, with the account and the endpoint that the site uses already."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.core.files.storage import storages
from django.utils.module_loading import import_string

from shrinkmeister.conf import Config, SettingError
from shrinkmeister.credentials import caused, described, is_safe
from shrinkmeister.exceptions import StorageBusyError, StorageDeniedError, StorageError

S3_BACKEND = "storages.backends.s3.S3Storage"
# Seconds, and tries. botocore's own are 60, 60 and 5: longer than any browser, Lambda or gunicorn waits.
# Where S3 does not answer, the server asks for two things: what it needs, and what is stored already.
# And botocore's 10 connections are too few for one client of all threads.
CLIENT_OPTIONS: dict[str, Any] = {
    "max_pool_connections": 50,
    "connect_timeout": 2,
    "read_timeout": 6,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
}

# HTTP statuses, and what some say with another one: come later.
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
# The bucket is in another region, or not ours, or not there. Of objects, 404 is told before.
DENIED_STATUSES = (301, 401, 403, 404)


def is_s3(storage: Any) -> bool:
    """Whether a storage is django-storages' S3Storage or a subclass of it.

    By name, since importing that class imports boto3; and not by `bucket_name`, which its storage of
    Google's cloud has too.
    """
    kind: Any = type(storage)
    return _is_s3_class(kind)


@lru_cache(maxsize=256)
def _is_s3_class(storage: type) -> bool:
    return S3_BACKEND in {f"{parent.__module__}.{parent.__name__}" for parent in storage.__mro__}


def bucket_storage(bucket: str, config: Config, location: str = "") -> Any:
    """The storage of a bucket; names are whole keys unless there is a location.

    Class and options are those of the storage THUMBNAIL_STORAGE if it is an S3 storage; else they are
    django-storages' own, with its AWS_* settings. Raises SettingError where it cannot be built.
    """
    options: dict[str, Any] = {}
    backend = S3_BACKEND
    if is_s3(storages[config.storage]):
        parameters = settings.STORAGES[config.storage]
        backend, options = parameters["BACKEND"], parameters.get("OPTIONS", {})
    try:
        storage = import_string(backend)(**{**options, "bucket_name": bucket, "location": location})
    except ImportError as error:
        raise SettingError(
            "shrinkmeister.E013",
            f"THUMBNAIL_BUCKET is set, and the bucket {bucket!r} needs django-storages: {error}.",
            "Install it with `pip install shrinkmeister[s3]`.",
        ) from error
    except TypeError as error:
        raise _wrong_class(backend, bucket) from error
    if (storage.bucket_name, storage.location) != (bucket, location):
        raise _wrong_class(backend, bucket)
    # boto3's clients are for all threads. django-storages makes one in each (1.14), which takes 0.2 s, and
    # there are servers with a thread for each request.
    storage._connections, storage._unsigned_connections = SimpleNamespace(), SimpleNamespace()
    if not options.get("client_config") and not getattr(settings, "AWS_S3_CLIENT_CONFIG", None):
        from botocore.config import Config as ClientConfig

        storage.client_config = storage.client_config.merge(ClientConfig(**CLIENT_OPTIONS))
    return storage


@contextmanager
def bucket_errors(what: str) -> Iterator[None]:
    """What boto3 raises in the block becomes a StorageError, of the kind that it is.

    what: begins the message. It ends with no more than the name of the error: botocore's texts have the
    URL, and those of AWS the ARN, in which the name of a source stands.
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
    """None for what is not boto3's."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from urllib3.exceptions import HTTPError

    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        return _kind(status_of(error), code)(f"{what}: {error.operation_name}: {code}")
    if isinstance(error, NoCredentialsError):
        return StorageDeniedError(f"{what}: {described(error)}")
    # The last one slips through botocore where the TLS of a body breaks.
    if isinstance(error, (Boto3Error, BotoCoreError, HTTPError)):
        return StorageError(f"{what}: {type(error).__name__}")
    return None


def _kind(status: int, code: str) -> type[StorageError]:
    if status in BUSY_STATUSES or code in BUSY_CODES:
        return StorageBusyError
    return StorageDeniedError if status in DENIED_STATUSES else StorageError


def status_of(error: Any) -> int:
    """The HTTP status of a botocore ClientError; 0 where it has none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _wrong_class(backend: str, bucket: str) -> SettingError:
    return SettingError(
        "shrinkmeister.E013",
        f"STORAGES has the S3 storage {backend}, which cannot be had for the bucket {bucket!r}: its "
        f"constructor does not take, or changes, bucket_name and location.",
        "Set them as class attributes or as OPTIONS, or name another storage in THUMBNAIL_STORAGE.",
    )
