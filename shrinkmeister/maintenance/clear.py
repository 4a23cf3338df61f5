"""Deletion of records from the shared cache, without the thumbnails."""

from collections.abc import Iterator

from shrinkmeister.adoption.former import former_image, former_place, stored_formers
from shrinkmeister.adoption.kvstore import get_former_store
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.maintenance.adopt import BOOKMARK
from shrinkmeister.protocol.keys import (
    adopted_key,
    is_object_name,
    record_key_of_object,
    source_key_of_object,
)
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.listing import batches, thumbnails_of


def clear(dry_run: bool = False) -> Iterator[int]:
    """Delete all records from the shared cache; yield how many so far."""
    count = 0
    for keys in batches(_record_keys()):
        if not dry_run:
            get_shared_cache().records.delete(keys)
        count += len(keys)
        yield count
    if not dry_run:
        get_shared_cache().notes.set_bookmark(BOOKMARK, None)


def forget_adopted() -> Iterator[int]:
    """Delete the records of the thumbnails that sorl's key-value store lists; yield how many so far."""
    config = get_config()
    count = 0
    for keys, _ in get_former_store().sources() if config.adopted_backend else ():
        names = [former_image(one.name, config).name for one in get_former_store().thumbnails(keys)]
        get_shared_cache().records.forget_adopted(former_place(name, config) for name in names)
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
        yield adopted_key(former_place(thumbnail.name, config))
