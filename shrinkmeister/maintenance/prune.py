"""Deletion of thumbnails with their records, and of records alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shrinkmeister.adoption.former import erase, former_image, former_keys, former_place, stored_formers
from shrinkmeister.adoption.kvstore import get_former_store
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.maintenance.adopt import BOOKMARK
from shrinkmeister.protocol.keys import (
    COMPLETE_SINCE_KEY,
    adopted_key,
    folder_name,
    is_object_name,
    record_key_of_object,
    source_key_of_object,
)
from shrinkmeister.protocol.spec import Source
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import ThumbnailStorage
from shrinkmeister.storage.listing import StoredThumbnail, batches, thumbnails_of


@dataclass
class Pruning:
    """Progress of a deletion: thumbnails seen, and what is deleted, or would be with `dry_run`."""

    seen: int = 0
    thumbnails: int = 0
    objects: int = 0


def prune(
    older_than: datetime | None = None, source: Source | None = None, dry_run: bool = False
) -> Iterator[Pruning]:
    """Delete the thumbnails of one source or of all, or those of them written before a time.

    Without a time, the thumbnails that the former backend has made of the source are deleted, too.
    """
    config, storage, cache = get_config(), get_thumbnail_storage(), get_shared_cache()
    prefix = folder_name(source, config.prefix) if source else config.prefix
    ours = (stored for stored in storage.walk(prefix) if is_object_name(stored.name, config.prefix))
    done = Pruning()
    for thumbnails in batches(thumbnails_of(ours)):
        old = [one for one in thumbnails if older_than is None or _is_older(one, older_than, storage)]
        names = [name for thumbnail in old for name in thumbnail.names]
        if not dry_run:
            keys = {record_key_of_object(name) for name in names}
            # Records go before objects, and again after them, as in deletion.py.
            cache.records.delete(keys)
            storage.delete(names)
            cache.records.delete(keys)
        done.seen += len(thumbnails)
        done.thumbnails += len(old)
        done.objects += len(names)
        yield done
    if source and older_than is None:
        if config.adopted_backend:
            _erase(done, former_keys(source), dry_run)
            yield done
        if not dry_run:
            cache.records.forget(source, [])


def prune_adopted(dry_run: bool = False) -> Iterator[Pruning]:
    """Delete the thumbnails that sorl's key-value store lists, and its entries."""
    done = Pruning()
    for keys in get_former_store().sources():
        _erase(done, keys, dry_run)
        yield done


def _erase(done: Pruning, sources: list[str], dry_run: bool) -> None:
    """Delete and count the former thumbnails of sources, given by sorl's keys."""
    config = get_config()
    count = len(get_former_store().thumbnails(sources))
    done.seen += count
    done.thumbnails += count
    done.objects += count * (1 + len(config.resolutions))
    if not dry_run:
        erase(sources, config)


def _is_older(thumbnail: StoredThumbnail, than: datetime, storage: ThumbnailStorage) -> bool:
    """Return whether all its objects are older. One that was deleted meanwhile has no time: it is not."""
    times = [storage.modified(stored) for stored in thumbnail.objects.values()]
    return all(time is not None and time < than for time in times)


def clear(dry_run: bool = False) -> Iterator[int]:
    """Delete all records from the shared cache; yield how many so far."""
    count = 0
    if not dry_run:
        # Otherwise servers would take a thumbnail without a record for one that was never made.
        get_shared_cache().records.delete([COMPLETE_SINCE_KEY])
    for keys in batches(_record_keys()):
        if not dry_run:
            get_shared_cache().records.delete(keys)
        count += len(keys)
        yield count
    if not dry_run:
        get_shared_cache().notes.set_bookmark(BOOKMARK, None)


def forget_adopted() -> Iterator[int]:
    """Delete the records of the thumbnails that sorl's key-value store lists; yield how many so far."""
    count = 0
    for keys in get_former_store().sources() if get_config().adopted_backend else ():
        names = [former_image(one.name).name for one in get_former_store().thumbnails(keys)]
        get_shared_cache().records.forget_adopted(former_place(name) for name in names)
        count += len(names)
        yield count


def _record_keys() -> Iterator[str]:
    """Yield the keys of all records, or if the cache cannot list them, those of all stored thumbnails."""
    keys = get_shared_cache().records.keys()
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
    for thumbnail in stored_formers() if config.adopted_backend else ():
        yield adopted_key(former_place(thumbnail.name))
