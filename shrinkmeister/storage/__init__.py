"""Storage of thumbnails: the bucket THUMBNAIL_BUCKET, or without one the storage THUMBNAIL_STORAGE.

The server writes to it, the site deletes from it, and what it contains is the truth for both.
"""

from shrinkmeister.conf import SettingError, get_config, reset_on_setting_change
from shrinkmeister.storage.base import ThumbnailStorage
from shrinkmeister.storage.buckets import bucket_storage, is_s3, open_thumbnail_storage
from shrinkmeister.storage.django_storage import DjangoThumbnailStorage
from shrinkmeister.storage.s3 import S3ThumbnailStorage


@reset_on_setting_change
def get_thumbnail_storage() -> ThumbnailStorage:
    """Return this process's storage of thumbnails. Raises SettingError."""
    config = get_config()
    if config.bucket:
        return S3ThumbnailStorage(bucket_storage(config.bucket, config))
    return get_former_storage()


@reset_on_setting_change
def get_former_storage() -> ThumbnailStorage:
    """Return the storage THUMBNAIL_STORAGE itself, where sorl's own backend keeps its thumbnails."""
    config = get_config()
    storage = open_thumbnail_storage()
    if is_s3(storage):
        if not storage.bucket_name:
            raise SettingError(
                "shrinkmeister.E005",
                f"THUMBNAIL_BUCKET is not set, and the storage {config.storage!r} on S3 has no bucket.",
                "Set THUMBNAIL_BUCKET to the bucket of the thumbnails. To keep them elsewhere, describe "
                "that storage in STORAGES.",
            )
        return S3ThumbnailStorage(bucket_storage(storage.bucket_name, config, storage.location))
    return DjangoThumbnailStorage(storage)
