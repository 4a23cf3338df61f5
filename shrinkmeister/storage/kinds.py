"""Where Django's storages differ: what they list, and what they raise for a file that they do not have.

Django defines neither. FileSystemStorage lists bare names, folder by folder; django-storages' AzureStorage
lists the whole name of everything below, and so much may change with a version.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from shrinkmeister.exceptions import StorageError
from shrinkmeister.storage.listing import StoredObject, name_below

AZURE_BACKEND = "storages.backends.azure_storage.AzureStorage"
GOOGLE_BACKEND = "storages.backends.gcloud.GoogleCloudStorage"
AZURE_MISSING = "azure.core.exceptions.ResourceNotFoundError"
GOOGLE_MISSING = "google.api_core.exceptions.NotFound"
# No object store takes a longer name: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MOST_NAME_BYTES = 1024


def is_a(thing: Any, path: str) -> bool:
    """Whether an object's class, or a parent of it, has this dotted path.

    By name, since importing the class imports the library of a cloud, which may not be installed.
    """
    kind: Any = type(thing)
    return path in _paths(kind)


@lru_cache(maxsize=256)
def _paths(kind: type) -> frozenset[str]:
    return frozenset(f"{parent.__module__}.{parent.__qualname__}" for parent in kind.__mro__)


def is_missing(error: Exception) -> bool:
    """Whether a storage has raised this because it has no such file."""
    if isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
        return True
    # Azure raises the same for a missing container, which is a wrong setting.
    if is_a(error, AZURE_MISSING):
        return getattr(error, "error_code", None) == "BlobNotFound"
    return is_a(error, GOOGLE_MISSING)


def delete_file(storage: Any, name: str) -> None:
    """Delete a file, which need not exist. Raises what the storage raises."""
    try:
        storage.delete(name)
    except Exception:
        # Some storages raise for what is missing (Dropbox does). One that fails, fails here too.
        if storage.exists(name):
            raise


def walk(storage: Any, prefix: str, after: str = "") -> Iterator[StoredObject]:
    """The files whose names begin with a prefix, in the order of their names, behind `after`.

    Raises StorageError for a listing that contradicts itself, and what the storage raises.
    """
    lister = _lister(storage)
    if lister is None:
        folder, slash, _ = prefix.rpartition("/")
        for name in _names(storage, folder + slash, prefix, after):
            yield StoredObject(name)
        return
    folder = _location(storage)
    for stored in lister(storage, folder + prefix):
        name = name_below(folder, prefix, stored.name)
        if name > after:
            yield StoredObject(name, stored.modified)


def check(storage: Any) -> None:
    """Raise what the storage raises where it does not answer."""
    lister = _lister(storage)
    if lister is None:
        storage.exists("health")
    else:
        # `exists` takes a missing container for a missing file.
        next(lister(storage, "health"), None)


def _lister(storage: Any) -> Callable[[Any, str], Iterator[StoredObject]] | None:
    """How to list a prefix by pages, with times; None for a storage that has its `listdir` alone."""
    if is_a(storage, AZURE_BACKEND):
        return _azure
    return _google if is_a(storage, GOOGLE_BACKEND) else None


def _azure(storage: Any, prefix: str) -> Iterator[StoredObject]:
    for blob in storage.client.list_blobs(name_starts_with=prefix, timeout=storage.timeout):
        yield StoredObject(blob.name, blob.last_modified)


def _google(storage: Any, prefix: str) -> Iterator[StoredObject]:
    for blob in storage.bucket.list_blobs(prefix=prefix):
        yield StoredObject(blob.name, blob.updated)


def _location(storage: Any) -> str:
    """The folder of a storage in its container, "" or with a slash at its end."""
    location = str(getattr(storage, "location", "") or "").strip("/")
    return f"{location}/" if location else ""


def _names(storage: Any, folder: str, prefix: str, after: str) -> Iterator[str]:
    """folder: "" or with a slash at its end"""
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    # With their slashes folders sort as the names in them do.
    entries = {_whole(storage, folder, str(name)) for name in files}
    entries |= {f"{_whole(storage, folder, str(name))}/" for name in folders}
    for name in sorted(entries - {folder, f"{folder}/"}):
        if not name.startswith(prefix):
            continue
        if not name.endswith("/"):
            if name > after:
                yield name
        elif name > after or after.startswith(name):
            yield from _names(storage, name, prefix, after)


def _whole(storage: Any, folder: str, entry: str) -> str:
    """The name in the storage of an entry of `listdir(folder)`, without a slash at its end.

    Most storages list bare names. A name with a slash in it is a whole one, of the storage or of its cloud.
    """
    entry = entry.removeprefix("./").rstrip("/")
    if entry in ("", "."):
        return folder
    if "/" not in entry:
        return folder + entry
    for start in (_location(storage) + folder, folder):
        if entry.startswith(start):
            return folder + entry.removeprefix(start)
    raise StorageError(f"the storage listed {entry!r}, which is outside {folder!r}")
