"""A bucket as django-storages' S3Storage, with the account and the endpoint that the site uses already."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from shrinkmeister.conf import Config, SettingError, get_config, reset_on_setting_change
from shrinkmeister.conf.credentials import caused, described, is_safe
from shrinkmeister.exceptions import StorageBusyError, StorageDeniedError, StorageError
from shrinkmeister.storage.kinds import is_a
from shrinkmeister.storage.thumbnail_storage import open_thumbnail_storage, opens_storage

S3_BACKEND = "storages.backends.s3.S3Storage"
# Seconds, and tries. botocore's own are 60, 60 and 5: longer than any browser, Lambda or gunicorn waits.
# Where S3 does not answer, the server asks for two things: what it needs, and what is stored already.
# And botocore's 10 connections are too few for one client of all threads.
CLIENT_OPTIONS: dict[str, Any] = {
    "max_pool_connections": 50,
    "connect_timeout": 2,
    "read_timeout": 6,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
    # botocore's default adds a CRC32 to each PUT, over TLS behind the body ("aws-chunked"), which many
    # S3-compatible stores refuse. Without it the signature covers the SHA-256 of the body.
    "request_checksum_calculation": "when_required",
}

# Seconds for which connections are used. Firewalls and NAT gateways forget one that is idle for minutes,
# mostly without notice: then a request on it is waited for until read_timeout is over.
CONNECTION_SECONDS = 60

# boto3 signs URLs with version 2 in some regions. Buckets created since 2020, and many other stores,
# refuse it.
SIGNATURE_VERSION = "s3v4"
# S3 refuses a URL that is signed with version 4 for more seconds.
MOST_SIGNED_SECONDS = 7 * 24 * 3600
# AWS finds a bucket from its endpoint of any region.
AWS_ENDPOINT = re.compile(r"https?://([a-z0-9-]+\.)*amazonaws\.com(:443)?/?", re.ASCII | re.IGNORECASE)

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
# Statuses of a store that does not know an operation, or not in this form: with a CRC32 in the place of
# Content-MD5 (400 MissingContentMD5, InvalidRequest, ...; 411), or at all (405, 501).
FORM_STATUSES = (400, 405, 411, 501)
# The bucket is in another region, or not ours, or not there. Of objects, 404 is told before.
DENIED_STATUSES = (301, 401, 403, 404)


def is_s3(storage: Any) -> bool:
    """Whether a storage is django-storages' S3Storage or a subclass of it.

    Not by `bucket_name`, which its storage of Google's cloud has too.
    """
    return is_a(storage, S3_BACKEND)


def is_reached_by_server(storage: Any) -> bool:
    """Return whether the thumbnail server reaches the bucket of an S3 storage by the bucket's name.

    It has one endpoint and one account for buckets. On the site they are those of THUMBNAIL_STORAGE.
    """
    own, connection = _own()
    return storage is own or _connection_of(storage) == connection


@reset_on_setting_change
@opens_storage
def _own() -> tuple[Any, tuple[Any, ...]]:
    """Return the S3 storage whose endpoint and account the server shares, and its connection."""
    storage = open_thumbnail_storage(get_config())
    if not is_s3(storage):
        # The file whose place is asked for has an S3 storage, so that the import is done already.
        storage = import_string(S3_BACKEND)()
    return storage, _connection_of(storage)


def _connection_of(storage: Any) -> tuple[Any, ...]:
    """Return what decides which bucket a name means: the class's session, the endpoint, the account."""
    kind = type(storage)
    account = (
        (storage.session_profile,)
        if storage.session_profile
        else (storage.access_key, storage.secret_key, storage.security_token)
    )
    return (kind.connection, kind._create_session, _endpoint(storage.endpoint_url), *account)


@lru_cache(maxsize=256)
def _endpoint(url: str | None) -> str | None:
    """Return one spelling of an endpoint, None for AWS."""
    return None if not url or AWS_ENDPOINT.fullmatch(url) else url.rstrip("/")


@opens_storage
def bucket_storage(bucket: str, config: Config, location: str = "") -> Any:
    """The storage of a bucket; names are whole keys unless there is a location.

    Class and options are those of the storage THUMBNAIL_STORAGE if it is an S3 storage; else they are
    django-storages' own, with its AWS_* settings. Raises SettingError where it cannot be built.
    """
    options: dict[str, Any] = {}
    backend = S3_BACKEND
    if is_s3(open_thumbnail_storage(config)):
        parameters = settings.STORAGES.get(config.storage, {"BACKEND": config.storage})
        backend, options = parameters["BACKEND"], parameters.get("OPTIONS", {})
    options = {**options, "bucket_name": bucket, "location": location}
    try:
        storage = import_string(backend)(**options)
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
    return _prepared(storage, options)


def alias_storage(alias: str) -> Any:
    """Return a new instance of an S3 storage of STORAGES."""
    parameters = settings.STORAGES[alias]
    options = parameters.get("OPTIONS", {})
    return _prepared(import_string(parameters["BACKEND"])(**options), options)


def _prepared(storage: Any, options: dict[str, Any]) -> Any:
    """Return the storage with one client for all threads, our patience and a safe signature version.

    options: those that it was built with
    """
    from botocore.config import Config as ClientConfig
    from storages.utils import lookup_env

    # boto3's clients are for all threads. django-storages makes one in each (1.14), which takes 0.2 s, and
    # there are servers with a thread for each request.
    storage._connections, storage._unsigned_connections = _Connections(), SimpleNamespace()
    if not options.get("client_config") and not getattr(settings, "AWS_S3_CLIENT_CONFIG", None):
        storage.client_config = storage.client_config.merge(ClientConfig(**CLIENT_OPTIONS))
    if storage.client_config.signature_version is None:
        version = ClientConfig(signature_version=SIGNATURE_VERSION)
        storage.client_config = storage.client_config.merge(version)
    if signs_for_too_long(storage):
        storage.querystring_expire = MOST_SIGNED_SECONDS
    # django-storages adds the environment's session token to any keys. On Lambda that is the token of the
    # role, and other stores refuse keys that come with it.
    token = lookup_env(["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"])
    if storage.security_token == token and storage.access_key != lookup_env(["AWS_ACCESS_KEY_ID"]):
        storage.security_token = None
    return storage


class _Connections:
    """Where django-storages keeps boto3's resource. The connections of its client are made new in time."""

    def __init__(self) -> None:
        self._resource: Any = None
        self._since = time.time()

    @property
    def connection(self) -> Any:
        return self._resource

    @connection.setter
    def connection(self, resource: Any) -> None:
        events = resource.meta.client.meta.events
        events.register("before-send.s3", self._renew_old)
        events.register("needs-retry.s3", self._renew_failed)
        self._resource = resource

    def _renew_old(self, **kwargs: Any) -> None:
        # Also where the clock was set back.
        if not 0 <= time.time() - self._since < CONNECTION_SECONDS:
            self._renew()

    def _renew_failed(self, caught_exception: Exception | None = None, **kwargs: Any) -> None:
        """Where one connection was lost, the others of the pool were, too."""
        if caught_exception is not None:
            self._renew()

    def _renew(self) -> None:
        self._since = time.time()
        # Those in use are closed when their request is over; the next request makes new ones.
        self._resource.meta.client.close()


def signs_for_too_long(storage: Any) -> bool:
    """Return whether an S3 storage signs URLs for more seconds than S3 takes."""
    version = storage.client_config.signature_version
    # CloudFront signs the URLs of a custom domain, and has no such limit.
    return bool(
        storage.querystring_auth
        and not storage.custom_domain
        and (version is None or "v4" in str(version))
        and storage.querystring_expire > MOST_SIGNED_SECONDS
    )


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


def refuses_form(error: Any) -> bool:
    """Whether a botocore ClientError may mean that the store does not take this form of a request."""
    return status_of(error) in FORM_STATUSES and error.response["Error"].get("Code") not in BUSY_CODES


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
