"""The files of thumbnails, for code that opens them or stores their names.

    photo.image = get_thumbnail(photo.image, "800").name
    data = get_thumbnail(photo.image, "800").read()

A lazy thumbnail has no file yet, and the file of a recorded one may be lost. So the storage is asked first.
If the file is missing, this process or the server makes the thumbnail.
"""

from dataclasses import dataclass
from typing import Any

import shrinkmeister
from shrinkmeister.adoption.former import forget_former
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import SettingError, get_config, lazy_url
from shrinkmeister.conf.credentials import described, errors_as
from shrinkmeister.eager import get_maker
from shrinkmeister.exceptions import NotStoredError, StorageError
from shrinkmeister.geometry import Size
from shrinkmeister.page import forget_page
from shrinkmeister.protocol.keys import object_name, record_key
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.sources import place_of
from shrinkmeister.storage import get_former_storage, get_thumbnail_storage
from shrinkmeister.storage.base import ThumbnailStorage
from shrinkmeister.storage.buckets import open_thumbnail_storage
from shrinkmeister.storage.listing import with_resolution

# The longest time in which the server reads a source and makes a thumbnail.
SERVER_SECONDS = 40


def _not_stored(error: Exception) -> NotStoredError | None:
    if isinstance(error, NotStoredError | SettingError):
        return None
    return _error(f"it could not be made or found: {described(error)}")


def _error(reason: str, what: str = "file") -> NotStoredError:
    return NotStoredError(f"This thumbnail has no {what}: {reason}. Use its .url.")


#: Raises NotStoredError for any error of a storage or an engine, which raise those of their libraries. An
#: AttributeError would look like a missing attribute to templates and hasattr().
_needs_file = errors_as(_not_stored)


@dataclass(frozen=True)
class Origin:
    """Where the file of a thumbnail comes from. It contains only values, so that it can be pickled.

    name        its name in the storage of thumbnails, or sorl's name if the former backend has made it
    spec        what the server makes it from; None if the former backend has made it
    by_storage  whether its storage makes each of its URLs, because they are signed or relative to the site
    no_file     why it has no file: it is a placeholder, or THUMBNAIL_SOURCES does not list its host
    """

    name: str = ""
    spec: ThumbnailSpec | None = None
    by_storage: bool = False
    no_file: str = ""

    def url_of(self, url: str, resolution: str) -> str:
        """Return the URL at a resolution, "2" for @2x. url: the thumbnail's own URL"""
        if self.no_file:
            return url
        if self.by_storage:
            return self.thumbnails().url(with_resolution(self.name, resolution))
        return with_resolution(url, resolution)

    @_needs_file
    def storage(self) -> Any:
        """Return the storage in which the file is, or will be."""
        if self.no_file:
            raise _error(self.no_file)
        bucket, storage = get_config().bucket, open_thumbnail_storage()
        if self.spec is None or bucket is None:
            return storage
        if place_of(storage, self.name) == Source("s3", bucket, self.name):
            return storage
        return self.thumbnails().storage

    @_needs_file
    def stored(self, in_site_storage: bool = False) -> tuple[Any, str]:
        """Return that storage and the name in it, after making the file if it is missing.

        in_site_storage: whether only a file in THUMBNAIL_STORAGE counts, to which a name refers
        """
        storage, config = self.storage(), get_config()
        if in_site_storage and storage is not open_thumbnail_storage():
            raise _error(
                f"thumbnails are in the bucket {config.bucket!r} (THUMBNAIL_BUCKET), but a name refers to "
                f"the storage {config.storage!r} (THUMBNAIL_STORAGE)",
                "name",
            )
        if storage.exists(self.name):
            return storage, self.name
        if self.spec is None:
            raise _error("sorl made it, but its file is lost")
        if get_shared_cache().lookups.look_up(self.spec).thumbnail:
            # The server trusts a record for days, and would not make the lost file again.
            get_shared_cache().records.delete([record_key(self.spec)])
        name = _make(self.spec)
        forget_page()
        if storage.exists(name):
            return storage, name
        raise _error(
            "it was made, but its storage does not contain it. The thumbnail server stores thumbnails "
            "elsewhere: compare THUMBNAIL_BUCKET, THUMBNAIL_STORAGE and THUMBNAIL_PREFIX"
        )

    @_needs_file
    def size(self) -> Size | None:
        """Return (width, height), after making the file if it is missing; None without a file."""
        if self.no_file:
            return None
        _, name = self.stored()
        info = self.thumbnails().find(name, {})
        if info is None:
            raise StorageError(f"{name} has no size in its metadata")
        return info.width, info.height

    def delete(self, delete_file: bool) -> None:
        """Delete the record and, with `delete_file`, the files. Do nothing without a file, as sorl does."""
        if self.no_file:
            return
        config = get_config()
        if self.spec:
            get_shared_cache().records.delete([record_key(self.spec)])
        else:
            forget_former(self.name)
        if delete_file:
            larger = (with_resolution(self.name, factor) for factor in config.resolutions)
            self.thumbnails().delete([self.name, *larger])

    def thumbnails(self) -> ThumbnailStorage:
        """Return the storage of thumbnails that stores it."""
        return get_thumbnail_storage() if self.spec else get_former_storage()


def _make(spec: ThumbnailSpec) -> str:
    """Make a thumbnail in this process if the server's packages are installed, otherwise by the server.

    Return its object name, which differs if the source was changing meanwhile.
    """
    config = get_config()
    try:
        make = get_maker()
    except SettingError:
        # Imported on use: pages import this module, and no page sends a request.
        from shrinkmeister.doctor.http import get

        agent = {"User-Agent": f"shrinkmeister/{shrinkmeister.__version__}"}
        reply = get(lazy_url(spec, config), SERVER_SECONDS, False, **agent)
        if reply.status >= 400:
            text = f"the thumbnail server at {config.server_url} answered {reply.status}; see its log"
            raise StorageError(text) from None
    else:
        spec, _ = make(spec)
    return object_name(spec, config.prefix)
