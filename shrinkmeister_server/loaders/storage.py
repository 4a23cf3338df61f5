"""Sources `storage://alias/name` in the storages of Django's STORAGES."""

import errno
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import InvalidStorageError, storages

from shrinkmeister import exceptions as errors
from shrinkmeister.conf.credentials import is_safe
from shrinkmeister.protocol.spec import Source
from shrinkmeister.storage import compat
from shrinkmeister.storage.buckets import is_s3, object_key, opens_storage
from shrinkmeister_server.loaders.limits import check_size
from shrinkmeister_server.loaders.s3 import get_s3_storage, load_object


@opens_storage
def load(source: Source, max_bytes: int) -> bytes:
    try:
        storage = storages[source.container]
    except InvalidStorageError as error:
        raise errors.StorageError(f"STORAGES has no alias {source.container!r}") from error
    if is_s3(storage):
        # This takes one request, with the timeouts of all buckets. The storage itself would send three.
        storage = get_s3_storage(source)
        try:
            key = object_key(str(storage.location), source.name)
        except errors.SpecError as error:
            raise errors.SourceNotAllowedError("the source's name leads out of the storage") from error
        return load_object(storage, key, max_bytes)
    try:
        return _load_file(storage, source, max_bytes)
    except (errors.ShrinkmeisterError, MemoryError):
        raise
    except SuspiciousOperation as error:
        raise errors.SourceNotAllowedError("the source's name leads out of the storage") from error
    # A storage raises whatever its library raises.
    except Exception as error:
        if compat.is_missing(error):
            raise errors.SourceMissingError("the storage has no such file") from error
        too_long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
        if too_long or len(source.name.encode()) > compat.MOST_NAME_BYTES:
            raise errors.SourceMissingError("the storage cannot have a file with so long a name") from error
        cause = error if is_safe(error) else None
        kind = compat.failure_of(error)
        raise kind(f"the storage {source.container!r}: {type(error).__name__}") from cause


def _load_file(storage: Any, source: Source, max_bytes: int) -> bytes:
    # A file of Azure knows its size only after it has fetched all of its bytes.
    if compat.is_a(storage, compat.AZURE_BACKEND):
        check_size(storage.size(source.name), max_bytes)
    try:
        file = storage.open(source.name)
    except FileNotFoundError:
        # Google's storage raises it for a missing bucket too. Listing a missing bucket fails.
        if compat.is_a(storage, compat.GOOGLE_BACKEND):
            with compat.storage_errors(storage, f"the storage {source.container!r}"):
                compat.check(storage)
        raise
    with file:
        check_size(file.size, max_bytes)
        return bytes(file.read())
