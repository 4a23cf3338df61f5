"""The storage of thumbnails: written by the server, cleared by the client, the truth for both.

With THUMBNAIL_BUCKET it is that bucket, reached as the storage THUMBNAIL_STORAGE is if that one is S3;
else it is the storage THUMBNAIL_STORAGE itself.
"""

import mimetypes
import os
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.core.files.base import ContentFile
from django.core.files.images import get_image_dimensions
from django.core.files.storage import FileSystemStorage
from django.utils.timezone import is_naive, make_aware

from shrinkmeister.conf import SettingError, get_config, reset_on_setting_change
from shrinkmeister.conf.credentials import caused, described
from shrinkmeister.exceptions import StorageError
from shrinkmeister.protocol.records import RESOLUTION, SourceRecord
from shrinkmeister.protocol.spec import CONTENT_TYPES, EXTENSIONS
from shrinkmeister.storage.buckets import bucket_errors, bucket_storage, is_s3, refuses_form, status_of
from shrinkmeister.storage.kinds import check, delete_file, is_missing, walk
from shrinkmeister.storage.listing import StoredObject, name_below
from shrinkmeister.storage.thumbnail_storage import open_thumbnail_storage
from shrinkmeister.ttl_cache import TTLCache

# Objects never change under their name: another source, geometry or option has another one, and so has
# a new `version`. A day keeps a replaced source of the same name from staying for ever.
CACHE_CONTROL = "public, max-age=86400"
# As metadata say it; what has more digits is larger than any picture.
SIZE = re.compile(r"(?P<width>[1-9][0-9]{0,8})x(?P<height>[1-9][0-9]{0,8})(?P<turned>-turned)?", re.ASCII)
# Of a bucket, that a process keeps.
MOST_URLS = 10_000
# The code of an object that does not exist; AWS never reports it of a deletion, other stores do.
MISSING = "NoSuchKey"
# As many connections as a store certainly takes from one process.
DELETING_THREADS = 8
# What django-storages calls the option by which a storage replaces files: Google's, Azure's.
OVERWRITING = ("file_overwrite", "overwrite_files")

# Storages guess the type of a file by its name. Python before 3.13 knows neither WebP nor AVIF.
for _format, _extension in EXTENSIONS.items():
    mimetypes.add_type(CONTENT_TYPES[_format], f".{_extension}")


@dataclass(frozen=True)
class StoredInfo:
    """What a stored thumbnail says about itself, so that a lost record can be written again.

    modified  when it was written, of one that was found
    """

    width: int
    height: int
    resolutions: tuple[str, ...] = ()
    source: SourceRecord | None = None
    modified: datetime | None = None

    def metadata(self) -> dict[str, str]:
        """As user metadata of an S3 object: ASCII text."""
        fields = {"size": f"{self.width}x{self.height}", "resolutions": ",".join(self.resolutions)}
        if self.source:
            turned = "-turned" if self.source.flipped else ""
            fields["source-size"] = f"{self.source.width}x{self.source.height}{turned}"
        return fields

    @classmethod
    def from_metadata(cls, fields: dict[str, str], modified: datetime) -> Self | None:
        """None where an object has no such metadata: somebody else has put it there."""
        # Stores that are written in Go (rclone) answer with capitals in the names of headers.
        fields = {name.lower(): value for name, value in fields.items()}
        size = SIZE.fullmatch(fields.get("size", ""))
        resolutions = tuple(filter(None, fields.get("resolutions", "").split(",")))
        if not size or size["turned"] or not all(map(RESOLUTION.fullmatch, resolutions)):
            return None
        source = None
        if "source-size" in fields:
            of_source = SIZE.fullmatch(fields["source-size"])
            if not of_source:
                return None
            turned = bool(of_source["turned"])
            source = SourceRecord(int(of_source["width"]), int(of_source["height"]), turned)
        return cls(int(size["width"]), int(size["height"]), resolutions, source, modified)


class ThumbnailStorage(ABC):
    """Names are object names of `keys.object_name`. All methods raise StorageError."""

    #: The Django storage behind it.
    storage: Any
    #: Seconds for which a URL works if it is one that ends; see `lasting`.
    url_lifetime: int

    @abstractmethod
    def save(self, name: str, data: bytes, content_type: str, info: StoredInfo) -> None:
        """Stores a thumbnail whole or not at all, over an older one too."""

    @abstractmethod
    def find(self, name: str, others: dict[str, str]) -> StoredInfo | None:
        """What is stored under a name, or None.

        others: resolution -> object name, for storages that have to look for each
        """

    @abstractmethod
    def url(self, name: str) -> str:
        """Return a URL that works for a browser now; signed where the bucket is private.

        Raises SettingError for a storage that has no URLs.
        """

    @abstractmethod
    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """The objects whose names begin with a prefix, in the order of their names, behind `after`."""

    @abstractmethod
    def modified(self, stored: StoredObject) -> datetime | None:
        """When an object of `walk` was written last; None if it is gone meanwhile."""

    @abstractmethod
    def delete(self, names: list[str]) -> None:
        """Removes the objects; those that are not there are no error."""

    @abstractmethod
    def check(self) -> None:
        """Raises StorageError where the storage does not answer."""


class S3ThumbnailStorage(ThumbnailStorage):
    """A bucket, through django-storages' S3Storage and its boto3 client."""

    def __init__(self, storage: Any) -> None:
        self.storage = self._storage = storage
        self.bucket = str(storage.bucket_name)
        self._folder = f"{location}/" if (location := storage.location.strip("/")) else ""
        self.url_lifetime = storage.querystring_expire
        # A URL takes 0.1 to 0.2 ms to make. A signed one has half its life left when it is given away last;
        # and it ends with the credentials of a role, of which botocore has 10 minutes left at least.
        self._urls = TTLCache[str](min(self.url_lifetime / 2, 300), MOST_URLS)
        # Whether this bucket's store has refused DeleteObjects.
        self._one_by_one = False

    def save(self, name: str, data: bytes, content_type: str, info: StoredInfo) -> None:
        acl = {"ACL": self._storage.default_acl} if self._storage.default_acl else {}
        with self._translated(f"could not store {name}"):
            self._client.put_object(
                Bucket=self._storage.bucket_name,
                Key=self._folder + name,
                Body=data,
                ContentType=content_type,
                Metadata=info.metadata(),
                **{"CacheControl": CACHE_CONTROL, **acl, **self._storage.object_parameters},
            )

    def find(self, name: str, others: dict[str, str]) -> StoredInfo | None:
        with self._translated(f"could not look for {name}"):
            client = self._client
            try:
                answer = client.head_object(Bucket=self._storage.bucket_name, Key=self._folder + name)
            except client.exceptions.ClientError as error:
                # A HEAD has no body that could tell a missing bucket from a missing object.
                if status_of(error) == 404:
                    return None
                raise
        return StoredInfo.from_metadata(answer["Metadata"], answer["LastModified"])

    def url(self, name: str) -> str:
        url = self._urls.get(name)
        if url is None:
            with self._translated("could not make a URL"):
                url = str(self._storage.url(name))
            self._urls.set(name, url)
        return url

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        with self._translated(f"could not list {prefix}"):
            # Version 1 of the operation, as django-storages calls it: some stores have no other, and answer
            # version 2 with its first page alone.
            pages = self._client.get_paginator("list_objects").paginate(
                Bucket=self._storage.bucket_name,
                Prefix=self._folder + prefix,
                Marker=self._folder + after if after else "",
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    name = name_below(self._folder, prefix, entry["Key"])
                    yield StoredObject(name, entry["LastModified"])

    def modified(self, stored: StoredObject) -> datetime | None:
        return stored.modified

    def delete(self, names: list[str]) -> None:
        kept: list[tuple[str, str]] = []
        for start in range(0, len(names), 1000):  # as many as one DeleteObjects takes
            keys = [self._folder + name for name in names[start : start + 1000]]
            with self._translated(f"could not delete {len(keys)} thumbnails"):
                kept += self._deleted_one_by_one(keys) if self._one_by_one else self._deleted(keys)
        if kept:
            key, code = kept[0]
            raise StorageError(f"S3 kept {len(kept)} thumbnails; {key}: {code}")

    def _deleted(self, keys: list[str]) -> list[tuple[str, str]]:
        """Delete objects with one request; return those that S3 keeps, with its reasons."""
        client = self._client
        objects = [{"Key": key} for key in keys]
        try:
            answer = client.delete_objects(
                Bucket=self._storage.bucket_name, Delete={"Objects": objects, "Quiet": True}
            )
        except client.exceptions.ClientError as error:
            if not refuses_form(error):
                raise
            kept = self._deleted_one_by_one(keys)
            # Only now, since the store may have refused something else than the form of the request.
            self._one_by_one = True
            return kept
        errors = [(one.get("Key", ""), one.get("Code", "")) for one in answer.get("Errors", ())]
        return [(key, code) for key, code in errors if code != MISSING]

    def _deleted_one_by_one(self, keys: list[str]) -> list[tuple[str, str]]:
        """As `_deleted`, with a request for each object."""
        with ThreadPoolExecutor(DELETING_THREADS) as pool:
            reasons = list(pool.map(self._reason_for_keeping, keys))
        return [(key, reason) for key, reason in zip(keys, reasons, strict=True) if reason]

    def _reason_for_keeping(self, key: str) -> str:
        """Delete an object; return "" or, as DeleteObjects does, the code of a refusal."""
        client = self._client
        try:
            client.delete_object(Bucket=self._storage.bucket_name, Key=key)
        except client.exceptions.ClientError as error:
            code = str(error.response["Error"].get("Code", ""))
            if code == MISSING:
                return ""
            if code == "AccessDenied":
                return code
            raise
        return ""

    def full_name(self, name: str) -> str:
        """As the bucket has it."""
        return self._folder + name

    def lifecycle(self) -> list[dict[str, Any]]:
        """The rules by which the bucket deletes objects, as S3 tells them."""
        client = self._client
        with self._translated("could not read the lifecycle rules"):
            try:
                answer = client.get_bucket_lifecycle_configuration(Bucket=self._storage.bucket_name)
            except client.exceptions.ClientError as error:
                if error.response["Error"].get("Code") == "NoSuchLifecycleConfiguration":
                    return []
                raise
        if "Rules" not in answer:  # OpenStack's Swift answers so
            raise StorageError(f"the store of the bucket {self.bucket!r} does not know lifecycle rules")
        return list(answer["Rules"])

    def set_lifecycle(self, rules: list[dict[str, Any]]) -> None:
        """In the place of all former rules."""
        with self._translated("could not write the lifecycle rules"):
            if rules:
                self._client.put_bucket_lifecycle_configuration(
                    Bucket=self._storage.bucket_name, LifecycleConfiguration={"Rules": rules}
                )
            else:
                self._client.delete_bucket_lifecycle(Bucket=self._storage.bucket_name)

    def check(self) -> None:
        with self._translated("the bucket does not answer"):
            self._client.head_bucket(Bucket=self._storage.bucket_name)

    @property
    def _client(self) -> Any:
        return self._storage.connection.meta.client

    def _translated(self, what: str) -> AbstractContextManager[None]:
        return bucket_errors(f"{what} (bucket {self._storage.bucket_name!r})")


class DjangoThumbnailStorage(ThumbnailStorage):
    """Any other Django storage. That interface has no metadata, so that sizes are read from the files."""

    # Unknown here; short enough for any.
    url_lifetime = 60

    def __init__(self, storage: Any) -> None:
        # A site's own choice is for its uploads, which get another name where theirs is taken. A thumbnail
        # replaces the one of its name, at once and as a whole.
        option = next((name for name in OVERWRITING if hasattr(storage, name)), None)
        self.storage = self._storage = copy(storage) if option else storage
        self._overwrites = bool(option)
        if option:
            setattr(self._storage, option, True)

    def save(self, name: str, data: bytes, content_type: str, info: StoredInfo) -> None:
        # Under a name of its own first: a storage renames what exists, and may stop in the middle.
        part = f"{name.rpartition('/')[0]}/part-{secrets.token_hex(8)}"
        with self._translated(f"could not store {name}"):
            if not isinstance(self._storage, FileSystemStorage):
                if not self._overwrites:
                    delete_file(self._storage, name)
                saved = self._storage.save(name, ContentFile(data))
                if saved != name:  # another server was faster with the same picture
                    self._storage.delete(saved)
                return
            try:
                part = self._storage.save(part, ContentFile(data))
                os.replace(self._storage.path(part), self._storage.path(name))
            except OSError:
                self._storage.delete(part)  # what a full disk has left of it
                raise

    def find(self, name: str, others: dict[str, str]) -> StoredInfo | None:
        with self._translated(f"could not look for {name}"):
            try:
                with self._storage.open(name) as file:
                    width, height = get_image_dimensions(file)
            except Exception as error:
                if is_missing(error):
                    return None
                raise
            if not width or not height:
                return None
            stored = [r for r, other in others.items() if self._storage.exists(other)]
        return StoredInfo(width, height, tuple(stored), modified=self.modified(StoredObject(name)))

    def url(self, name: str) -> str:
        try:
            with self._translated("could not make a URL"):
                return str(self._storage.url(name))
        except StorageError as error:
            # As Storage.url and FileSystemStorage without base_url: trying again is of no use.
            if not isinstance(error.__cause__, NotImplementedError | ValueError):
                raise
        raise SettingError(
            "shrinkmeister.E102",
            f"The storage of thumbnails in STORAGES gives no URLs: it is a {type(self._storage).__name__}.",
            "Give it a base_url, such as 'https://www.example.com/media/', or use a storage that has URLs.",
        )

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        with self._translated(f"could not list {prefix}"):
            yield from walk(self._storage, prefix, after)

    def modified(self, stored: StoredObject) -> datetime | None:
        if stored.modified:
            return stored.modified
        with self._translated(f"could not look at {stored.name}"):
            try:
                modified: datetime = self._storage.get_modified_time(stored.name)
            except Exception as error:
                if is_missing(error):
                    return None
                raise
            return make_aware(modified) if is_naive(modified) else modified

    def delete(self, names: list[str]) -> None:
        with self._translated(f"could not delete {len(names)} thumbnails"):
            for name in names:
                delete_file(self._storage, name)

    def check(self) -> None:
        with self._translated("the storage does not answer"):
            check(self._storage)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        # A storage raises whatever its library raises; here all of it means that the storage failed.
        except Exception as error:
            text = f"{what} ({type(self._storage).__name__}): {described(error)}"
            failed = caused(StorageError(text), error)
        else:
            return
        raise failed


def lasting(url: str) -> bool:
    """Whether a URL works for everybody and for good, so that a record may hold it.

    What every storage signs, it signs with a query: S3, CloudFront, Google, Azure.
    """
    return "?" not in url


@reset_on_setting_change
def get_thumbnail_storage() -> ThumbnailStorage:
    """The storage of thumbnails of this process. Raises SettingError."""
    config = get_config()
    if config.bucket:
        return S3ThumbnailStorage(bucket_storage(config.bucket, config))
    return get_former_storage()


@reset_on_setting_change
def get_former_storage() -> ThumbnailStorage:
    """The storage THUMBNAIL_STORAGE itself, where sorl's own backend keeps its thumbnails."""
    config = get_config()
    storage = open_thumbnail_storage(config)
    if is_s3(storage):
        return S3ThumbnailStorage(bucket_storage(storage.bucket_name, config, storage.location))
    return DjangoThumbnailStorage(storage)
