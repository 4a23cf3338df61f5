"""Deleting a source with its thumbnails: `default.backend.delete(file)`, and THUMBNAIL_CLEANUP."""

import logging
from collections.abc import Set
from typing import Any

from shrinkmeister.adoption.former import delete_former_files, erase, forget_size, former_key
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import Config
from shrinkmeister.conf.credentials import described
from shrinkmeister.exceptions import DriverError, SourceNotAllowedError, SpecError
from shrinkmeister.protocol.keys import folder_name, record_key_of_object
from shrinkmeister.protocol.spec import Source
from shrinkmeister.sources import source_of, storage_and_name
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.compat import delete_file, storage_errors

logger = logging.getLogger(__name__)


def delete_source(file: Any, with_file: bool, config: Config) -> None:
    """Delete the thumbnails of a source, their records and, with `with_file`, the source.

    Raises StorageError. A shared cache that is down is logged, because sites delete files together with the
    rows of a table.
    """
    storage, name = storage_and_name(file, config)
    try:
        source = source_of(file, config)
    except (SourceNotAllowedError, SpecError) as error:
        if isinstance(error, SpecError) and storage is not None:
            raise
        source = None  # the file cannot have thumbnails; sorl accepts such files too
    # The source goes first. Otherwise the server could make a deleted thumbnail again.
    if with_file and storage is not None:
        # After an error the source may still exist.
        with storage_errors(storage, f"could not delete {name!r}"):
            delete_file(storage, name)
    if source is None:
        return
    try:
        _delete_thumbnails(file, source, config)
    except DriverError as error:
        # Thumbnails of a source that stays are kept, because pages still show their URLs.
        if with_file:
            thumbnails = get_thumbnail_storage()
            thumbnails.delete([one.name for one in thumbnails.walk(folder_name(source, config.prefix))])
            if config.adopted_backend:
                delete_former_files(file, config)
        logger.error(
            "The shared cache failed while thumbnails were deleted (%s). It still has their records. "
            "Run `manage.py shrinkmeister prune --source '%s'` when it works again",
            described(error),
            source,
        )


def _delete_thumbnails(file: Any, source: Source, config: Config) -> None:
    """Delete the thumbnails of a deleted or replaced source. Raise StorageError or DriverError.

    Thumbnails that `file.files_in_use` names stay: a model instance has them as files of its own.
    """
    # A server that is rendering one of them deletes its result again.
    get_shared_cache().coordination.mark_change(source)
    storage = get_thumbnail_storage()
    names = [stored.name for stored in storage.walk(folder_name(source, config.prefix))]
    # Records go before objects, so that no page gets the URL of a deleted thumbnail. They go again
    # afterwards, because a server that still found an object has recorded it again.
    get_shared_cache().records.forget(source, names)
    in_use: Set[str] = getattr(file, "files_in_use", frozenset())
    # Alternative resolutions stay too: where the server finds a thumbnail, it expects them.
    kept = {record_key_of_object(name) for name in in_use}
    storage.delete([name for name in names if record_key_of_object(name) not in kept])
    get_shared_cache().records.forget(source, names)
    if config.adopted_backend:
        erase([former_key(file)], config, in_use)
    else:
        forget_size(file)
