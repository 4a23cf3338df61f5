"""The files of thumbnails, for code that opens them or stores their names.

    photo.image = get_thumbnail(photo.image, "800").name
    data = get_thumbnail(photo.image, "800").read()

A lazy thumbnail has no file yet, and the file of a recorded one may be lost. So the storage is asked first.
If the file is missing, this process or the server makes the thumbnail.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import shrinkmeister
from shrinkmeister.adoption.former import forget_former
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import Config, SettingError, get_config, lazy_url
from shrinkmeister.conf.credentials import caused, described
from shrinkmeister.eager import get_maker
from shrinkmeister.exceptions import NotStoredError, SpecError, StorageError
from shrinkmeister.geometry import Size
from shrinkmeister.page import current_page
from shrinkmeister.protocol.keys import object_name, record_key
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.sources import place_of
from shrinkmeister.storage import get_former_storage, get_thumbnail_storage
from shrinkmeister.storage.base import ThumbnailStorage
from shrinkmeister.storage.thumbnail_storage import open_thumbnail_storage
from shrinkmeister.thumbnails.thumbnail import Origin, with_resolution

# The longest time in which the server reads a source and makes a thumbnail.
SERVER_SECONDS = 40


@dataclass(frozen=True)
class Made(Origin):
    """A thumbnail that the server has made, or will make.

    by_storage: whether its storage makes each of its URLs, because they are signed or relative to the site
    """

    spec: ThumbnailSpec
    by_storage: bool = False

    def url_of(self, url: str, resolution: str) -> str:
        if self.by_storage:
            return get_thumbnail_storage().url(object_name(self.spec, get_config().prefix, resolution))
        return with_resolution(url, resolution)

    def name(self) -> str:
        config = get_config()
        with _reasons("name"):
            storage = open_thumbnail_storage(config)
            if not _has_thumbnails(storage, config):
                raise _error(
                    f"thumbnails are in the bucket {config.bucket!r} (THUMBNAIL_BUCKET), but a name refers "
                    f"to the storage {config.storage!r} (THUMBNAIL_STORAGE)",
                    "name",
                )
            return self._stored_in(storage, "name")

    def storage(self) -> Any:
        with _reasons("storage"):
            config = get_config()
            storage = open_thumbnail_storage(config)
            return storage if _has_thumbnails(storage, config) else get_thumbnail_storage().storage

    def stored(self) -> tuple[Any, str]:
        storage = self.storage()
        with _reasons("file"):
            return storage, self._stored_in(storage, "file")

    def size(self) -> Size | None:
        _, name = self.stored()
        with _reasons("size"):
            return _size_of(get_thumbnail_storage(), name)

    def delete(self, delete_file: bool) -> None:
        config = get_config()
        get_shared_cache().records.delete([record_key(self.spec)])
        if delete_file:
            names = [object_name(self.spec, config.prefix, r) for r in (None, *config.resolutions)]
            get_thumbnail_storage().delete(names)

    def _stored_in(self, storage: Any, what: str) -> str:
        name = object_name(self.spec, get_config().prefix)
        if storage.exists(name):
            return name
        cache = get_shared_cache()
        if cache.lookups.look_up(self.spec).thumbnail:
            # The server trusts a record for days, and would not make the lost file again.
            cache.records.delete([record_key(self.spec)])
        name = _make(self.spec)
        if page := current_page():
            page.forget()
        if storage.exists(name):
            return name
        raise _error(
            "it was made, but its storage does not contain it. The thumbnail server stores thumbnails "
            "in another place: compare THUMBNAIL_BUCKET, THUMBNAIL_STORAGE and THUMBNAIL_PREFIX of both",
            what,
        )


@dataclass(frozen=True)
class Adopted(Origin):
    """A thumbnail that the former backend has made, under sorl's name.

    by_storage: as in Made
    """

    former: str
    by_storage: bool = False

    def url_of(self, url: str, resolution: str) -> str:
        if self.by_storage:
            return get_former_storage().url(with_resolution(self.former, resolution))
        return with_resolution(url, resolution)

    def name(self) -> str:
        with _reasons("name"):
            if self.storage().exists(self.former):
                return self.former
            raise _error("sorl made it, but its file is lost", "name")

    def storage(self) -> Any:
        return open_thumbnail_storage(get_config())

    def stored(self) -> tuple[Any, str]:
        return self.storage(), self.name()

    def size(self) -> Size | None:
        with _reasons("size"):
            return _size_of(get_former_storage(), self.former)

    def delete(self, delete_file: bool) -> None:
        config = get_config()
        if not config.adopted_backend:
            raise SpecError(f"{self.former!r} cannot be deleted: THUMBNAIL_ADOPTED_BACKEND is not set")
        forget_former(self.former, config)
        if delete_file:
            names = [self.former, *(with_resolution(self.former, r) for r in config.resolutions)]
            get_former_storage().delete(names)


@dataclass(frozen=True)
class Elsewhere(Origin):
    """An image without a file: a placeholder, or an image of a host that is not in THUMBNAIL_SOURCES.

    reason: why it has no file
    """

    reason: str

    def url_of(self, url: str, resolution: str) -> str:
        return url

    def name(self) -> str:
        raise _error(self.reason, "name")

    def storage(self) -> Any:
        raise _error(self.reason, "storage")

    def stored(self) -> NoReturn:
        raise _error(self.reason, "file")

    def size(self) -> None:
        return None

    def delete(self, delete_file: bool) -> None:
        """Do nothing, as sorl does."""


def _error(reason: str, what: str) -> NotStoredError:
    return NotStoredError(f"This thumbnail has no {what}: {reason}. Use its .url.")


@contextmanager
def _reasons(what: str) -> Iterator[None]:
    """Raise NotStoredError for any error of a storage or an engine.

    They raise their libraries' errors. An AttributeError would look like a missing attribute to templates
    and hasattr().
    """
    try:
        yield
    except (NotStoredError, SettingError):
        raise
    except Exception as error:
        failed = caused(_error(f"it could not be made or found: {described(error)}", what), error)
    else:
        return
    raise failed


def _has_thumbnails(storage: Any, config: Config) -> bool:
    """Return whether a storage has thumbnails under their object names."""
    if config.bucket is None:
        return True
    name = f"{config.prefix}x.jpg"
    return place_of(storage, name) == Source("s3", config.bucket, name)


def _size_of(results: ThumbnailStorage, name: str) -> Size:
    info = results.find(name, {})
    if info is None:
        raise StorageError(f"{name} has no size in its metadata")
    return info.width, info.height


def _make(spec: ThumbnailSpec) -> str:
    """Make a thumbnail in this process if the server's packages are installed, otherwise by the server.

    Return its object name, which differs if the source was changing meanwhile.
    """
    config = get_config()
    try:
        make = get_maker()
    except SettingError:
        _ask_server(spec, config)
        return object_name(spec, config.prefix)
    made, _ = make(spec)
    return object_name(made, config.prefix)


def _ask_server(spec: ThumbnailSpec, config: Config) -> None:
    # Imported on use: pages import this module, and no page sends a request.
    from shrinkmeister.doctor.http import get

    agent = {"User-Agent": f"shrinkmeister/{shrinkmeister.__version__}"}
    reply = get(lazy_url(spec, config), SERVER_SECONDS, False, **agent)
    if reply.status >= 400:
        raise StorageError(
            f"the thumbnail server at {config.server_url} answered {reply.status}; see its log"
        )
