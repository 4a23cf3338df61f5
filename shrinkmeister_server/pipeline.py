"""Spec -> a thumbnail that is safely stored: found, waited for, or made; once across hosts.

The bucket is the truth: the record is written after the objects, and the lock saves work and nothing
else.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from shrinkmeister.cache.shared_cache import MakerState, get_shared_cache
from shrinkmeister.conf import DAY, SettingError, get_config
from shrinkmeister.conf.credentials import is_safe
from shrinkmeister.exceptions import (
    DriverError,
    OutOfTimeError,
    OverloadError,
    ResolutionError,
    ShrinkmeisterError,
    SourceError,
    SourceFormatError,
    SourceInvalidError,
    SourceMissingError,
    SourceTooLargeError,
    SourceTooSlowError,
    StorageError,
)
from shrinkmeister.protocol.keys import digest, object_name, record_key, source_key
from shrinkmeister.protocol.records import ThumbnailRecord, base_of
from shrinkmeister.protocol.spec import CONTENT_TYPES, Source, ThumbnailSpec
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import StoredInfo
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.limiter import get_gate
from shrinkmeister_server.loaders.load import fetch, read
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.options import judge_options
from shrinkmeister_server.rendering.render import Picture, render

logger = logging.getLogger(__name__)

ABSOLUTE = ("https://", "http://")
# Seconds before the bucket deletes a thumbnail in which pages use it no more: somebody may have one open.
EXPIRY_MARGIN = DAY
# How often a thumbnail is made under its own name. If its source has changed each time, it is made once
# more, under another name.
MOST_CHANGES = 2

# What is remembered of a source, under these names; the first that fits counts.
FAILURES: dict[str, type[SourceError]] = {
    "missing": SourceMissingError,
    "large": SourceTooLargeError,
    "format": SourceFormatError,
    "slow": SourceTooSlowError,
    "invalid": SourceInvalidError,
}


@dataclass(frozen=True)
class Request:
    """Of a browser, or of a site in its eager mode.

    read    gives the bytes of a source
    eager   whether it is of a site: that believes and remembers no failure, and its storage may give other
            URLs than the server's
    told    what the shared cache has told already
    more    whether there is time for more than what that tells
    """

    spec: ThumbnailSpec
    read: Callable[[Source], bytes]
    eager: bool
    timing: Timing
    told: MakerState | None = None
    more: bool = True


@dataclass(frozen=True)
class StoredThumbnail:
    """A thumbnail whose final URLs work.

    settled  whether it is recorded; otherwise its source was changing while it was made
    """

    spec: ThumbnailSpec
    record: ThumbnailRecord
    settled: bool = True

    def url(self, resolution: str | None = None) -> str:
        """resolution: one of THUMBNAIL_ALTERNATIVE_RESOLUTIONS, "2" for @2x. Raises SettingError."""
        if self.record.base is None:
            return absolute_url(object_name(self.spec, get_config().prefix, resolution))
        return self.record.base + object_name(self.spec, "", resolution)


def thumbnail(
    spec: ThumbnailSpec,
    resolution: str | None,
    timing: Timing,
    told: MakerState | None = None,
    more: bool = True,
) -> StoredThumbnail:
    """A thumbnail, which is made if it has to be.

    resolution: "2" for @2x, if it is to have that. told, more: of Request

    Raises ResolutionError for one that is not listed, SourceError, StorageError, OutOfTimeError.
    """
    resolutions = get_config().resolutions
    if resolution is not None and resolution not in resolutions:
        raise ResolutionError(
            f"THUMBNAIL_ALTERNATIVE_RESOLUTIONS does not list {resolution!r}, only {resolutions}"
        )
    return _found_or_made(Request(spec, fetch, False, timing, told, more))


def tell(specs: Sequence[ThumbnailSpec]) -> list[MakerState]:
    """What the shared cache tells of each, in one round trip; a batch of garbage makes none."""
    return get_shared_cache().look_up_all_stored(specs, first=True) if specs else []


def make_for_site(spec: ThumbnailSpec) -> tuple[ThumbnailSpec, ThumbnailRecord]:
    """The eager mode of a site: its own specs, of its own sources, which no allow-list has to name.

    Returns also the spec that names it, which is another one if the source was changing.
    """
    stored = _found_or_made(Request(spec, read, True, Timing()))
    return stored.spec, stored.record


def absolute_url(name: str) -> str:
    """The URL of a stored thumbnail, signed where the bucket is private.

    Raises SettingError where the storage gives a URL that means nothing on another host.
    """
    url = get_thumbnail_storage().url(name)
    if not url.startswith(ABSOLUTE):
        raise SettingError(
            "shrinkmeister.E102",
            f"The storage of thumbnails in STORAGES gives the URL {url!r}, which browsers would look for "
            f"on the thumbnail server.",
            "Give it an absolute base_url, such as 'https://www.example.com/media/'.",
        )
    return url


def _found_or_made(request: Request) -> StoredThumbnail:
    with request.timing.of("lookup"):
        record = _found(request)
    try:
        return StoredThumbnail(request.spec, record) if record else _made_once(request)
    except OverloadError as error:
        if record := _made_before(request, error):
            return StoredThumbnail(request.spec, record)
        raise


def _found(request: Request) -> ThumbnailRecord | None:
    """Somebody was faster; or it is time to look whether it is still stored; or the cache has been lost
    since, and the bucket knows. Raises SourceError where it has failed a short while ago, and
    OutOfTimeError.
    """
    spec, cache = request.spec, get_shared_cache()
    told = request.told or cache.look_up_stored(spec, first=True)
    if (record := _usable(told.record, request)) and not told.due:
        request.timing.outcome = "found"
        return record
    if not record:
        _raise_failure(told, request)
    if not request.more:
        raise OutOfTimeError("the time of its batch is over")
    if record:
        request.timing.outcome = "found"
        return _checked(request, record, told)
    complete = told.complete
    if complete is None:
        # It is new, or has been lost.
        config, results = get_config(), get_thumbnail_storage()
        complete = cache.begin(lambda: next(results.walk(config.prefix), None) is None)
    return None if complete and not (told.record or told.garbage) else _stored(request)


def _usable(record: ThumbnailRecord | None, request: Request) -> ThumbnailRecord | None:
    """One that has all resolutions, and of the storage that thumbnails are in now."""
    if record is None or not record.has(get_config().resolutions):
        return None
    return record if request.eager or record.base == _base() else None


def _checked(request: Request, record: ThumbnailRecord, told: MakerState) -> ThumbnailRecord | None:
    try:
        found = _in_bucket(request)
    except StorageError as error:
        logger.warning("Whether a recorded thumbnail is still stored cannot be told: %s", error)
        return record
    if found:
        return _record(request.spec, *found)
    if not told.doubted:
        logger.warning("A recorded thumbnail is lost: pages have all that were recorded before checked")
        try:
            get_shared_cache().doubt()
        except DriverError as error:
            # The next one that is found lost says it again.
            logger.warning("The shared cache cannot be told that thumbnails are lost: %s", error)
    return None


def _stored(request: Request) -> ThumbnailRecord | None:
    """The record of what is in the bucket already, written again."""
    found = _in_bucket(request)
    return _record(request.spec, *found) if found else None


def _in_bucket(request: Request) -> tuple[ThumbnailRecord, StoredInfo] | None:
    config, spec = get_config(), request.spec
    others = {r: object_name(spec, config.prefix, r) for r in config.resolutions}
    info = get_thumbnail_storage().find(object_name(spec, config.prefix), others)
    record = _record_of(info) if info else None
    if not (info and record and record.has(config.resolutions)):
        return None
    request.timing.outcome = "stored"
    return record, info


def _record(spec: ThumbnailSpec, record: ThumbnailRecord, info: StoredInfo) -> ThumbnailRecord | None:
    """Records what is stored; None where that will be deleted so soon that it has to be made again."""
    days, seconds = get_config().expire_days, None
    if days is not None:
        age = time.time() - info.modified.timestamp() if info.modified else 0.0
        # S3 deletes what is so many days old at the next midnight: never earlier.
        seconds = days * DAY - EXPIRY_MARGIN - age
        if seconds < 1:
            return None
    get_shared_cache().record(spec, record, info.source, seconds)
    return record


def _made_once(request: Request) -> StoredThumbnail:
    spec, cache, server, gate = request.spec, get_shared_cache(), get_server_config(), get_gate()
    with request.timing.of("wait"):
        held = cache.lock(spec, server.lock_seconds)
        # What takes no lock has taken no record either, so that a missing one says nothing.
        if held is None and (record := _stored(request)):
            return StoredThumbnail(spec, record)
        if held is False:
            with gate.waiting():
                for _ in _pauses(server.wait_seconds):
                    if record := _made_by_another(cache.look_up_stored(spec), request):
                        return StoredThumbnail(spec, record)
                    # Whoever had the lock has failed, or is gone.
                    if (held := cache.lock(spec, server.lock_seconds)) is not False:
                        break
    try:
        for _ in range(MOST_CHANGES):
            with gate.place(server.wait_seconds):
                told = cache.look_up_stored(spec)
                # It may have been made since we looked: before our lock, or while we waited for a place.
                if record := _made_by_another(told, request):
                    return StoredThumbnail(spec, record)
                record = _made(request, told.change)
            # After a change there is a new one; none is where it has ended, or the cache does not answer.
            if not (change := cache.look_up_stored(spec).change) or change == told.change:
                return StoredThumbnail(spec, record)
            # Whoever has replaced or deleted the source meanwhile has not seen what we stored since.
            _remove(spec)
        with gate.place(server.wait_seconds):
            return _made_apart(request, change)
    finally:
        if held:
            cache.unlock(spec)


def _made_apart(request: Request, change: str | None) -> StoredThumbnail:
    """Make a thumbnail whose source keeps changing, under a name of its own.

    The source may have changed since, or a writer of the shared cache puts back former marks. The browser
    gets a picture, which no record names and which no later look into the bucket finds.

    change: the mark of the last change; a browser's copy from before that change has another name
    """
    logger.warning("A source changes each time that its thumbnail is made: it is shown, and not recorded")
    spec = request.spec
    apart = replace(spec, options={**spec.options, "version": [digest(spec.canonical()), change]})
    record, _ = _make(replace(request, spec=apart))
    return StoredThumbnail(apart, record, settled=False)


def _made_by_another(told: MakerState, request: Request) -> ThumbnailRecord | None:
    _raise_failure(told, request)
    record = None if told.due else _usable(told.record, request)
    if record:
        request.timing.outcome = "waited"
    return record


def _raise_failure(told: MakerState, request: Request) -> None:
    if not request.eager and told.failure in FAILURES:
        raise FAILURES[told.failure](f"{told.failure}, as a request has found out a short while ago")


def _made(request: Request, change: str | None) -> ThumbnailRecord:
    try:
        record, info = _make(request)
    except Exception as error:
        if before := _made_before(request, error):
            if not isinstance(error, ShrinkmeisterError):
                shown = error if is_safe(error) else None
                logger.error(
                    "A thumbnail could not be made again, and the stored one is used", exc_info=shown
                )
            return before
        kind = next((kind for kind, one in FAILURES.items() if isinstance(error, one)), None)
        seconds = get_server_config().error_ttl
        if kind and seconds and change is not None and not (request.eager or _passing(error)):
            get_shared_cache().fail(request.spec, kind, change, seconds)
        raise
    with request.timing.of("record"):
        _record(request.spec, record, info)
    return record


def _passing(error: Exception) -> bool:
    """Whether it says more of this process, now, than of the source."""
    return isinstance(error.__cause__, MemoryError)


def _made_before(request: Request, error: Exception) -> ThumbnailRecord | None:
    """What was made before its record ended, or was evicted, needs its source no more."""
    try:
        found = _in_bucket(request)
        return (_record(request.spec, *found) or found[0]) if found else None
    except StorageError as another:
        # Of a source that is missing it is not known then; of two failures the first one tells more.
        raise (another if isinstance(error, SourceMissingError) else error) from None


def _make(request: Request) -> tuple[ThumbnailRecord, StoredInfo]:
    """Make and store a thumbnail, and return what is to be recorded of it."""
    spec, timing = request.spec, request.timing
    judge_options(spec.options)
    with timing.of("fetch"):
        data = request.read(spec.source)
    rendering = render(data, spec, get_config().resolutions, timing)
    thumbnail = rendering.thumbnail
    info = StoredInfo(thumbnail.width, thumbnail.height, tuple(rendering.resolutions), rendering.source)
    with timing.of("store"):
        # The thumbnail itself last: who finds it finds all of its resolutions.
        for resolution, picture in rendering.resolutions.items():
            _save(spec, resolution, picture, info)
        _save(spec, None, thumbnail, info)
    timing.outcome = "made"
    return _record_of(info), info


def _save(spec: ThumbnailSpec, resolution: str | None, picture: Picture, info: StoredInfo) -> None:
    name = object_name(spec, get_config().prefix, resolution)
    get_thumbnail_storage().save(name, picture.data, CONTENT_TYPES[spec.format], info)


def _remove(spec: ThumbnailSpec) -> None:
    """As `delete()` of the client does it: the record first."""
    config = get_config()
    get_shared_cache().remove([record_key(spec), source_key(spec.source)])
    get_thumbnail_storage().delete(
        [object_name(spec, config.prefix, r) for r in (None, *config.resolutions)]
    )


def _record_of(info: StoredInfo) -> ThumbnailRecord:
    return ThumbnailRecord(info.width, info.height, _base(), info.resolutions)


def _base() -> str | None:
    """What a record holds of URLs. Of any name, since a storage takes its time for each new one."""
    name = f"{'a' * 32}/{'a' * 32}.jpg"
    return base_of(get_thumbnail_storage().url(get_config().prefix + name), name)


def _pauses(seconds: float) -> Iterator[None]:
    """Waits longer each time, from 20 ms to 0.25 s, until so many seconds are over."""
    end, length = time.monotonic() + seconds, 0.02
    while time.monotonic() < end:
        time.sleep(length)
        length = min(length * 1.5, 0.25)
        yield
