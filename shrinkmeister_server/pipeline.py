"""Spec -> URL of a thumbnail that is safely stored: found, waited for, or made; once across hosts.

The bucket is the truth: the record is written after the objects, and the lock saves work and nothing
else.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.utils.timezone import now

from shrinkmeister.conf import SettingError, get_config
from shrinkmeister.exceptions import ResolutionError, SourceMissingError, StorageError
from shrinkmeister.keys import object_name
from shrinkmeister.records import ThumbnailRecord, base_of
from shrinkmeister.results import StoredInfo, get_results
from shrinkmeister.shared_cache import get_shared_cache
from shrinkmeister.spec import CONTENT_TYPES, Source, ThumbnailSpec
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.rendering import Picture, render
from shrinkmeister_server.sources import fetch, read
from shrinkmeister_server.timing import Timing

ABSOLUTE = ("https://", "http://")
Read = Callable[[Source], bytes]


def thumbnail_url(spec: ThumbnailSpec, resolution: str | None, timing: Timing) -> str:
    """The final URL of a thumbnail, which is made if it has to be.

    resolution: "2" for @2x. Raises ResolutionError for one that is not listed, SourceError, StorageError.
    """
    config = get_config()
    if resolution is not None and resolution not in config.resolutions:
        raise ResolutionError(
            f"THUMBNAIL_ALTERNATIVE_RESOLUTIONS does not list {resolution!r}, only {config.resolutions}"
        )
    record = _found_or_made(spec, fetch, timing)
    if record.base is None:
        return absolute_url(object_name(spec, config.prefix, resolution))
    return record.base + object_name(spec, "", resolution)


def make_for_site(spec: ThumbnailSpec) -> ThumbnailRecord:
    """The eager mode of a site: its own specs, of its own sources, which no allow-list has to name."""
    return _found_or_made(spec, read, Timing())


def absolute_url(name: str) -> str:
    """The URL of a stored thumbnail, signed where the bucket is private.

    Raises SettingError where the storage gives a URL that means nothing on another host.
    """
    url = get_results().url(name)
    if not url.startswith(ABSOLUTE):
        raise SettingError(
            "shrinkmeister.E102",
            f"The storage of thumbnails in STORAGES gives the URL {url!r}, which browsers would look for "
            f"on the thumbnail server.",
            "Give it an absolute base_url, such as 'https://www.example.com/media/'.",
        )
    return url


def _found_or_made(spec: ThumbnailSpec, read: Read, timing: Timing) -> ThumbnailRecord:
    with timing.of("lookup"):
        record = _found(spec)
    try:
        return record or _made_once(spec, read, timing)
    except (SourceMissingError, StorageError) as error:
        # What was made before its record ended needs its source no more.
        try:
            found = _in_bucket(spec)
        except StorageError as another:
            # Of a source that is missing it is not known then; of two failures the first one tells more.
            raise (another if isinstance(error, SourceMissingError) else error) from None
        if found:
            return found[0]
        raise


def _found(spec: ThumbnailSpec) -> ThumbnailRecord | None:
    """Somebody was faster; or the cache has been lost since, and the bucket knows."""
    record, complete = get_shared_cache().look_up_stored(spec)
    if record := _usable(record):
        return record
    if complete is None:
        # It is new, or has been lost.
        config, results = get_config(), get_results()
        complete = get_shared_cache().begin(lambda: next(results.walk(config.prefix), None) is None)
    return None if complete else _stored(spec)


def _usable(record: ThumbnailRecord | None) -> ThumbnailRecord | None:
    return record if record and record.has(get_config().resolutions) else None


def _stored(spec: ThumbnailSpec) -> ThumbnailRecord | None:
    """The record of what is in the bucket already, written again.

    Not of an object as old as records get: it would outlive that, where old objects are deleted.
    """
    found = _in_bucket(spec)
    if found is None:
        return None
    record, info = found
    if info.modified and now() - info.modified > timedelta(seconds=get_config().ttl):
        return None
    get_shared_cache().record(spec, record, info.source)
    return record


def _in_bucket(spec: ThumbnailSpec) -> tuple[ThumbnailRecord, StoredInfo] | None:
    config = get_config()
    others = {r: object_name(spec, config.prefix, r) for r in config.resolutions}
    info = get_results().find(object_name(spec, config.prefix), others)
    record = _record_of(spec, info) if info else None
    return (record, info) if info and record and record.has(config.resolutions) else None


def _made_once(spec: ThumbnailSpec, read: Read, timing: Timing) -> ThumbnailRecord:
    cache = get_shared_cache()
    server = get_server_config()
    with timing.of("wait"):
        held = cache.lock(spec, server.lock_seconds)
        # What takes no lock has taken no record either, so that a missing one says nothing.
        if held is None and (record := _stored(spec)):
            return record
        if held is False:
            for _ in _pauses(server.wait_seconds):
                if record := _recorded(spec):
                    return record
                # Whoever had the lock has failed, or is gone.
                if (held := cache.lock(spec, server.lock_seconds)) is not False:
                    break
    try:
        # It may have been made between our look at the cache and our lock.
        return _recorded(spec) or _make(spec, read, timing)
    finally:
        if held:
            cache.unlock(spec)


def _recorded(spec: ThumbnailSpec) -> ThumbnailRecord | None:
    return _usable(get_shared_cache().look_up_stored(spec)[0])


def _make(spec: ThumbnailSpec, read: Read, timing: Timing) -> ThumbnailRecord:
    with timing.of("fetch"):
        data = read(spec.source)
    rendering = render(data, spec, get_config().resolutions, timing)
    thumbnail = rendering.thumbnail
    info = StoredInfo(thumbnail.width, thumbnail.height, tuple(rendering.resolutions), rendering.source)
    with timing.of("store"):
        # The thumbnail itself last: who finds it finds all of its resolutions.
        for resolution, picture in rendering.resolutions.items():
            _save(spec, resolution, picture, info)
        _save(spec, None, thumbnail, info)
    record = _record_of(spec, info)
    with timing.of("record"):
        get_shared_cache().record(spec, record, info.source)
    return record


def _save(spec: ThumbnailSpec, resolution: str | None, picture: Picture, info: StoredInfo) -> None:
    name = object_name(spec, get_config().prefix, resolution)
    get_results().save(name, picture.data, CONTENT_TYPES[spec.format], info)


def _record_of(spec: ThumbnailSpec, info: StoredInfo) -> ThumbnailRecord:
    url = get_results().url(object_name(spec, get_config().prefix))
    return ThumbnailRecord(info.width, info.height, base_of(url, object_name(spec, "")), info.resolutions)


def _pauses(seconds: float) -> Iterator[None]:
    """Waits longer each time, from 20 ms to 0.25 s, until so many seconds are over."""
    end, length = time.monotonic() + seconds, 0.02
    while time.monotonic() < end:
        time.sleep(length)
        length = min(length * 1.5, 0.25)
        yield
