"""Differences between Django storages: what they list, and what they raise for a missing file.

Django defines neither. FileSystemStorage lists bare names, folder by folder. django-storages' AzureStorage
lists whole names of all files below a folder, and a new version may change that.
"""

import errno
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from shrinkmeister.conf.credentials import described, errors_as
from shrinkmeister.exceptions import StorageDeniedError, StorageError
from shrinkmeister.storage.listing import StoredObject, name_below

AZURE_BACKEND = "storages.backends.azure_storage.AzureStorage"
GOOGLE_BACKEND = "storages.backends.gcloud.GoogleCloudStorage"
AZURE_MISSING = "azure.core.exceptions.ResourceNotFoundError"
GOOGLE_MISSING = "google.api_core.exceptions.NotFound"
# What the clouds' libraries raise for an answer of the storage, and the attribute with its HTTP status.
ANSWERS = {
    "azure.core.exceptions.HttpResponseError": "status_code",
    "google.api_core.exceptions.GoogleAPICallError": "code",
}
# What Google's library raises without any credentials.
GOOGLE_CREDENTIALS = "google.auth.exceptions.DefaultCredentialsError"
# A missing container has 404, which is_missing tells from a missing file.
DENIED_STATUSES = (401, 403, 404)
# The longest name in any object store:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MOST_NAME_BYTES = 1024
# The user of this process has no right on the file or folder, or the file system is read-only.
DENIED_ERRNOS = (errno.EACCES, errno.EPERM, errno.EROFS)


def is_a(thing: Any, path: str) -> bool:
    """Return whether an object is an instance of the class with this dotted path.

    Imports nothing, since the library of a cloud may not be installed: an instance has its module loaded.
    """
    module, _, name = path.rpartition(".")
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(thing, kind)


def is_missing(error: Exception) -> bool:
    """Return whether a storage has raised this error because it does not have the file."""
    if isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
        return True
    # Azure raises this class for a missing container, too, which is a wrong setting.
    if is_a(error, AZURE_MISSING):
        return getattr(error, "error_code", None) == "BlobNotFound"
    return is_a(error, GOOGLE_MISSING)


def storage_errors(storage: Any, what: str) -> AbstractContextManager[None]:
    """Turn everything that is raised in the block into a StorageError.

    A storage raises whatever its library raises. All of it means here that the storage failed.
    """
    return errors_as(
        lambda error: failure_of(error)(f"{what} ({type(storage).__name__}): {described(error)}")
    )


def failure_of(error: Exception) -> type[StorageError]:
    """Return the class of the failure that an error of a storage means."""
    denied = (
        (isinstance(error, OSError) and error.errno in DENIED_ERRNOS)
        or is_a(error, GOOGLE_CREDENTIALS)
        or any(
            is_a(error, path) and getattr(error, name) in DENIED_STATUSES for path, name in ANSWERS.items()
        )
    )
    return StorageDeniedError if denied else StorageError


def delete_file(storage: Any, name: str) -> None:
    """Delete a file, which may be missing. Raises what the storage raises."""
    try:
        storage.delete(name)
    except Exception:
        # Some storages (Dropbox) raise for a missing file. If the storage itself fails, `exists` raises.
        if storage.exists(name):
            raise


def walk(storage: Any, prefix: str, after: str = "") -> Iterator[StoredObject]:
    """Yield the files whose names begin with a prefix and sort after `after`, in that order.

    Raises StorageError for a listing that contradicts itself, and what the storage raises.
    """
    folder = _location(storage)
    stored_objects = _list(storage, folder + prefix)
    if stored_objects is None:
        parent, slash, _ = prefix.rpartition("/")
        for name in _names(storage, parent + slash, prefix, after):
            yield StoredObject(name)
        return
    for stored in stored_objects:
        name = name_below(folder, prefix, stored.name)
        if name > after:
            yield StoredObject(name, stored.modified)


def check(storage: Any) -> None:
    """Raise what the storage raises if it does not answer."""
    stored_objects = _list(storage, "health")
    if stored_objects is None:
        storage.exists("health")
    else:
        # `exists` would take a missing container for a missing file.
        next(stored_objects, None)


def _list(storage: Any, prefix: str) -> Iterator[StoredObject] | None:
    """List what begins with a prefix, by whole names; None for a storage that has only `listdir`."""
    if is_a(storage, AZURE_BACKEND):
        blobs = storage.client.list_blobs(name_starts_with=prefix, timeout=storage.timeout)
        return (StoredObject(blob.name, blob.last_modified) for blob in blobs)
    if is_a(storage, GOOGLE_BACKEND):
        return (StoredObject(blob.name, blob.updated) for blob in storage.bucket.list_blobs(prefix=prefix))
    return None


def _location(storage: Any) -> str:
    """Return the folder of a storage in its container, "" or with a slash at its end."""
    location = str(getattr(storage, "location", "") or "").strip("/")
    return f"{location}/" if location else ""


def _names(storage: Any, folder: str, prefix: str, after: str) -> Iterator[str]:
    """Yield the names below a folder that begin with a prefix; folder: "" or with a slash at its end."""
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    # With its slash a folder sorts as the names in it do.
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
    """Return the name in the storage of an entry of `listdir(folder)`, without a slash at its end.

    Most storages list bare names. One that contains a slash is whole: of the storage, or of its cloud.
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
