"""Long jobs over all thumbnails: adopting those of sorl, clearing records, deleting what is old.

Each goes through a listing of stored objects, some hundreds at a time, and yields what it has done so far.
None does anything for an answer that is an error: it raises, and whoever calls it again goes on.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from django.core.files.storage import storages
from django.utils.encoding import filepath_to_uri
from sorl.thumbnail.images import ImageFile

from shrinkmeister.adoption import check_adopted_backend, former_place
from shrinkmeister.conf import ADOPTED_BACKEND_HINT, SettingError, get_config
from shrinkmeister.keys import (
    adopted_key,
    folder_name,
    is_object_name,
    record_key_of_object,
    source_key_of_object,
)
from shrinkmeister.kvstore import FormerSource, FormerStore
from shrinkmeister.listing import StoredThumbnail, thumbnails_of
from shrinkmeister.records import URL, ThumbnailRecord
from shrinkmeister.results import get_former_results, get_results
from shrinkmeister.shared_cache import get_shared_cache
from shrinkmeister.sources import place_of
from shrinkmeister.spec import Source

BATCH = 500
BOOKMARK = "adopt"

T = TypeVar("T")


@dataclass
class Adoption:
    """How far `adopt` has got.

    thumbnails    that have been adopted
    unknown       objects below THUMBNAIL_PREFIX that sorl's key-value store does not know
    sources       whose size has been adopted
    sources_only  whether all thumbnails are done
    bookmark      what to go on behind
    """

    thumbnails: int = 0
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
    cache = get_shared_cache()
    done = Adoption() if dry_run or restart else _taken_up(cache.bookmark(BOOKMARK))

    def keep(images: dict[Source, ThumbnailRecord]) -> None:
        if not dry_run:
            cache.adopt(images, ttl)
            cache.set_bookmark(BOOKMARK, json.dumps(asdict(done)))

    if not done.sources_only:
        for thumbnails, records in _thumbnails_to_adopt(store, done.bookmark):
            done.thumbnails += len(records)
            done.unknown += len(thumbnails) - len(records)
            done.bookmark = thumbnails[-1].names[0]
            keep(records)
            yield done
        done.sources_only, done.bookmark = True, ""
    for sources, bookmark in store.sources(done.bookmark):
        records = {}
        for source in sources:
            places = _places(source)
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


def prune(
    older_than: datetime | None = None, source: Source | None = None, dry_run: bool = False
) -> Iterator[Pruning]:
    """Deletes thumbnails: those that were written before a point in time, of one source or of all."""
    config, results, cache = get_config(), get_results(), get_shared_cache()
    prefix = folder_name(source, config.prefix) if source else config.prefix
    objects = results.walk(prefix, times=older_than is not None)
    ours = (stored for stored in objects if is_object_name(stored.name, config.prefix))
    done = Pruning()
    for thumbnails in _batches(thumbnails_of(ours)):
        old = _older(thumbnails, older_than)
        names = [name for thumbnail in old for name in thumbnail.names]
        if not dry_run:
            # Records before objects, so that no page gets the URL of a thumbnail that is gone.
            cache.remove({record_key_of_object(name) for name in names})
            results.delete(names)
        yield _counted(done, thumbnails, old)
    if source and older_than is None and not dry_run:
        cache.forget(source, [])


def prune_adopted(
    store: FormerStore, older_than: datetime | None = None, dry_run: bool = False
) -> Iterator[Pruning]:
    """Deletes what the former backend has made: objects, adopted records, and sorl's own entries."""
    config, results, cache = get_config(), get_former_results(), get_shared_cache()
    done = Pruning()
    for thumbnails in _batches(_formers(times=older_than is not None)):
        images = _images(thumbnails)
        sizes = store.sizes(images)
        known = [thumbnail for thumbnail, size in zip(thumbnails, sizes, strict=True) if size]
        old = _older(known, older_than)
        if not dry_run:
            cache.forget_adopted(former_place(thumbnail.name, config) for thumbnail in old)
            results.delete([name for thumbnail in old for name in thumbnail.names])
            store.forget(_images(old))
        yield _counted(done, thumbnails, old)


def _thumbnails_to_adopt(
    store: FormerStore, after: str
) -> Iterator[tuple[list[StoredThumbnail], dict[Source, ThumbnailRecord]]]:
    config, results = get_config(), get_former_results()
    for thumbnails in _batches(_formers(after)):
        sizes = store.sizes(_images(thumbnails))
        yield (
            thumbnails,
            {
                former_place(thumbnail.name, config): ThumbnailRecord(
                    *size, _recorded_url(results.url(thumbnail.name), thumbnail.name), thumbnail.resolutions
                )
                for thumbnail, size in zip(thumbnails, sizes, strict=True)
                if size
            },
        )


def _formers(after: str = "", times: bool = False) -> Iterator[StoredThumbnail]:
    """What lies below THUMBNAIL_PREFIX in sorl's storage, and is not named by us."""
    prefix = get_config().prefix
    for thumbnail in thumbnails_of(get_former_results().walk(prefix, after, times)):
        if thumbnail.complete and not is_object_name(thumbnail.name, prefix):
            yield thumbnail


def _images(thumbnails: Iterable[StoredThumbnail]) -> list[ImageFile]:
    storage = storages[get_config().storage]
    return [ImageFile(thumbnail.name, storage) for thumbnail in thumbnails]


def _recorded_url(url: str, name: str) -> str | None:
    """None where each page has to make it: it is signed, relative, or spelled unusually."""
    return url if URL.fullmatch(url) and url.endswith(filepath_to_uri(name)) else None


def _places(source: FormerSource) -> list[Source]:
    """Where sorl would look for an entry with that key; it cannot tell all storages of a class apart."""
    images = [ImageFile(source.name, storages[alias]) for alias in storages.backends]
    return [place_of(image.storage, image.name) for image in images if image.key == source.key]


def _taken_up(bookmark: str | None) -> Adoption:
    try:
        return Adoption(**json.loads(bookmark or "{}"))
    except (ValueError, TypeError):
        return Adoption()


def _records() -> Iterator[str]:
    """The keys of the records. Where the cache cannot list them, those of all stored thumbnails."""
    keys = get_shared_cache().records()
    if keys is not None:
        yield from keys
        return
    config = get_config()
    source = ""
    for thumbnail in thumbnails_of(get_results().walk(config.prefix)):
        if is_object_name(thumbnail.name, config.prefix):
            if source != (source := source_key_of_object(thumbnail.name)):
                yield source
            yield record_key_of_object(thumbnail.name)
    for thumbnail in _formers() if config.adopted_backend else ():
        yield adopted_key(former_place(thumbnail.name, config))


def _older(thumbnails: list[StoredThumbnail], than: datetime | None) -> list[StoredThumbnail]:
    return [one for one in thumbnails if than is None or one.modified < than]


def _counted(done: Pruning, thumbnails: list[StoredThumbnail], old: list[StoredThumbnail]) -> Pruning:
    done.seen += len(thumbnails)
    done.thumbnails += len(old)
    done.objects += sum(len(thumbnail.objects) for thumbnail in old)
    return done


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
