"""The Source of a file that a template or a caller gives, and the storages of a site's image fields.

No request is made to any storage.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.core.files.storage import storages
from django.db.models import ImageField
from django.utils.functional import LazyObject, empty
from sorl.thumbnail.images import UrlStorage

from shrinkmeister.conf import Config, reset_on_setting_change
from shrinkmeister.conf.reader import backend_class
from shrinkmeister.exceptions import HostNotListedError, SourceNotAllowedError, SpecError
from shrinkmeister.protocol.spec import CACHE_SIZE, Source, allowed
from shrinkmeister.storage.buckets import (
    is_reached_by_server,
    is_s3,
    object_key,
    open_thumbnail_storage,
    opens_storage,
)

# Bounds the memory of sites that make a new storage for each request.
MOST_STORAGES = 256
URL = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#]+)/?(?P<name>[^#]*)(#.*)?", re.DOTALL)


def source_of(file: Any, config: Config) -> Source:
    """Return the source of a FieldFile, of another file with a storage, or of a name in THUMBNAIL_STORAGE.

    Names are read as sorl's ImageFile reads them. Raises SourceNotAllowedError if the server cannot read
    the file, and SpecError for an invalid name.
    """
    storage, name = storage_and_name(file, config)
    return _url_source(name, config) if storage is None else place_of(storage, name)


def parse_source(text: str, config: Config) -> Source:
    """Return the source of `s3://bucket/key`, `storage://alias/name`, a URL or a name. Raises SpecError."""
    if not text:
        raise SpecError("the source is empty")
    if "://" not in text:
        return source_of(text, config)
    return Source.parse(text.split("?")[0] if config.remove_url_args and URL.match(text) else text)


def place_of(storage: Any, name: str) -> Source:
    """Return the source of a file in a storage. Raises what `source_of` raises."""
    storage = _unwrapped(storage)
    if not is_s3(storage):
        return Source("storage", _alias(storage, name), name)
    location = str(getattr(storage, "location", "") or "")
    if is_reached_by_server(storage):
        return _s3_source(str(storage.bucket_name), location, name)
    return _storage_source(_alias(storage, name), location, name)


def is_elsewhere(storage: Any) -> bool:
    """Return whether it is an S3 storage that the server knows only by its alias in STORAGES."""
    storage = _unwrapped(storage)
    return is_s3(storage) and not is_reached_by_server(storage)


def storage_and_name(file: Any, config: Config) -> tuple[Any, str]:
    """Return the storage (None for a URL) and the name in it, as sorl's ImageFile reads `file`."""
    name = str(file.name if hasattr(file, "name") else file)
    if config.remove_url_args:
        name = name.split("?")[0]
    if name.startswith("//"):
        name = f"http:{name}"
    storage = getattr(file, "storage", None)
    # sorl makes an ImageFile with a UrlStorage from a URL.
    if isinstance(storage, UrlStorage) or (storage is None and URL.match(name)):
        return None, name
    storage = _unwrapped(open_thumbnail_storage() if storage is None else storage)
    location = getattr(storage, "location", None)
    if location is not None:
        name = name.removeprefix(f"{str(location).removesuffix('/')}/")
    return storage, name


def _unwrapped(storage: Any) -> Any:
    """Return the storage that a lazy object wraps, whose class can be compared with those of STORAGES."""
    if isinstance(storage, LazyObject):
        if storage._wrapped is empty:
            opens_storage(storage._setup)()
        return storage._wrapped
    return storage


def _url_source(url: str, config: Config) -> Source:
    match = URL.fullmatch(url)
    if not match or not match["name"]:
        raise SpecError(f"{url!r} is not a URL of a file")
    source = Source(match["scheme"], match["host"].lower(), match["name"])
    if not allowed(source, config.sources):
        raise HostNotListedError(
            f"THUMBNAIL_SOURCES does not contain the host of the source. To allow it, add "
            f"'{source.scheme}://{source.container}' on the site and on the server.",
            url,
        )
    return source


@lru_cache(maxsize=CACHE_SIZE)
def _s3_source(bucket: str, location: str, name: str) -> Source:
    return Source("s3", bucket, object_key(location, name))


@lru_cache(maxsize=CACHE_SIZE)
def _storage_source(alias: str, location: str, name: str) -> Source:
    """Return the source under one spelling of its name, since each spelling would be another source."""
    folder = location.strip("/")
    return Source("storage", alias, object_key(folder, name)[len(folder) :].lstrip("/"))


def _alias(storage: Any, name: str) -> str:
    """Return the alias of a storage in STORAGES. Raises SourceNotAllowedError if it has none."""
    known = _aliases()
    if kept := known.get(id(storage)):
        return kept[1]
    alias = _looked_up_alias(storage, name)
    if len(known) >= MOST_STORAGES:
        known.clear()
    # The entry keeps the storage alive, so that no other storage gets its id.
    known[id(storage)] = (storage, alias)
    return alias


@reset_on_setting_change
def _aliases() -> dict[int, tuple[Any, str]]:
    """Return this process's aliases, by the id of a storage, since storages may not be hashable."""
    return {}


@opens_storage
def _looked_up_alias(storage: Any, name: str) -> str:
    """Find the alias by instance, otherwise by class and options, since aliases may share a class."""
    backends: dict[str, Any] = storages.backends
    same = {alias: one for alias, one in backends.items() if backend_class(one) is type(storage)}
    for alias in same:
        if storages[alias] is storage:
            return alias
    if hasattr(storage, "deconstruct"):
        # A field may have its own instance, and two threads may have opened an alias at the same moment.
        try:
            _, positional, options = storage.deconstruct()
        except ValueError:  # its class is defined in a function, so that no alias can name it
            positional, options = (), None
        for alias, parameters in same.items():
            if not positional and parameters.get("OPTIONS", {}) == options:
                return alias
    raise SourceNotAllowedError(
        f"the source {name!r} is in a {type(storage).__name__} that STORAGES does not contain, so the "
        f"thumbnail server cannot open it. Add the storage to STORAGES under an alias, on the site and on "
        f"the server, and give the field storages[alias]. An S3 storage needs this only if its endpoint or "
        f"account differs from that of the storage THUMBNAIL_STORAGE."
    )


@dataclass(frozen=True)
class FieldStorage:
    """The storage of one field.

    field   "shop.Product.photo"
    folder  the folder of all its files, "" or with a slash at its end; None if unknown
    """

    field: str
    storage: Any
    folder: str | None


def field_storages() -> Iterator[FieldStorage]:
    """Yield the storage of each ImageField of the installed models."""
    for model in apps.get_models():
        # Only local fields, because a proxy and a child also have those of another model.
        for field in model._meta.local_fields:
            if isinstance(field, ImageField):
                yield FieldStorage(f"{model._meta.label}.{field.name}", field.storage, _folder(field))


def _folder(field: ImageField) -> str | None:
    upload_to: Any = field.upload_to
    if callable(upload_to):
        return None
    # A date follows the first %.
    fixed, percent, _ = str(upload_to).partition("%")
    return fixed.rpartition("/")[0] + "/" if "/" in fixed else "" if percent or not fixed else f"{fixed}/"
