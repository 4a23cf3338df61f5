"""Thumbnails that the site had before it swapped its backend: found under the names that they have.

sorl's key-value store knows the size of each image by its name, and a thumbnail's name is a digest of what
it was made of, which nobody can read back. So a page makes that name again, as the former backend did
(THUMBNAIL_ADOPTED_BACKEND), and looks for a record under it; `manage.py shrinkmeister adopt` has written
that record for each thumbnail that the key-value store knows and that is really there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.files.storage import storages
from django.utils.module_loading import import_string
from sorl.thumbnail import default
from sorl.thumbnail.base import ThumbnailBackend
from sorl.thumbnail.images import ImageFile

from shrinkmeister.conf import (
    ADOPTED_BACKEND_HINT,
    Config,
    SettingError,
    get_config,
    per_configuration,
)
from shrinkmeister.images import with_resolution
from shrinkmeister.results import get_former_results
from shrinkmeister.shared_cache import get_shared_cache
from shrinkmeister.sources import place_of
from shrinkmeister.spec import Source


class _NameFound(BaseException):
    """Carries a name out of `get_thumbnail`; no Exception, which a subclass of a site may catch."""


@dataclass(frozen=True)
class Former:
    """A thumbnail of the former backend: its name in the storage THUMBNAIL_STORAGE, and where that is."""

    name: str
    place: Source


def former_of(file: Any, geometry: str, options: Mapping[str, Any], config: Config) -> Former | None:
    """The thumbnail that the former backend would make of a call; None where the site has adopted none."""
    namer = _get_namer()
    if namer is None:
        return None
    try:
        namer.get_thumbnail(file, geometry, **options)
    except _NameFound as found:
        name = str(found)
        return Former(name, former_place(name, config))
    return None


def former_place(name: str, config: Config) -> Source:
    """Where a thumbnail of the former backend lies."""
    return place_of(storages[config.storage], name)


@per_configuration
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


def forget_former(name: str, config: Config) -> None:
    """Removes what is known of one thumbnail: its adopted record, and sorl's own entry."""
    get_shared_cache().forget_adopted([former_place(name, config)])
    default.kvstore.delete(ImageFile(name, storages[config.storage]), delete_thumbnails=False)


def delete_former(file: Any, config: Config) -> None:
    """Deletes all that the former backend has made of a source: files, records, and sorl's own entries."""
    source = ImageFile(file)
    keys = default.kvstore._get(source.key, identity="thumbnails") or []
    names = [thumbnail.name for key in keys if (thumbnail := default.kvstore._get(key))]
    places = [former_place(name, config) for name in names]
    get_shared_cache().forget_adopted([*places, place_of(source.storage, source.name)])
    # sorl leaves these behind.
    get_former_results().delete(
        [with_resolution(name, resolution) for name in names for resolution in config.resolutions]
    )
    default.kvstore.delete(source)
