"""Thumbnails that the site's former backend has made: their names, their places, their deletion.

sorl's key-value store knows the size of each image by its name. A thumbnail's name is a digest of its
source, geometry and options, which cannot be read back. So a page makes that name again, with the former
backend (THUMBNAIL_ADOPTED_BACKEND), and looks for a record under it. `manage.py shrinkmeister adopt` has
written that record for each thumbnail that the key-value store knows and that is stored.
"""

import logging
import re
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.files.storage import Storage, storages
from django.utils.module_loading import import_string
from sorl.thumbnail import default
from sorl.thumbnail.base import EXTENSIONS, ThumbnailBackend
from sorl.thumbnail.conf import defaults as sorl_defaults
from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.images import ImageFile

from shrinkmeister.adoption.kvstore import FormerImage, get_former_store
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import Config, SettingError, get_config, reset_on_setting_change
from shrinkmeister.conf.credentials import described
from shrinkmeister.conf.values import FORMER_BACKEND_HINT
from shrinkmeister.exceptions import SourceError, SpecError
from shrinkmeister.protocol.keys import is_object_name
from shrinkmeister.protocol.spec import URL_SCHEMES, Source
from shrinkmeister.sources import place_of, storage_and_name
from shrinkmeister.storage import get_former_storage
from shrinkmeister.storage.buckets import open_thumbnail_storage
from shrinkmeister.storage.listing import StoredThumbnail, thumbnails_of, with_resolution

logger = logging.getLogger(__name__)

# Python has a surrogate for each byte of a file name that is not UTF-8. No page can ask for such a name.
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Former:
    """A thumbnail of the former backend: its name in the storage THUMBNAIL_STORAGE, and its place."""

    name: str
    place: Source


def former_of(file: Any, geometry: str | int, options: Mapping[str, Any], config: Config) -> Former | None:
    """Return the thumbnail that the former backend would make of a call; None if it would make none."""
    namer = get_namer()
    # sorl before 13.1 does not make AVIF, and has no name for one.
    if namer is None or options.get("format", config.options.get("format", "JPEG")) not in EXTENSIONS:
        return None
    named = namer.get_thumbnail(file, geometry, **options)
    # A site's backend may return something else, such as the source itself for an SVG.
    return Former(named.name, former_place(named.name)) if isinstance(named, _NamedImage) else None


class _NamedImage(ImageFile):  # type: ignore[misc]  # sorl has no types
    """The thumbnail that `_Namer` has named, which may not exist."""


class _Namer(ThumbnailBackend):  # type: ignore[misc]  # sorl has no types
    """Replaces sorl's own backend as the base class of a site's: it names a thumbnail and makes none."""

    def get_thumbnail(self, file_: Any, geometry_string: str | int, **options: Any) -> _NamedImage:
        source = ImageFile(file_)
        # sorl's own method completes the options in this way, from 12.11 to 13.4.
        if sorl_settings.THUMBNAIL_PRESERVE_FORMAT:
            options.setdefault("format", self._get_format(source))
        for key, value in self.default_options.items():
            options.setdefault(key, value)
        for key, setting in self.extra_options:
            value = getattr(sorl_settings, setting)
            if value != getattr(sorl_defaults, setting):
                options.setdefault(key, value)
        name = self._site_filename(source, geometry_string, options)
        return _NamedImage(name, open_thumbnail_storage())


def _refuse(*args: Any) -> str:
    """Stop a site's backend that contains a copy of sorl's method, which would make the thumbnail."""
    raise SettingError(
        "shrinkmeister.E016",
        f"THUMBNAIL_ADOPTED_BACKEND is {get_config().adopted_backend!r}, whose get_thumbnail() does not "
        f"call super().get_thumbnail().",
        "Name a subclass of sorl's ThumbnailBackend that has only your _get_thumbnail_filename().",
    )


@reset_on_setting_change
def get_namer() -> Any:
    """Return the former backend, based on `_Namer`; None if the site has none. Raises SettingError."""
    path = get_config().adopted_backend
    if path is None:
        return None
    try:
        backend: Any = import_string(path)
        valid = isinstance(backend, type) and issubclass(backend, ThumbnailBackend)
        if not valid:
            raise TypeError("it is not a subclass of sorl's ThumbnailBackend")
        methods = {"_get_thumbnail_filename": _refuse, "_site_filename": backend._get_thumbnail_filename}
        bases = (_Namer,) if backend is ThumbnailBackend else (backend, _Namer)
        return type(backend.__name__, bases, methods)()
    except (ImportError, TypeError) as error:
        raise SettingError(
            "shrinkmeister.E016",
            f"THUMBNAIL_ADOPTED_BACKEND is {path!r}, which cannot be used: {error}.",
            FORMER_BACKEND_HINT,
        ) from error


def former_place(name: str) -> Source:
    """Return the place of a thumbnail of the former backend."""
    return place_of(open_thumbnail_storage(), name)


def former_image(name: str) -> ImageFile:
    """Return a thumbnail as sorl sees it: sorl removes the location of the storage from its name."""
    return ImageFile(name, open_thumbnail_storage())


def former_places(image: FormerImage) -> list[Source]:
    """Return where an image of sorl's store may be; sorl cannot distinguish all storages of a class."""
    found = [ImageFile(image.name, storage) for storage in _storages()]
    return [place_of(one.storage, one.name) for one in found if one.key == image.key]


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


def stored_formers(after: str = "") -> Iterator[StoredThumbnail]:
    """Yield the thumbnails below THUMBNAIL_PREFIX in sorl's storage whose names are not Shrinkmeister's."""
    config = get_config()
    prefix = former_image(f"{config.prefix}x").name.removesuffix("x")
    for thumbnail in thumbnails_of(get_former_storage().walk(prefix, after)):
        ours = is_object_name(thumbnail.name, config.prefix)
        # Without the thumbnail itself, only its alternative resolutions are stored.
        if None in thumbnail.objects and not ours and not SURROGATE.search(thumbnail.name):
            yield thumbnail


def delete_former_files(file: Any, config: Config) -> None:
    """Delete the files that the former backend has made of a source, but not their records.

    If sorl's key-value store fails, which may be in the same Redis as the shared cache, log an error.
    """
    try:
        names = _names(get_former_store().thumbnails([former_key(file)]))
    # The store raises whatever its library raises.
    except Exception as error:
        logger.error("sorl's thumbnails of a deleted file were not deleted: %s", described(error))
    else:
        _delete_files(names, config)


def erase(sources: list[str], config: Config, keep: Container[str] = ()) -> None:
    """Delete the thumbnails of sources, given by sorl's keys, and all entries and records of both.

    After an interruption it can be called again: sorl's entries are deleted last.

    keep: names of files that are not deleted
    """
    store = get_former_store()
    thumbnails = store.thumbnails(sources)
    names = _names(thumbnails)
    places = [former_place(name) for name in names]
    places += [place for source in store.images(sources).values() for place in former_places(source)]
    cache = get_shared_cache()
    # Records before objects, so that no page gets the URL of a deleted thumbnail.
    cache.records.forget_adopted(places)
    _delete_files([name for name in names if name not in keep], config)
    store.forget([*sources, *(one.key for one in thumbnails)])
    # Again, since another process may have adopted them meanwhile.
    cache.records.forget_adopted(places)


def forget_former(name: str) -> None:
    """Delete the adopted record and sorl's own entry of a thumbnail, but not its file."""
    get_shared_cache().records.forget_adopted([former_place(name)])
    get_former_store().forget([former_image(name).key])


def forget_size(file: Any) -> None:
    """Delete a source from sorl's key-value store, which would still return the former size."""
    # Without the app there is no table.
    if apps.is_installed("sorl.thumbnail"):
        default.kvstore._delete(former_key(file))


def _names(thumbnails: list[FormerImage]) -> list[str]:
    """Return the names of those that are in the storage THUMBNAIL_STORAGE."""
    images = [(one.key, former_image(one.name)) for one in thumbnails]
    return [image.name for key, image in images if image.key == key]


def _delete_files(names: list[str], config: Config) -> None:
    # sorl does not delete alternative resolutions.
    larger = (with_resolution(name, factor) for name in names for factor in config.resolutions)
    get_former_storage().delete([*names, *larger])


def former_key(file: Any) -> str:
    """Return sorl's key of a source."""
    # sorl before 13 cannot open THUMBNAIL_STORAGE by an alias.
    storage, _ = storage_and_name(file, get_config())
    return str(ImageFile(file, storage).key)


def _storages() -> list[Storage]:
    """Return the storages that may contain sources. Leaves out one without a location (STATIC_ROOT)."""
    found = []
    for alias in storages.backends:
        try:
            storage = storages[alias]
        # A storage raises whatever its library raises. No page has a source in one that cannot be opened.
        except Exception:
            logger.warning("STORAGES[%r] cannot be opened: sizes of sources there are not adopted", alias)
            continue
        if getattr(storage, "location", "") is not None:
            found.append(storage)
    return found
