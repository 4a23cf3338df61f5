"""The files of thumbnails, for code that opens them or keeps their names.

    photo.image = get_thumbnail(photo.image, "800").name
    data = get_thumbnail(photo.image, "800").read()

A lazy thumbnail has no file yet, and a recorded one may have lost it. So a file is given only after its
storage has said that it has it; if not, the thumbnail is made first, in this process or by the server.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import shrinkmeister
from shrinkmeister.adoption.former import forget_former
from shrinkmeister.cache.shared_cache import get_shared_cache
from shrinkmeister.conf import Config, SettingError, get_config
from shrinkmeister.conf.credentials import caused, described
from shrinkmeister.eager import get_maker
from shrinkmeister.exceptions import NotStoredError, SpecError, StorageError
from shrinkmeister.geometry import Size
from shrinkmeister.page import current_page
from shrinkmeister.protocol.keys import object_name, record_key
from shrinkmeister.protocol.lazy_urls import lazy_url
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.sources import place_of
from shrinkmeister.storage import get_former_storage, get_thumbnail_storage
from shrinkmeister.storage.base import ThumbnailStorage
from shrinkmeister.storage.thumbnail_storage import open_thumbnail_storage
from shrinkmeister.thumbnails.thumbnail import Origin, with_resolution

# How long the thumbnail server may take: as long as it reads a source and works on a thumbnail at most.
SERVER_SECONDS = 40


@dataclass(frozen=True)
class Made(Origin):
    """A thumbnail that the server has made, or will make.

    by_storage: whether each of its URLs is made by its storage: they are signed, or relative to the site
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
                    f"thumbnails are in the bucket {config.bucket!r} (THUMBNAIL_BUCKET), and plain names "
                    f"mean files of the storage {config.storage!r} (THUMBNAIL_STORAGE)",
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
        get_shared_cache().remove([record_key(self.spec)])
        if delete_file:
            names = [object_name(self.spec, config.prefix, r) for r in (None, *config.resolutions)]
            get_thumbnail_storage().delete(names)

    def _stored_in(self, storage: Any, what: str) -> str:
        name = object_name(self.spec, get_config().prefix)
        if storage.exists(name):
            return name
        cache = get_shared_cache()
        if cache.look_up(self.spec).thumbnail:
            # The server believes a record for days, and would not make what is lost.
            cache.remove([record_key(self.spec)])
        name = _make(self.spec)
        if page := current_page():
            page.forget()
        if storage.exists(name):
            return name
        raise _error(
            "it was made, and its storage does not have it. The thumbnail server stores thumbnails "
            "elsewhere: compare THUMBNAIL_BUCKET, THUMBNAIL_STORAGE and THUMBNAIL_PREFIX of both",
            what,
        )


@dataclass(frozen=True)
class Adopted(Origin):
    """A thumbnail that the former backend has made, under the name that sorl gave it.

    by_storage: as of Made
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
            raise _error("sorl made it, and its file is lost", "name")

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
            raise SpecError(f"{self.former!r} is not a thumbnail that could be deleted")
        forget_former(self.former, config)
        if delete_file:
            names = [self.former, *(with_resolution(self.former, r) for r in config.resolutions)]
            get_former_storage().delete(names)


@dataclass(frozen=True)
class Elsewhere(Origin):
    """An image that is no file of ours: a placeholder, or an image of a host that is not listed.

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
        """Do nothing, as sorl does: there is no file of ours."""


def _error(reason: str, what: str) -> NotStoredError:
    return NotStoredError(f"This thumbnail has no {what}: {reason}. Use its .url.")


@contextmanager
def _reasons(what: str) -> Iterator[None]:
    """Raise NotStoredError for what keeps a thumbnail from being stored, or its storage from being asked.

    A storage and an engine raise whatever their libraries raise, and a property must raise no
    AttributeError: templates and hasattr() take that for a thumbnail without it.
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
    """Whether a storage finds a thumbnail under its object name."""
    if config.bucket is None:
        return True
    name = f"{config.prefix}x.jpg"
    return place_of(storage, name) == Source("s3", config.bucket, name)


def _size_of(results: ThumbnailStorage, name: str) -> Size:
    info = results.find(name, {})
    if info is None:
        raise StorageError(f"{name} does not say its size")
    return info.width, info.height


def _make(spec: ThumbnailSpec) -> str:
    """Make a thumbnail in this process, where what makes thumbnails is installed; else ask the server.

    Return its object name, which is another one if the source was changing.
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
    # Pages load this module, and no page asks a server.
    from shrinkmeister.doctor.http import get

    agent = {"User-Agent": f"shrinkmeister/{shrinkmeister.__version__}"}
    reply = get(lazy_url(spec, config), SERVER_SECONDS, False, **agent)
    if reply.status >= 400:
        raise StorageError(
            f"the thumbnail server at {config.server_url} answers {reply.status}; its log says why"
        )
