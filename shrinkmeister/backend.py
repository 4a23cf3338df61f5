"""The client path, top to bottom: `THUMBNAIL_BACKEND = "shrinkmeister.backend.ShrinkmeisterBackend"`."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Set
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NoReturn
from urllib.parse import quote

from django.apps import apps
from django.utils.encoding import filepath_to_uri
from sorl.thumbnail.base import ThumbnailBackend
from sorl.thumbnail.images import DummyImageFile

from shrinkmeister.adoption.former import Former, delete_former, delete_former_files, forget_size, former_of
from shrinkmeister.cache.shared_cache import get_shared_cache
from shrinkmeister.conf import Config, SettingError, get_config
from shrinkmeister.conf.credentials import caused, described
from shrinkmeister.eager import is_eager, make_now
from shrinkmeister.exceptions import (
    DriverError,
    EmptyFileError,
    HostNotListedError,
    PrivateNameError,
    SourceNotAllowedError,
    SpecError,
    StorageError,
)
from shrinkmeister.geometry import Sides, certain_sides
from shrinkmeister.page import current_page
from shrinkmeister.protocol.keys import folder_name, object_name, record_key_of_object
from shrinkmeister.protocol.lazy_urls import lazy_url
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.spec import DEFAULT_OPTIONS, FORMATS, Source, ThumbnailSpec
from shrinkmeister.sorl_errors import as_sorls
from shrinkmeister.sources import source_of, storage_and_name
from shrinkmeister.storage import get_former_storage, get_thumbnail_storage
from shrinkmeister.storage.base import ThumbnailStorage, lasting
from shrinkmeister.storage.compat import delete_file
from shrinkmeister.thumbnails.files import Adopted, Elsewhere, Made
from shrinkmeister.thumbnails.plain_numbers import PlainNumber
from shrinkmeister.thumbnails.thumbnail import Origin, Thumbnail

logger = logging.getLogger(__name__)

UNKNOWN: Sides = (None, None)


class ShrinkmeisterBackend:
    """sorl's backend interface. A page asks the shared cache, and nothing else."""

    def __init__(self) -> None:
        # Without it sorl's filters and sorl's command would meddle with what is ours.
        if not apps.is_installed("shrinkmeister"):
            raise SettingError(
                "shrinkmeister.E021",
                "THUMBNAIL_BACKEND is Shrinkmeister's, and INSTALLED_APPS has no 'shrinkmeister'.",
                "Write 'shrinkmeister' there, beside 'sorl.thumbnail'.",
            )

    @property
    def default_options(self) -> Mapping[str, Any]:
        """The options that the settings give to a call which does not name them. Read-only."""
        sorls = {name: DEFAULT_OPTIONS[name] for name in ThumbnailBackend.default_options}
        return MappingProxyType({**sorls, **get_config().options})

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse the other names of sorl's backend with the call that a site can use instead."""
        if hasattr(ThumbnailBackend, name):
            raise PrivateNameError(
                f"default.backend has no {name!r}: the thumbnail server names and makes thumbnails. "
                "Use get_thumbnail(file, geometry, **options) and its .url or .name. To have the "
                "thumbnails of a file made again, use delete(file, delete_file=False)."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @as_sorls
    def get_thumbnail(self, file_: Any, geometry_string: str | int, **options: Any) -> Thumbnail:
        """The thumbnail of a file: with its final URL if it is recorded, else with a lazy one.

        Raises EmptyFileError for no file, SpecError for a geometry or an option that cannot be, and
        SourceNotAllowedError for a file that the server could not find. In the eager mode it raises what
        making a thumbnail raises: SourceError, StorageError. All of them are sorl's ThumbnailError too.
        """
        if not file_:
            raise EmptyFileError("get_thumbnail() was given no file")
        config = get_config()
        if config.dummy:
            return _dummy(str(geometry_string))
        try:
            spec = make_spec(file_, geometry_string, options, config)
        except HostNotListedError as error:
            if config.debug:
                raise
            return _as_it_is(error)
        return thumbnail_of(spec, config, former_of(file_, geometry_string, options, config))

    @as_sorls
    def delete(self, file_: Any, delete_file: bool = True) -> None:
        """Deletes the source (unless told not to), all its thumbnails, and their records.

        Of a thumbnail it deletes the record, and the file with its alternative resolutions. What `file_`
        lists as `files_in_use` stays, though it is a thumbnail of the source.
        Raises EmptyFileError for no file, and StorageError where something may be left: call it again. A
        shared cache that is down is an error in the log, since sites delete files with the rows of a table.
        """
        if not file_:
            raise EmptyFileError("delete() was given no file")
        config = get_config()
        if page := current_page():
            page.forget()
        if isinstance(file_, Thumbnail):
            return file_.delete(delete_file)
        storage, name = storage_and_name(file_, config)
        source = _source_with_thumbnails(file_, storage is None, config)
        # First, so that the server cannot make again what is being deleted.
        if delete_file and storage is not None:
            _delete_source(storage, name)
        if source is not None:
            try:
                delete_thumbnails(file_, source, config)
            except DriverError as error:
                _go_on_without_cache(file_, source, delete_file, error, config)


def delete_thumbnails(file_: Any, source: Source, config: Config) -> None:
    """Delete the thumbnails of a source that is deleted or replaced. Raises StorageError, DriverError."""
    # Whoever is making a thumbnail of it now, takes it away again.
    get_shared_cache().mark_change(source)
    results = get_thumbnail_storage()
    names = [stored.name for stored in results.walk(folder_name(source, config.prefix))]
    # Records before objects, so that no page gets the URL of a thumbnail that is gone; and after them,
    # since a server that has still found an object records it again.
    get_shared_cache().forget(source, names)
    in_use: Set[str] = getattr(file_, "files_in_use", frozenset())
    # With their alternative resolutions: where the server finds a thumbnail, it takes those for stored.
    kept = {record_key_of_object(name) for name in in_use}
    results.delete([name for name in names if record_key_of_object(name) not in kept])
    get_shared_cache().forget(source, names)
    if config.adopted_backend:
        delete_former(file_, config, in_use)
    else:
        forget_size(file_)


def _source_with_thumbnails(file_: Any, is_url: bool, config: Config) -> Source | None:
    """Return the source of a file; None for one that can have no thumbnail. sorl raises nothing for it."""
    try:
        return source_of(file_, config)
    except SourceNotAllowedError:
        return None
    except SpecError:
        if is_url:
            return None
        raise


def _go_on_without_cache(
    file: Any, source: Source, deleted: bool, error: DriverError, config: Config
) -> None:
    """Delete the thumbnails of a deleted source all the same, and log what is left.

    Those of a source that stays are kept: pages show it, and would get the URLs of what is gone.
    """
    results = get_thumbnail_storage()
    if deleted:
        results.delete([stored.name for stored in results.walk(folder_name(source, config.prefix))])
        if config.adopted_backend:
            delete_former_files(file, config)
    logger.error(
        "The shared cache failed while thumbnails were deleted (%s), and still has records of them. "
        "When it answers again, run `manage.py shrinkmeister prune --source '%s'`",
        described(error),
        source,
    )


def thumbnail_of(spec: ThumbnailSpec, config: Config, former: Former | None = None) -> Thumbnail:
    """As `get_thumbnail`, of a spec; former: what sorl has made in its place, if that is adopted."""
    known = get_shared_cache().look_up(spec, former.place if former else None, current_page())
    thumbnail = None
    if known.thumbnail and not known.due:
        thumbnail = _recorded(spec, known.thumbnail, config)
    if not thumbnail and former and known.adopted:
        thumbnail = _adopted(former.name, known.adopted, config)
    if thumbnail:
        return thumbnail
    if is_eager(config):
        return _made(spec, config)
    record = known.thumbnail
    sides = (record.width, record.height) if record else certain_sides(spec, known.source)
    return _lazy(spec, sides, config)


def make_spec(file: Any, geometry: Any, options: dict[str, Any], config: Config) -> ThumbnailSpec:
    """The spec of a call: what the call leaves open, the site's settings decide.

    geometry: as text, or a whole number for a width, which templates write as {% thumbnail f 300 %}
    """
    return spec_of(source_of(file, config), geometry, options, config)


def spec_of(source: Source, geometry: Any, options: dict[str, Any], config: Config) -> ThumbnailSpec:
    """As `make_spec`, of a source."""
    chosen = {**config.options, **options}
    if config.preserve_format and "format" not in options:
        extension = source.name.rpartition(".")[2].lower()
        chosen["format"] = FORMATS.get(extension, config.options.get("format", "JPEG"))
    # The setting and the option together, so that the server needs to know this decision alone.
    if config.flatten or "flatten" in options:
        chosen["flatten"] = config.flatten and options.get("flatten") not in ("off", False)
    if type(geometry) is int or isinstance(geometry, PlainNumber):
        geometry = str(geometry)
    return ThumbnailSpec.kept(source, geometry, chosen)


def _recorded(spec: ThumbnailSpec, record: ThumbnailRecord, config: Config) -> Thumbnail | None:
    """None where the record helps this page to no URL."""
    name, origin = object_name(spec, config.prefix), Made(spec, by_storage=not record.base)
    thumbnail = _final(
        record, name, origin, name.removeprefix(config.prefix), get_thumbnail_storage, config
    )
    # Without a URL in its record it lies in a private bucket; if this side does not sign, the server does.
    return None if thumbnail and not record.base and lasting(thumbnail.url) else thumbnail


def _adopted(name: str, record: ThumbnailRecord, config: Config) -> Thumbnail | None:
    """One that the former backend has made. Without a URL in its record its storage gives one."""
    origin = Adopted(name, by_storage=not record.base)
    return _final(record, name, origin, filepath_to_uri(name), get_former_storage, config)


def _final(
    record: ThumbnailRecord,
    name: str,
    origin: Origin,
    ending: str,
    results_of: Callable[[], ThumbnailStorage],
    config: Config,
) -> Thumbnail | None:
    """A thumbnail with a final URL, which ends with `ending`; None where there is none."""
    # A template may ask for each listed resolution by changing the URL, so all have to be there.
    if not record.has(config.resolutions):
        return None
    size = (record.width, record.height)
    if record.base:
        return Thumbnail(record.base + ending, name, size, False, origin)
    # Made here, without asking S3; in a private bucket it is signed.
    try:
        url = _url_now(name, results_of())
    except (SettingError, StorageError) as error:
        _log_unsigned(str(error))
        return None
    return Thumbnail(url, name, size, False, origin)


def _url_now(name: str, results: ThumbnailStorage) -> str:
    """Return the URL that the storage of thumbnails makes. A page remembers when a signed one ends."""
    url = results.url(name)
    # A storage signs a URL for so long that half of the time is left at least.
    if not lasting(url) and (page := current_page()):
        page.note(False, time.time() + results.url_lifetime / 2)
    return url


@lru_cache(maxsize=8)
def _log_unsigned(reason: str) -> None:
    """Once for each reason, and not for each thumbnail of each page."""
    logger.warning("A private bucket's URLs cannot be signed here, and stay lazy: %s", reason)


def _dummy(geometry: str) -> Thumbnail:
    """A placeholder. Not sorl's DummyImageFile: its tag takes that for a missing image."""
    image = DummyImageFile(geometry)
    origin = Elsewhere("it is a placeholder (THUMBNAIL_DUMMY)")
    return Thumbnail(image.url, "", (image.x, image.y), False, origin)


def _as_it_is(error: HostNotListedError) -> Thumbnail:
    """An image of a host that nobody may read, for browsers to load from there."""
    _log_unlisted(str(error))
    # Templates print URLs unescaped.
    url = quote(error.url, safe="/:?#[]@!$&()*+,;=%~")
    return Thumbnail(url, "", UNKNOWN, False, Elsewhere(str(error)))


@lru_cache(maxsize=100)
def _log_unlisted(reason: str) -> None:
    logger.warning("An image is shown as it is: %s", reason)


def _made(spec: ThumbnailSpec, config: Config) -> Thumbnail:
    """The eager mode: finished when it is returned."""
    spec, record = make_now(spec)
    name, size = object_name(spec, config.prefix), (record.width, record.height)
    url = record.base + object_name(spec, "") if record.base else _url_now(name, get_thumbnail_storage())
    return Thumbnail(url, name, size, False, Made(spec, by_storage=not record.base))


def _delete_source(storage: Any, name: str) -> None:
    try:
        delete_file(storage, name)
    # A storage raises whatever its library raises; here all of it means that the source may be there.
    except Exception as error:
        text = f"could not delete {name!r} ({type(storage).__name__}): {described(error)}"
        failed = caused(StorageError(text), error)
    else:
        return
    raise failed


def _lazy(spec: ThumbnailSpec, sides: Sides, config: Config) -> Thumbnail:
    if page := current_page():
        page.note(True, math.inf if config.url_ttl is None else time.time() + config.url_ttl)
    return Thumbnail(lazy_url(spec, config), object_name(spec, config.prefix), sides, True, Made(spec))
