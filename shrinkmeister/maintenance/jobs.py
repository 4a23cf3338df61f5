"""Long jobs over all thumbnails: adopting those of sorl, clearing records, deleting what is old.

Each goes through a listing of stored objects, some hundreds at a time, and yields what it has done so far.
None does anything for an answer that is an error: it raises, and whoever calls it again goes on.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from django.utils.encoding import filepath_to_uri
from sorl.thumbnail.images import ImageFile

from shrinkmeister.adoption.former import (
    check_adopted_backend,
    erase,
    former_image,
    former_keys,
    former_place,
    former_places,
)
from shrinkmeister.adoption.kvstore import FormerStore, Size, get_former_store
from shrinkmeister.cache.shared_cache import get_shared_cache
from shrinkmeister.conf import ADOPTED_BACKEND_HINT, SettingError, get_config
from shrinkmeister.protocol.keys import (
    adopted_key,
    folder_name,
    is_object_name,
    record_key_of_object,
    source_key_of_object,
)
from shrinkmeister.protocol.records import ThumbnailRecord, base_of
from shrinkmeister.protocol.spec import Source
from shrinkmeister.storage import get_former_storage, get_thumbnail_storage
from shrinkmeister.storage.base import ThumbnailStorage
from shrinkmeister.storage.listing import StoredThumbnail, thumbnails_of

BATCH = 500
# In the name of a file that is not UTF-8; no page can name it.
SURROGATE = re.compile("[\ud800-\udfff]")
BOOKMARK = "adopt"

T = TypeVar("T")


@dataclass
class Adoption:
    """How far `adopt` has got.

    of            whose thumbnails: the former backend, the storage and the prefix
    thumbnails    that have been adopted
    incomplete    those of them that lack an alternative resolution, so that pages do not use them
    unknown       objects below THUMBNAIL_PREFIX that sorl's key-value store does not know
    sources       whose size has been adopted
    sources_only  whether all thumbnails are done
    bookmark      what to go on behind
    """

    of: str = ""
    thumbnails: int = 0
    incomplete: int = 0
    unknown: int = 0
    sources: int = 0
    sources_only: bool = False
    bookmark: str = ""


@dataclass
class Pruning:
    """What `prune` has looked at, and what it has deleted, or would delete."""

    seen: int = 0
    thumbnails: int = 0
    objects: int = 0


def adopt(store: FormerStore, ttl: int, dry_run: bool = False, restart: bool = False) -> Iterator[Adoption]:
    """Records the thumbnails that sorl's key-value store knows and that are stored, and their sources.

    ttl: seconds that the records live. Takes up where an earlier run was stopped, unless told to restart.
    Raises SettingError, StorageError, DriverError, and what the key-value store raises.
    """
    if not check_adopted_backend():
        raise SettingError(
            "shrinkmeister.E016",
            "THUMBNAIL_ADOPTED_BACKEND is not set, so that no page would look for adopted thumbnails.",
            ADOPTED_BACKEND_HINT,
        )
    config, cache = get_config(), get_shared_cache()
    done = Adoption(f"{config.adopted_backend} {config.storage} {config.prefix}")
    if not dry_run and not restart:
        done = _taken_up(cache.bookmark(BOOKMARK), done)

    def keep(images: dict[Source, ThumbnailRecord]) -> None:
        if not dry_run:
            cache.adopt(images, ttl)
            cache.set_bookmark(BOOKMARK, json.dumps(asdict(done)))

    if not done.sources_only:
        for thumbnails in _batches(_formers(done.bookmark)):
            images = [former_image(thumbnail.name, config) for thumbnail in thumbnails]
            sizes = store.sizes(images)
            records = _records_of(thumbnails, images, sizes)
            done.thumbnails += len(records)
            done.incomplete += sum(not record.has(config.resolutions) for record in records.values())
            done.unknown += len(thumbnails) - len(records)
            done.bookmark = thumbnails[-1].names[0]
            keep(records)
            if not dry_run:
                # What was deleted meanwhile has no entry any more; see `erase`.
                still = zip(images, sizes, store.sizes(images), strict=True)
                gone = [image.name for image, before, after in still if before and not after]
                cache.forget_adopted(former_place(name, config) for name in gone)
            yield done
        done.sources_only, done.bookmark = True, ""
    if not store.ordered:
        done.sources = 0  # it begins anew
    for keys, bookmark in store.sources(done.bookmark):
        records = {}
        for source in store.images(keys):
            places = former_places(source)
            done.sources += bool(places)
            records |= dict.fromkeys(places, ThumbnailRecord(*source.size))
        done.bookmark = bookmark
        keep(records)
        yield done
    if not dry_run:
        cache.set_bookmark(BOOKMARK, None)


def clear(dry_run: bool = False) -> Iterator[int]:
    """Removes all records from the shared cache, and yields how many there were so far."""
    count = 0
    for keys in _batches(_records()):
        if not dry_run:
            get_shared_cache().remove(keys)
        count += len(keys)
        yield count
    if not dry_run:
        get_shared_cache().set_bookmark(BOOKMARK, None)


def prune(
    older_than: datetime | None = None, source: Source | None = None, dry_run: bool = False
) -> Iterator[Pruning]:
    """Deletes thumbnails: those that were written before a point in time, of one source or of all.

    Without such a point, those that the former backend has made of a source go too.
    """
    config, results, cache = get_config(), get_thumbnail_storage(), get_shared_cache()
    prefix = folder_name(source, config.prefix) if source else config.prefix
    ours = (stored for stored in results.walk(prefix) if is_object_name(stored.name, config.prefix))
    done = Pruning()
    for thumbnails in _batches(thumbnails_of(ours)):
        old = [one for one in thumbnails if older_than is None or _older(one, older_than, results)]
        names = [name for thumbnail in old for name in thumbnail.names]
        if not dry_run:
            keys = {record_key_of_object(name) for name in names}
            # Records before objects, so that no page gets the URL of a thumbnail that is gone; and after
            # them, since a server that has still found an object records it again.
            cache.remove(keys)
            results.delete(names)
            cache.remove(keys)
        done.seen += len(thumbnails)
        done.thumbnails += len(old)
        done.objects += len(names)
        yield done
    if source and older_than is None:
        if config.adopted_backend:
            store, formers = get_former_store(), former_keys(source)
            _add_formers(done, store, formers)
            if not dry_run:
                erase(store, formers, config)
            yield done
        if not dry_run:
            cache.forget(source, [])


def prune_adopted(store: FormerStore, dry_run: bool = False) -> Iterator[Pruning]:
    """Deletes what the former backend has made, as far as sorl's key-value store lists it, and that too."""
    config = get_config()
    done = Pruning()
    for keys, _ in store.sources():
        _add_formers(done, store, keys)
        if not dry_run:
            erase(store, keys, config)
        yield done


def _add_formers(done: Pruning, store: FormerStore, sources: list[str]) -> None:
    """Count the thumbnails of sources, by sorl's keys of those, as deleted."""
    count = len(store.thumbnails(sources))
    done.seen += count
    done.thumbnails += count
    done.objects += count * (1 + len(get_config().resolutions))


def forget_adopted() -> Iterator[int]:
    """Remove the records of the thumbnails that sorl's key-value store lists; yield how many so far."""
    config = get_config()
    count = 0
    for keys, _ in get_former_store().sources() if config.adopted_backend else ():
        names = [former_image(one.name, config).name for one in get_former_store().thumbnails(keys)]
        get_shared_cache().forget_adopted(former_place(name, config) for name in names)
        count += len(names)
        yield count


def _records_of(
    thumbnails: list[StoredThumbnail], images: list[ImageFile], sizes: list[Size | None]
) -> dict[Source, ThumbnailRecord]:
    """The records of those that sorl's key-value store knows, by where they lie."""
    config, results = get_config(), get_former_storage()
    found = zip(thumbnails, images, sizes, strict=True)
    return {
        former_place(thumbnail.name, config): ThumbnailRecord(
            *size,
            base_of(results.url(thumbnail.name), filepath_to_uri(thumbnail.name)),
            thumbnail.resolutions,
        )
        for thumbnail, image, size in found
        # sorl cuts names at a question mark, and takes the location of the storage off.
        if size and image.name == thumbnail.name
    }


def _formers(after: str = "") -> Iterator[StoredThumbnail]:
    """What lies below THUMBNAIL_PREFIX in sorl's storage, and is not named by us."""
    config = get_config()
    prefix = former_image(f"{config.prefix}x", config).name.removesuffix("x")
    for thumbnail in thumbnails_of(get_former_storage().walk(prefix, after)):
        named_by_us = is_object_name(thumbnail.name, config.prefix)
        if thumbnail.complete and not named_by_us and not SURROGATE.search(thumbnail.name):
            yield thumbnail


def _taken_up(bookmark: str | None, anew: Adoption) -> Adoption:
    try:
        former = Adoption(**json.loads(bookmark or "{}"))
    except (ValueError, TypeError):
        return anew
    sound = all(type(value) is type(getattr(anew, name)) for name, value in asdict(former).items())
    return former if sound and former.of == anew.of else anew


def _records() -> Iterator[str]:
    """The keys of the records. Where the cache cannot list them, those of all stored thumbnails."""
    keys = get_shared_cache().records()
    if keys is not None:
        yield from keys
        return
    config = get_config()
    source = ""
    for thumbnail in thumbnails_of(get_thumbnail_storage().walk(config.prefix)):
        if is_object_name(thumbnail.name, config.prefix):
            if source != (source := source_key_of_object(thumbnail.name)):
                yield source
            yield record_key_of_object(thumbnail.name)
    for thumbnail in _formers() if config.adopted_backend else ():
        yield adopted_key(former_place(thumbnail.name, config))


def _older(thumbnail: StoredThumbnail, than: datetime, results: ThumbnailStorage) -> bool:
    """By its latest object; not where one has gone meanwhile."""
    times = [results.modified(stored) for stored in thumbnail.objects.values()]
    return all(time is not None and time < than for time in times)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
