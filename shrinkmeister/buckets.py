"""A bucket as django-storages' S3Storage, with the account and the endpoint that the site uses already."""

from typing import Any

from django.conf import settings
from django.core.files.storage import storages
from django.utils.module_loading import import_string

from shrinkmeister.conf import Config, SettingError

S3_BACKEND = "storages.backends.s3.S3Storage"


def is_s3(storage: Any) -> bool:
    """Whether a storage is django-storages' S3Storage or a subclass of it.

    By name, since importing that class imports boto3; and not by `bucket_name`, which its storage of
    Google's cloud has too.
    """
    backends = {f"{parent.__module__}.{parent.__name__}" for parent in type(storage).__mro__}
    return S3_BACKEND in backends


def bucket_storage(bucket: str, config: Config) -> Any:
    """The storage of a bucket, whole keys for names.

    Class and options are those of the storage THUMBNAIL_STORAGE if it is an S3 storage; else they are
    django-storages' own, with its AWS_* settings. Raises SettingError without django-storages.
    """
    site_storage: Any = storages[config.storage]
    options: dict[str, Any] = {}
    backend = S3_BACKEND
    if is_s3(site_storage):
        if site_storage.bucket_name == bucket and not site_storage.location:
            return site_storage
        parameters = settings.STORAGES[config.storage]
        backend, options = parameters["BACKEND"], parameters.get("OPTIONS", {})
    try:
        storage_class = import_string(backend)
    except ImportError as error:
        raise SettingError(
            "shrinkmeister.E013",
            f"THUMBNAIL_BUCKET is set, and the bucket {bucket!r} needs django-storages: {error}.",
            "Install it with `pip install shrinkmeister[s3]`.",
        ) from error
    return storage_class(**{**options, "bucket_name": bucket, "location": ""})
