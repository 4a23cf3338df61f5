"""Thumbnails in the storage: their files, their records, and the URLs that browsers load.

The bucket is the truth: a record is written after the objects, and deleted before them.
"""

import time
from dataclasses import dataclass

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import DAY, SettingError, get_config
from shrinkmeister.protocol.keys import object_name, record_key, source_key
from shrinkmeister.protocol.records import ThumbnailRecord, base_of
from shrinkmeister.protocol.spec import CONTENT_TYPES, ThumbnailSpec
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import StoredInfo
from shrinkmeister_server.rendering.render import Rendering

# A record ends this long before the bucket deletes the thumbnail, since a visitor may have a page open.
EXPIRY_MARGIN_SECONDS = DAY


@dataclass(frozen=True)
class ServedThumbnail:
    """A thumbnail whose final URLs work.

    settled  whether it is recorded; if not, its source kept changing while it was made
    """

    spec: ThumbnailSpec
    record: ThumbnailRecord
    settled: bool = True

    def url(self, resolution: str | None = None) -> str:
        """Return the final URL. Raises SettingError.

        resolution: one of THUMBNAIL_ALTERNATIVE_RESOLUTIONS, "2" for @2x
        """
        if self.record.base is None:
            return absolute_url(object_name(self.spec, get_config().prefix, resolution))
        return self.record.base + object_name(self.spec, "", resolution)


def absolute_url(name: str) -> str:
    """Return the URL of a stored thumbnail, signed where the bucket is private.

    Raises SettingError if the storage gives a URL that means nothing on another host.
    """
    url = get_thumbnail_storage().url(name)
    if not url.startswith(("https://", "http://")):
        raise SettingError(
            "shrinkmeister.E102",
            f"The storage of thumbnails in STORAGES gives the URL {url!r}, which browsers would look for "
            f"on the thumbnail server.",
            "Give it an absolute base_url, such as 'https://www.example.com/media/'.",
        )
    return url


def find_stored(spec: ThumbnailSpec) -> StoredInfo | None:
    """Look in the bucket for a thumbnail with all its resolutions."""
    config = get_config()
    others = {r: object_name(spec, config.prefix, r) for r in config.resolutions}
    info = get_thumbnail_storage().find(object_name(spec, config.prefix), others)
    return info if info and set(config.resolutions) <= set(info.resolutions) else None


def record_stored(spec: ThumbnailSpec, info: StoredInfo) -> ThumbnailRecord | None:
    """Write the record of a stored thumbnail. Return None if the bucket deletes it too soon for one."""
    days, seconds = get_config().expire_days, None
    if days is not None:
        age = time.time() - info.modified.timestamp() if info.modified else 0.0
        # S3 deletes an object of that age at the next midnight, and never earlier.
        seconds = days * DAY - EXPIRY_MARGIN_SECONDS - age
        if seconds < 1:
            return None
    record = record_of(info)
    get_shared_cache().records.save(spec, record, info.source, seconds)
    return record


def record_of(info: StoredInfo) -> ThumbnailRecord:
    return ThumbnailRecord(info.width, info.height, current_base(), info.resolutions)


def current_base() -> str | None:
    """Return the beginning of the thumbnails' URLs, as records contain it.

    It is cut from the URL of a fixed name, because a storage makes the URL of a new name slowly.
    """
    name = f"{'a' * 32}/{'a' * 32}.jpg"
    return base_of(get_thumbnail_storage().url(get_config().prefix + name), name)


def store(spec: ThumbnailSpec, rendering: Rendering) -> StoredInfo:
    main, config, storage = rendering.thumbnail, get_config(), get_thumbnail_storage()
    info = StoredInfo(main.width, main.height, tuple(rendering.resolutions), rendering.source)
    # The thumbnail itself comes last: a server that finds it finds all its resolutions.
    for resolution, picture in (*rendering.resolutions.items(), (None, main)):
        name = object_name(spec, config.prefix, resolution)
        storage.save(name, picture.data, CONTENT_TYPES[spec.format], info)
    return info


def remove(spec: ThumbnailSpec) -> None:
    config = get_config()
    get_shared_cache().records.delete([record_key(spec), source_key(spec.source)])
    names = [object_name(spec, config.prefix, r) for r in (None, *config.resolutions)]
    get_thumbnail_storage().delete(names)
