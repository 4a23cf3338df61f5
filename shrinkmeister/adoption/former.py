"""Thumbnails that the site had before it swapped its backend: found under the names that they have.

sorl's key-value store knows the size of each image by its name, and a thumbnail's name is a digest of what
it was made of, which nobody can read back. So a page makes that name again, as the former backend did
(THUMBNAIL_ADOPTED_BACKEND), and looks for a record under it; `manage.py shrinkmeister adopt` has written
that record for each thumbnail that the key-value store knows and that is really there.
"""

import logging
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.files.storage import Storage, storages
from django.utils.module_loading import import_string
from sorl.thumbnail import default
from sorl.thumbnail.base import EXTENSIONS, ThumbnailBackend
from sorl.thumbnail.images import ImageFile

from shrinkmeister.adoption.kvstore import FormerImage, FormerStore, get_former_store
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import (
    ADOPTED_BACKEND_HINT,
    Config,
    SettingError,
    get_config,
    reset_on_setting_change,
)
from shrinkmeister.conf.credentials import described
from shrinkmeister.exceptions import SourceError, SpecError
from shrinkmeister.protocol.spec import URL_SCHEMES, Source
from shrinkmeister.sources import place_of, storage_and_name
from shrinkmeister.storage.base import get_former_storage
from shrinkmeister.storage.thumbnail_storage import open_thumbnail_storage
from shrinkmeister.thumbnails.thumbnail import with_resolution

logger = logging.getLogger(__name__)


class _NameFound(BaseException):
    """Carries a name out of `get_thumbnail`; no Exception, which a subclass of a site may catch."""


@dataclass(frozen=True)
class Former:
    """A thumbnail of the former backend: its name in the storage THUMBNAIL_STORAGE, and where that is."""

    name: str
    place: Source


def former_of(file: Any, geometry: str | int, options: Mapping[str, Any], config: Config) -> Former | None:
    """The thumbnail that the former backend would make of a call; None where the site has adopted none."""
    namer = _get_namer()
    # sorl before 13.1 makes no AVIF, and has no name for one.
    if namer is None or options.get("format", config.options.get("format", "JPEG")) not in EXTENSIONS:
        return None
    try:
        namer.get_thumbnail(file, geometry, **options)
    except _NameFound as found:
        name = former_image(str(found), config).name
        return Former(name, former_place(name, config))
    return None


def former_place(name: str, config: Config) -> Source:
    """Where a thumbnail of the former backend lies."""
    return place_of(open_thumbnail_storage(config), name)


@reset_on_setting_change
def _get_namer() -> Any:
    """The former backend, stopped when it has made a name: before it looks for anything."""
    path = get_config().adopted_backend
    if path is None:
        return None
    try:
        backend: Any = import_string(path)
        if not (isinstance(backend, type) and issubclass(backend, ThumbnailBackend)):
            raise TypeError("it is no subclass of sorl's ThumbnailBackend")
    except (ImportError, TypeError) as error:
        raise SettingError(
            "shrinkmeister.E016",
            f"THUMBNAIL_ADOPTED_BACKEND is {path!r}, which cannot be used: {error}.",
            ADOPTED_BACKEND_HINT,
        ) from error

    class Namer(backend):  # type: ignore[misc]  # a class of the site, known when it runs
        def _get_thumbnail_filename(self, *args: Any, **kwargs: Any) -> str:
            raise _NameFound(super()._get_thumbnail_filename(*args, **kwargs))

    return Namer()


def check_adopted_backend() -> bool:
    """Whether the site has set one. Raises SettingError for one that cannot be used."""
    return _get_namer() is not None


def former_image(name: str, config: Config) -> ImageFile:
    """A thumbnail as sorl finds it: its name there may be without the location of its storage."""
    return ImageFile(name, open_thumbnail_storage(config))


def former_places(image: FormerImage) -> list[Source]:
    """Where sorl would look for the entry of an image; it cannot tell all storages of a class apart."""
    found = [ImageFile(image.name, storage) for storage in _storages()]
    return [place_of(one.storage, one.name) for one in found if one.key == image.key]


def delete_former(file: Any, config: Config, keep: Container[str] = ()) -> None:
    """Deletes all that the former backend has made of a source: files, records, and sorl's own entries.

    keep: names of files that stay
    """
    erase(get_former_store(), [_image_of(file).key], config, keep)


def delete_former_files(file: Any, config: Config) -> None:
    """Delete the files that the former backend has made of a source, and no record of them.

    If sorl's key-value store fails, which may be in the same Redis as the shared cache, an error is logged.
    """
    try:
        names = _names(get_former_store().thumbnails([_image_of(file).key]), config)
    # The store raises whatever its library raises.
    except Exception as error:
        logger.error("sorl's thumbnails of a deleted file are left: %s", described(error))
        return
    _delete_files(names, config)


def former_keys(source: Source) -> list[str]:
    """Return the keys under which sorl's key-value store may have a source."""
    if source.scheme in URL_SCHEMES:
        return [str(ImageFile(str(source)).key)]
    keys = []
    for storage in _storages():
        location = str(getattr(storage, "location", "") or "").strip("/")
        for name in {source.name, source.name.removeprefix(f"{location}/")}:
            with suppress(SourceError, SpecError):
                if place_of(storage, name) == source:
                    keys.append(str(ImageFile(name, storage).key))
    return keys


def forget_size(file: Any) -> None:
    """Remove a source from sorl's key-value store, which would go on answering with a former size."""
    # Without the app there is no table.
    if apps.is_installed("sorl.thumbnail"):
        default.kvstore._delete(_image_of(file).key)


def erase(store: FormerStore, sources: list[str], config: Config, keep: Container[str] = ()) -> None:
    """Deletes the thumbnails of sources, by sorl's keys of those, with all that is known of either.

    It can be called again where it was stopped: sorl's entries go last.
    """
    thumbnails = store.thumbnails(sources)
    names = _names(thumbnails, config)
    places = [former_place(name, config) for name in names]
    places += [place for source in store.images(sources) for place in former_places(source)]
    cache = get_shared_cache()
    # Records before objects, so that no page gets the URL of a thumbnail that is gone.
    cache.records.forget_adopted(places)
    _delete_files([name for name in names if name not in keep], config)
    store.forget([*sources, *(one.key for one in thumbnails)])
    # And again, after whoever was adopting them meanwhile.
    cache.records.forget_adopted(places)


def _names(thumbnails: list[FormerImage], config: Config) -> list[str]:
    """Return the names of those that are in the storage THUMBNAIL_STORAGE."""
    images = [(one.key, former_image(one.name, config)) for one in thumbnails]
    return [image.name for key, image in images if image.key == key]


def _delete_files(names: list[str], config: Config) -> None:
    # sorl leaves the alternative resolutions behind.
    larger = (with_resolution(name, factor) for name in names for factor in config.resolutions)
    get_former_storage().delete([*names, *larger])


def forget_former(name: str, config: Config) -> None:
    """Removes what is known of one thumbnail: its adopted record, and sorl's own entry."""
    get_shared_cache().records.forget_adopted([former_place(name, config)])
    get_former_store().forget([former_image(name, config).key])


def _image_of(file: Any) -> ImageFile:
    """Return a source as sorl sees it. Before version 13 it cannot open THUMBNAIL_STORAGE by an alias."""
    storage, _ = storage_and_name(file, get_config())
    return ImageFile(file, storage)


def _storages() -> list[Storage]:
    """Those in which sources may lie: STATIC_ROOT may be missing, and whatever else an alias needs."""
    found = []
    for alias in storages.backends:
        try:
            storage = storages[alias]
        # A storage raises whatever its library raises; in one that cannot be made no page has a source.
        except Exception:
            logger.warning("STORAGES[%r] cannot be opened: sizes of sources there are not adopted", alias)
            continue
        if getattr(storage, "location", "") is not None:
            found.append(storage)
    return found
