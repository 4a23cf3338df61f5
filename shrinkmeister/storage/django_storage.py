"""Thumbnails in any Django storage other than S3: files, Azure, Google and others."""

import mimetypes
import os
import secrets
from collections.abc import Iterator
from copy import copy
from datetime import datetime
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.images import get_image_dimensions
from django.core.files.storage import FileSystemStorage
from django.utils.timezone import is_naive, make_aware

from shrinkmeister.conf import SettingError
from shrinkmeister.exceptions import StorageError
from shrinkmeister.protocol.spec import CONTENT_TYPES, EXTENSIONS
from shrinkmeister.storage.base import StoredInfo, ThumbnailStorage
from shrinkmeister.storage.compat import check, delete_file, is_missing, storage_errors, walk
from shrinkmeister.storage.listing import StoredObject

# The names that django-storages gives the option by which a storage replaces files: Google's, Azure's.
OVERWRITING = ("file_overwrite", "overwrite_files")

# Storages guess the type of a file by its name. Python before 3.13 does not know WebP and AVIF.
for _format, _extension in EXTENSIONS.items():
    mimetypes.add_type(CONTENT_TYPES[_format], f".{_extension}")


class DjangoThumbnailStorage(ThumbnailStorage):
    """A Django storage. Its interface has no metadata, so sizes are read from the files."""

    # Not known for a storage in general; this is short enough for any.
    url_lifetime = 60

    def __init__(self, storage: Any) -> None:
        # For uploads a site may let a new file get another name if its name is taken. A thumbnail replaces
        # the one of its name, at once and as a whole.
        option = next((name for name in OVERWRITING if hasattr(storage, name)), None)
        self.storage = copy(storage) if option else storage
        self._overwrites = bool(option)
        if option:
            setattr(self.storage, option, True)

    def save(self, name: str, data: bytes, content_type: str, info: StoredInfo) -> None:
        storage = self.storage
        with storage_errors(self.storage, f"could not store {name}"):
            if not isinstance(storage, FileSystemStorage):
                if not self._overwrites:
                    delete_file(storage, name)
                saved = storage.save(name, ContentFile(data))
                if saved != name:  # another server was faster with the same picture
                    storage.delete(saved)
                return
            # Under another name first: Django would rename a file whose name is taken, and writing may stop
            # in the middle.
            part = f"{name.rpartition('/')[0]}/part-{secrets.token_hex(8)}"
            try:
                part = storage.save(part, ContentFile(data))
                os.replace(storage.path(part), storage.path(name))
            except OSError:
                storage.delete(part)  # what a full disk has left of it
                raise

    def find(self, name: str, others: dict[str, str]) -> StoredInfo | None:
        with storage_errors(self.storage, f"could not look for {name}"):
            try:
                with self.storage.open(name) as file:
                    width, height = get_image_dimensions(file)
            except Exception as error:
                if is_missing(error):
                    return None
                raise
            if not width or not height:
                return None
            stored = [r for r, other in others.items() if self.storage.exists(other)]
        return StoredInfo(width, height, tuple(stored), modified=self.modified(StoredObject(name)))

    def url(self, name: str) -> str:
        try:
            with storage_errors(self.storage, "could not make a URL"):
                return str(self.storage.url(name))
        except StorageError as error:
            # What Storage.url, and FileSystemStorage without base_url, raise. Trying again would not help.
            if not isinstance(error.__cause__, NotImplementedError | ValueError):
                raise
        raise SettingError(
            "shrinkmeister.E102",
            f"The storage of thumbnails in STORAGES gives no URLs: it is a {type(self.storage).__name__}.",
            "Give it a base_url, such as 'https://www.example.com/media/', or use a storage that has URLs.",
        )

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        with storage_errors(self.storage, f"could not list {prefix}"):
            yield from walk(self.storage, prefix, after)

    def modified(self, stored: StoredObject) -> datetime | None:
        if stored.modified:
            return stored.modified
        with storage_errors(self.storage, f"could not read the time of {stored.name}"):
            try:
                modified: datetime = self.storage.get_modified_time(stored.name)
            except Exception as error:
                if is_missing(error):
                    return None
                raise
            return make_aware(modified) if is_naive(modified) else modified

    def delete(self, names: list[str]) -> None:
        with storage_errors(self.storage, f"could not delete {len(names)} thumbnails"):
            for name in names:
                delete_file(self.storage, name)

    def check(self) -> None:
        with storage_errors(self.storage, "the storage does not answer"):
            check(self.storage)
