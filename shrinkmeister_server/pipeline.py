"""Spec -> a thumbnail that is safely stored: found, waited for, or made, once for all who ask.

The lock only saves work: without it two servers may make the same thumbnail, and nothing breaks.
"""

import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from shrinkmeister import exceptions as errors
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cache.coordination import MakerState
from shrinkmeister.conf import get_config
from shrinkmeister.conf.credentials import is_safe
from shrinkmeister.error_policy import REMEMBERED, policy_of
from shrinkmeister.protocol.keys import digest
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import StoredInfo
from shrinkmeister_server import served
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.in_flight import Making, get_in_flight
from shrinkmeister_server.limiter import get_limiter
from shrinkmeister_server.loaders.load import load
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.options import validate_options
from shrinkmeister_server.rendering.render import render
from shrinkmeister_server.request import Request
from shrinkmeister_server.served import ServedThumbnail

logger = logging.getLogger(__name__)

# How often a thumbnail is made under its own name. If its source has changed each time, it is made once
# more, under another name.
MOST_CHANGES = 2


def make_for_site(spec: ThumbnailSpec) -> tuple[ThumbnailSpec, ThumbnailRecord]:
    """Make a thumbnail for a site in its eager mode.

    Returns also the spec that names it: another one if the source was changing.
    """
    made = thumbnail(Request(spec, Timing(), eager=True))
    return made.spec, made.record


def thumbnail(request: Request) -> ServedThumbnail:
    """Return a thumbnail, and make it if necessary.

    Raises ResolutionError if its resolution is not listed, SourceError, StorageError, OutOfTimeError.
    """
    resolutions = get_config().resolutions
    if request.resolution is not None and request.resolution not in resolutions:
        raise errors.ResolutionError(
            f"THUMBNAIL_ALTERNATIVE_RESOLUTIONS does not list {request.resolution!r}, only {resolutions}"
        )
    with request.timing.of("lookup"):
        record = _found(request)
    try:
        return ServedThumbnail(request.spec, record) if record else _made_together(request)
    except errors.OverloadError as error:
        if record := _made_before(request, error):
            return ServedThumbnail(request.spec, record)
        raise


def _found(request: Request) -> ThumbnailRecord | None:
    """Return the record of a thumbnail that need not be made.

    Looks in the bucket if the record is stale, or if the cache may have lost records. Raises
    OutOfTimeError, and SourceError if making it failed a short while ago.
    """
    cache = get_shared_cache()
    state = request.state or cache.coordination.look_up(request.spec, first=True)
    record = _usable(state, request)
    if record is None:
        _raise_failure(state, request)
    elif not state.stale:
        request.timing.outcome = "found"
        return record
    if not request.has_time:
        raise errors.OutOfTimeError("the time of its batch is over")
    if record:
        return _checked(request, record, state)
    complete = state.complete
    if complete is None:
        # The cache is new, or has lost its records.
        config, storage = get_config(), get_thumbnail_storage()
        complete = cache.coordination.initialize(lambda: next(storage.walk(config.prefix), None) is None)
    return None if complete and not (state.record or state.garbage) else _stored(request)


def _usable(state: MakerState, request: Request) -> ThumbnailRecord | None:
    """Return the record if it has all resolutions, and is of the current storage."""
    record = state.record
    if record is None or not record.has(get_config().resolutions):
        return None
    # A site keeps the server's URLs. A record without one is replaced once the site's own URLs are public.
    is_kept = request.eager and record.base is not None
    return record if is_kept or record.base == served.current_base() else None


def _checked(request: Request, record: ThumbnailRecord, state: MakerState) -> ThumbnailRecord | None:
    try:
        info = _in_bucket(request)
    except errors.StorageError as error:
        logger.warning("The server cannot check whether a recorded thumbnail is still stored: %s", error)
        request.timing.outcome = "found"
        return record
    if info:
        return served.record_stored(request.spec, info)
    if not state.distrusted:
        logger.warning("A recorded thumbnail is lost: pages re-check every record written before now")
        try:
            get_shared_cache().coordination.distrust()
        except errors.DriverError as error:
            # The next lost thumbnail repeats it.
            logger.warning("The shared cache failed to note that thumbnails are lost: %s", error)
    return None


def _stored(request: Request) -> ThumbnailRecord | None:
    """Return the record of a thumbnail that is in the bucket already, written again."""
    info = _in_bucket(request)
    return served.record_stored(request.spec, info) if info else None


def _in_bucket(request: Request) -> StoredInfo | None:
    info = served.find_stored(request.spec)
    if info:
        request.timing.outcome = "stored"
    return info


def _made_together(request: Request) -> ServedThumbnail:
    """Make a thumbnail, or wait for another request of this process that makes it."""
    in_flight, end = get_in_flight(), time.monotonic() + get_server_config().wait_seconds
    while True:
        # A site reads sources that a browser's request may not.
        making, leads = in_flight.join((request.spec, request.eager))
        if leads:
            return in_flight.lead(making, partial(_made_for_all, request, making, end))
        with get_limiter().waiting(), request.timing.of("wait"):
            has_ended = in_flight.follow(making, end, request.is_gone)
        request.check_client()
        if not has_ended:
            return _made_in_slot(request)
        if making.result:
            request.timing.outcome = "waited"
            return making.result
        error = making.error
        # These are not about the thumbnail. The next request leads.
        if error and not isinstance(error, errors.OverloadError | errors.ClientGoneError):
            # Raising changes an error, and each request raises in a thread of its own.
            raise copy.copy(error) if isinstance(error, errors.ShrinkmeisterError) else error


def _made_for_all(request: Request, making: Making[ServedThumbnail], end: float) -> ServedThumbnail:
    """Make a thumbnail for a request and its followers, also if only the followers still want it."""
    in_flight = get_in_flight()
    leader = replace(request, is_gone=lambda: request.is_gone() and in_flight.abandon(making))
    return _made_once(leader, end, partial(in_flight.close, making))


def _made_once(request: Request, end: float, close: Callable[[], None]) -> ServedThumbnail:
    """Make a thumbnail, or wait until that time for another server that makes it."""
    spec, cache, server = request.spec, get_shared_cache(), get_server_config()
    with request.timing.of("wait"):
        held = cache.coordination.lock(spec, server.lock_seconds)
        # A cache that takes no lock may have taken no record, either.
        if held is None and (record := _stored(request)):
            return ServedThumbnail(spec, record)
        if held is False:
            with get_limiter().waiting():
                for _ in _pauses(end):
                    if record := _made_by_another(cache.coordination.look_up(spec), request):
                        return ServedThumbnail(spec, record)
                    # The lock is free again if the other server has failed or has stopped.
                    if (held := cache.coordination.lock(spec, server.lock_seconds)) is not False:
                        break
                    request.check_client()
    try:
        return _made_in_slot(request, close)
    finally:
        if held:
            cache.coordination.unlock(spec)


def _made_in_slot(request: Request, close: Callable[[], None] = lambda: None) -> ServedThumbnail:
    """Make a thumbnail in a slot. close: called before the last look for a change of its source"""
    spec, cache, server, limiter = request.spec, get_shared_cache(), get_server_config(), get_limiter()
    for _ in range(MOST_CHANGES):
        with limiter.slot(server.wait_seconds):
            request.check_client()
            state = cache.coordination.look_up(spec)
            # Another server may have made it before this one got the lock or the slot.
            if record := _made_by_another(state, request):
                return ServedThumbnail(spec, record)
            record = _made(request, state.change)
        # A request that comes later may know of a change that the next look-up does not see.
        close()
        # A source that changed has a new mark. The mark is missing if it expired or the cache fails.
        if not (change := cache.coordination.look_up(spec).change) or change == state.change:
            return ServedThumbnail(spec, record)
        # The site cleared the thumbnails of the former source before this one was stored.
        served.remove(spec)
    with limiter.slot(server.wait_seconds):
        return _made_apart(request, change)


def _made_apart(request: Request, change: str | None) -> ServedThumbnail:
    """Make a thumbnail whose source keeps changing, under a name of its own.

    The source may have changed again, or a writer of the shared cache puts back former marks. The browser
    gets a picture, but no record names it, and no later look into the bucket finds it.

    change: the mark of the last change, so that a browser does not show its copy from before that change
    """
    logger.warning("A source changes each time that its thumbnail is made: it is shown, and not recorded")
    spec = request.spec
    apart = replace(spec, options={**spec.options, "version": [digest(spec.canonical), change]})
    info = _make(replace(request, spec=apart))
    return ServedThumbnail(apart, served.record_of(info), settled=False)


def _made_by_another(state: MakerState, request: Request) -> ThumbnailRecord | None:
    _raise_failure(state, request)
    record = None if state.stale else _usable(state, request)
    if record:
        request.timing.outcome = "waited"
    return record


def _raise_failure(state: MakerState, request: Request) -> None:
    if not request.eager and state.failure in REMEMBERED:
        raise REMEMBERED[state.failure](f"{state.failure}, as another request found a short while ago")


def _made(request: Request, change: str | None) -> ThumbnailRecord:
    try:
        info = _make(request)
    except errors.ClientGoneError:
        raise
    except Exception as error:
        if record := _made_before(request, error):
            if not isinstance(error, errors.ShrinkmeisterError):
                shown = error if is_safe(error) else None
                logger.error("Making a thumbnail again failed; the stored one is used", exc_info=shown)
            return record
        kind, seconds = policy_of(error).remembered, get_server_config().error_ttl
        if kind and seconds and change is not None and not request.eager:
            get_shared_cache().coordination.fail(request.spec, kind, change, seconds)
        raise
    with request.timing.of("record"):
        return served.record_stored(request.spec, info) or served.record_of(info)


def _made_before(request: Request, error: Exception) -> ThumbnailRecord | None:
    """Return the record of a thumbnail that is stored although its record ended or was evicted.

    Such a thumbnail does not need its source any more.
    """
    try:
        info = _in_bucket(request)
    except errors.StorageError as another:
        # The bucket might have shown that a missing source does not matter, so its error is raised.
        # Every other first error explains more.
        raise (another if isinstance(error, errors.SourceMissingError) else error) from None
    return (served.record_stored(request.spec, info) or served.record_of(info)) if info else None


def _make(request: Request) -> StoredInfo:
    spec, timing = request.spec, request.timing
    validate_options(spec.options)
    with timing.of("fetch"):
        data = load(spec.source, anywhere=request.eager)
    request.check_client()
    rendering = render(data, spec, get_config().resolutions, timing)
    with timing.of("store"):
        info = served.store(spec, rendering)
    timing.outcome = "made"
    return info


def _pauses(end: float) -> Iterator[None]:
    """Sleep longer each time, from 20 ms to 0.25 s, until that time of the monotonic clock."""
    length = 0.02
    while time.monotonic() < end:
        time.sleep(length)
        length = min(length * 1.5, 0.25)
        yield
