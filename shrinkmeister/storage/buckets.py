"""The Django storage THUMBNAIL_STORAGE, and a bucket with the account and the endpoint of the site."""

import posixpath
import re
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.utils.module_loading import import_string

from shrinkmeister.conf import Config, SettingError, get_config, reset_on_setting_change
from shrinkmeister.conf.credentials import described, errors_as
from shrinkmeister.exceptions import SpecError
from shrinkmeister.storage.compat import is_a
from shrinkmeister.storage.s3_client import CLIENT_OPTIONS, shared_client_class

S3_BACKEND = "storages.backends.s3.S3Storage"
# boto3 signs URLs with version 2 in some regions. Buckets created since 2020, and many other stores,
# refuse it.
SIGNATURE_VERSION = "s3v4"
# The longest time for which S3 accepts a URL signed with version 4.
MOST_SIGNED_SECONDS = 7 * 24 * 3600
# AWS finds a bucket from its endpoint in any region.
AWS_ENDPOINT = re.compile(r"https?://([a-z0-9-]+\.)*amazonaws\.com(:443)?/?", re.ASCII | re.IGNORECASE)


def _refused(error: Exception) -> SettingError | None:
    if isinstance(error, SettingError) or not isinstance(error, ImproperlyConfigured):
        return None
    return SettingError(
        "shrinkmeister.E103",
        f"STORAGES, or another setting of a storage, does not work: {described(error)}",
        "Compare it with what the storage's library takes.",
    )


#: Decorates a function that opens storages: raises SettingError where they raise ImproperlyConfigured.
opens_storage = errors_as(_refused)


@reset_on_setting_change
@opens_storage
def open_thumbnail_storage() -> Any:
    """Return the storage THUMBNAIL_STORAGE, which contains files given by a plain name.

    As in sorl, it is an alias of STORAGES or the dotted path of a class, whose instance gets no options.
    """
    name = get_config().storage
    return storages[name] if name in storages.backends else import_string(name)()


def is_s3(storage: Any) -> bool:
    """Return whether a storage is django-storages' S3Storage or a subclass of it.

    `bucket_name` does not show it: django-storages' storage for Google's cloud has that attribute, too.
    """
    return is_a(storage, S3_BACKEND)


def is_reached_by_server(storage: Any) -> bool:
    """Return whether the thumbnail server reaches the bucket of an S3 storage by the bucket's name.

    The server has one endpoint and one account for buckets: those of THUMBNAIL_STORAGE on the site.
    """
    own, connection = _own()
    return storage is own or _connection_of(storage) == connection


@reset_on_setting_change
@opens_storage
def _own() -> tuple[Any, tuple[Any, ...]]:
    """Return the S3 storage whose endpoint and account the server shares, and its connection."""
    storage = open_thumbnail_storage()
    if not is_s3(storage):
        # Costs no import: the caller has an S3 storage already.
        storage = import_string(S3_BACKEND)()
    return storage, _connection_of(storage)


def _connection_of(storage: Any) -> tuple[Any, ...]:
    """Return what decides which bucket a name means: the class's session, the endpoint, the account."""
    kind, url = type(storage), storage.endpoint_url
    account = (
        (storage.session_profile,)
        if storage.session_profile
        else (storage.access_key, storage.secret_key, storage.security_token)
    )
    # The endpoint in one spelling; None for AWS.
    endpoint = None if not url or AWS_ENDPOINT.fullmatch(url) else url.rstrip("/")
    # `_create_session` is private, and the only place where a class can change the account of its session.
    return (kind.connection, kind._create_session, endpoint, *account)


@opens_storage
def bucket_storage(bucket: str, config: Config, location: str = "") -> Any:
    """Return the storage of a bucket. Names are whole keys unless there is a location.

    Class and options are those of the storage THUMBNAIL_STORAGE if that is an S3 storage. Otherwise they
    are django-storages' own, with its AWS_* settings. Raises SettingError if it cannot be built.
    """
    options: dict[str, Any] = {}
    backend = S3_BACKEND
    if is_s3(open_thumbnail_storage()):
        parameters = settings.STORAGES.get(config.storage, {"BACKEND": config.storage})
        backend, options = parameters["BACKEND"], parameters.get("OPTIONS", {})
    options = {**options, "bucket_name": bucket, "location": location}
    try:
        storage = shared_client_class(import_string(backend))(**options)
        if (storage.bucket_name, storage.location) != (bucket, location):
            raise TypeError("it changes them")
    except ImportError as error:
        raise _without_package(bucket, str(error)) from error
    except TypeError as error:
        raise SettingError(
            "shrinkmeister.E013",
            f"STORAGES has the S3 storage {backend}, which cannot be opened for the bucket {bucket!r}: its "
            f"constructor does not accept, or changes, bucket_name and location.",
            "Set them as class attributes or as OPTIONS, or name another storage in THUMBNAIL_STORAGE.",
        ) from error
    return _prepared(storage, options)


def missing_s3_package(bucket: str) -> SettingError | None:
    """Return the error of `bucket_storage` where a package of the extra `s3` is missing. Loads none."""
    missing = [name for name in ("storages", "boto3") if find_spec(name) is None]
    return _without_package(bucket, f"no module named {missing[0]!r}") if missing else None


def _without_package(bucket: str, reason: str) -> SettingError:
    return SettingError(
        "shrinkmeister.E013",
        f"THUMBNAIL_BUCKET is {bucket!r}, which needs django-storages and boto3: {reason}.",
        'Install them with `pip install "shrinkmeister[s3]"`.',
    )


def alias_storage(alias: str) -> Any:
    """Return a new instance of an S3 storage of STORAGES. Raises SettingError if it has no bucket."""
    parameters = settings.STORAGES[alias]
    options = parameters.get("OPTIONS", {})
    storage = shared_client_class(import_string(parameters["BACKEND"]))(**options)
    if not storage.bucket_name:
        raise SettingError(
            "shrinkmeister.E113",
            f"THUMBNAIL_SOURCES contains 'storage://{alias}', a storage on S3 without a bucket.",
            f"Add bucket_name to the OPTIONS of {alias!r} in STORAGES.",
        )
    return _prepared(storage, options)


def _prepared(storage: Any, options: dict[str, Any]) -> Any:
    """Return the storage with short timeouts and a signature version that S3 accepts.

    options: those that it was built with
    """
    from botocore.config import Config as ClientConfig
    from storages.utils import lookup_env

    own = options.get("client_config") or getattr(settings, "AWS_S3_CLIENT_CONFIG", None)
    version = storage.client_config.signature_version or SIGNATURE_VERSION
    defaults = ClientConfig(**({} if own else CLIENT_OPTIONS), signature_version=version)
    storage.client_config = storage.client_config.merge(defaults)
    if signs_for_too_long(storage):
        storage.querystring_expire = MOST_SIGNED_SECONDS
    # django-storages adds the environment's session token to any keys. On Lambda that is the token of the
    # role, and other stores refuse keys that come with it.
    token = lookup_env(["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"])
    if storage.security_token == token and storage.access_key != lookup_env(["AWS_ACCESS_KEY_ID"]):
        storage.security_token = None
    return storage


def signs_for_too_long(storage: Any) -> bool:
    """Return whether an S3 storage signs URLs for more seconds than S3 accepts."""
    version = storage.client_config.signature_version
    # CloudFront signs the URLs of a custom domain, and has no such limit.
    return bool(
        storage.querystring_auth
        and not storage.custom_domain
        and (version is None or "v4" in str(version))
        and storage.querystring_expire > MOST_SIGNED_SECONDS
    )


def object_key(location: str, name: str) -> str:
    """Return the object's key, which django-storages' S3Storage makes from its location and a name.

    Raises SpecError for a name that leads out of the location.
    """
    location = location.strip("/")
    key = posixpath.normpath(posixpath.join(location, name.replace("\\", "/").lstrip("/")))
    if key in (".", location) or not f"{key}/".startswith(f"{location}/" if location else ""):
        raise SpecError(f"the name {name!r} leads out of the storage's location {location!r}")
    return key
