"""The page's path: `THUMBNAIL_BACKEND = "shrinkmeister.backend.ShrinkmeisterBackend"`."""

import logging
import math
import time
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NoReturn
from urllib.parse import quote

from django.utils.encoding import filepath_to_uri
from sorl.thumbnail.base import ThumbnailBackend
from sorl.thumbnail.images import DummyImageFile

from shrinkmeister.adoption.former import Former, former_of
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import Config, SettingError, get_config, lazy_url
from shrinkmeister.deletion import delete_source
from shrinkmeister.eager import get_maker, in_block, is_eager
from shrinkmeister.eager_urls import complaint
from shrinkmeister.exceptions import (
    EmptyFileError,
    HostNotListedError,
    PrivateNameError,
    SpecError,
    StorageError,
)
from shrinkmeister.geometry import certain_sides
from shrinkmeister.page import current_page, forget_page
from shrinkmeister.protocol.keys import object_name
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.spec import DEFAULT_OPTIONS, FORMATS, Source, ThumbnailSpec
from shrinkmeister.sorl_errors import as_sorls
from shrinkmeister.sorl_patches.tags import check_installed
from shrinkmeister.sources import source_of
from shrinkmeister.storage.base import lasting
from shrinkmeister.thumbnails.files import Origin
from shrinkmeister.thumbnails.thumbnail import PlainNumber, Thumbnail

logger = logging.getLogger(__name__)


class ShrinkmeisterBackend:
    """sorl's backend interface. On a page, it accesses the shared cache and no other service."""

    def __init__(self) -> None:
        check_installed()

    @property
    def default_options(self) -> Mapping[str, Any]:
        """Options from the settings, for calls without these options. Read-only."""
        sorls = {name: DEFAULT_OPTIONS[name] for name in ThumbnailBackend.default_options}
        return MappingProxyType({**sorls, **get_config().options})

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse the other names of sorl's backend, and name the call to use instead."""
        if hasattr(ThumbnailBackend, name):
            raise PrivateNameError(
                f"default.backend has no {name!r}: the thumbnail server names and makes thumbnails. "
                "Use get_thumbnail(file, geometry, **options) and its .url or .name. To make the "
                "thumbnails of a file again, use delete(file, delete_file=False)."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @as_sorls
    def get_thumbnail(self, file_: Any, geometry_string: str | int, **options: Any) -> Thumbnail:
        """Return the thumbnail of a file, with its final URL if it is recorded, otherwise with a lazy URL.

        Raises EmptyFileError if there is no file, SpecError if the geometry or an option is invalid, and
        SourceNotAllowedError if the server cannot read the file. In eager mode, it also raises
        SourceError and StorageError. Each of these is also sorl's ThumbnailError.
        """
        if not file_:
            raise EmptyFileError("get_thumbnail() was given no file")
        config = get_config()
        if config.dummy:
            # sorl's tag would take sorl's DummyImageFile for a missing image.
            image = DummyImageFile(str(geometry_string))
            origin = Origin(no_file="it is a placeholder (THUMBNAIL_DUMMY)")
            return Thumbnail(image.url, "", (image.x, image.y), False, origin)
        try:
            spec = make_spec(file_, geometry_string, options, config)
        except HostNotListedError as error:
            if config.debug:
                raise
            _warn_once("An image is shown as it is: %s", str(error))
            # Browsers load it from its own host. Templates print URLs unescaped.
            url = quote(error.url, safe="/:?#[]@!$&()*+,;=%~")
            return Thumbnail(url, "", (None, None), False, Origin(no_file=str(error)))
        return thumbnail_of(spec, config, former_of(file_, geometry_string, options, config))

    @as_sorls
    def delete(self, file_: Any, delete_file: bool = True) -> None:
        """Delete the source (unless `delete_file` is False), its thumbnails and their records.

        For a thumbnail, delete its record, its file and its alternative resolutions. Thumbnails that
        `file_.files_in_use` lists are not deleted. Raises EmptyFileError if there is no file. Raises
        StorageError if it may not have deleted everything; call it again then. If the shared cache is
        down, the error is logged and not raised.
        """
        if not file_:
            raise EmptyFileError("delete() was given no file")
        forget_page()
        if isinstance(file_, Thumbnail):
            file_.delete(delete_file)
        else:
            delete_source(file_, delete_file, get_config())


def thumbnail_of(spec: ThumbnailSpec, config: Config, former: Former | None = None) -> Thumbnail:
    """Return the thumbnail of a spec. former: the adopted thumbnail of sorl that may stand in for it."""
    known = get_shared_cache().lookups.look_up(spec, former.place if former else None, current_page())
    name, record, thumbnail = object_name(spec, config.prefix), known.thumbnail, None
    # The adopted one comes first. A page without an answer of the cache is lazy, so the server may have
    # made the same thumbnail once more, and the URLs of a site that swaps would change.
    if former and known.adopted:
        origin = Origin(former.name, by_storage=not known.adopted.base)
        thumbnail = _with_all_resolutions(known.adopted, origin, filepath_to_uri(former.name), config)
    if not thumbnail and record and not known.stale:
        origin = Origin(name, spec, by_storage=not record.base)
        thumbnail = _with_all_resolutions(record, origin, name.removeprefix(config.prefix), config)
        # Without a URL in its record, the thumbnail is in a private bucket. If the site cannot sign, the
        # server does.
        if thumbnail and not record.base and lasting(thumbnail.url):
            thumbnail = None
    if thumbnail:
        return thumbnail
    if is_eager(config):
        # The returned spec names the thumbnail. It differs if the source was changing meanwhile.
        spec, record = get_maker()(spec)
        origin = Origin(object_name(spec, config.prefix), spec, by_storage=not record.base)
        thumbnail = _final(record, origin, object_name(spec, ""))
        if in_block() and (reason := complaint(thumbnail.url, config)):
            _warn_once("eager_thumbnails() gives URLs that do not work in e-mails. %s", reason)
        return thumbnail
    sides = (record.width, record.height) if record else certain_sides(spec, known.source)
    if page := current_page():
        page.note(True, math.inf if config.url_ttl is None else time.time() + config.url_ttl)
    return Thumbnail(lazy_url(spec, config), name, sides, True, Origin(name, spec))


def make_spec(file: Any, geometry: Any, options: dict[str, Any], config: Config) -> ThumbnailSpec:
    """Return the spec of a call. The site's settings give the options that the call leaves out.

    geometry: text, or a whole number for a width, as in {% thumbnail f 300 %}
    """
    if isinstance(file, Thumbnail):
        raise SpecError(
            "a thumbnail cannot be the source of another thumbnail: pass its source image instead"
        )
    return spec_of(source_of(file, config), geometry, options, config)


def spec_of(source: Source, geometry: Any, options: dict[str, Any], config: Config) -> ThumbnailSpec:
    chosen = {**config.options, **options}
    if config.preserve_format and "format" not in options:
        extension = source.name.rpartition(".")[2].lower()
        chosen["format"] = FORMATS.get(extension, config.options.get("format", "JPEG"))
    # The server gets only the decision that follows from setting and option.
    if config.flatten or "flatten" in options:
        chosen["flatten"] = config.flatten and options.get("flatten") not in ("off", False)
    if type(geometry) is int or isinstance(geometry, PlainNumber):
        geometry = str(geometry)
    return ThumbnailSpec.kept(source, geometry, chosen)


def _with_all_resolutions(
    record: ThumbnailRecord, origin: Origin, ending: str, config: Config
) -> Thumbnail | None:
    """Return a thumbnail whose final URL ends with `ending`; None if there is no such URL."""
    # A template makes the URL of each listed resolution from this one, so all of them must exist.
    if not record.has(config.resolutions):
        return None
    try:
        return _final(record, origin, ending)
    except (SettingError, StorageError) as error:
        _warn_once("A private bucket's URLs cannot be signed here, and stay lazy: %s", str(error))
        return None


def _final(record: ThumbnailRecord, origin: Origin, ending: str) -> Thumbnail:
    """Return a thumbnail with its final URL. The page remembers when a signed URL expires."""
    if record.base:
        url = record.base + ending
    else:
        # A storage makes the URL without a request to S3. In a private bucket it signs the URL.
        storage = origin.thumbnails()
        url = storage.url(origin.name)
        # Storages sign URLs so that at least half of their lifetime is left.
        if not lasting(url) and (page := current_page()):
            page.note(False, time.time() + storage.url_lifetime / 2)
    return Thumbnail(url, origin.name, (record.width, record.height), False, origin)


@lru_cache(maxsize=100)
def _warn_once(message: str, reason: str) -> None:
    """Log a reason once, and not for each thumbnail of each page."""
    logger.warning(message, reason)
