"""Thumbnails in a bucket of S3: written, listed, deleted, signed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from shrinkmeister.exceptions import StorageError
from shrinkmeister.storage.base import StoredInfo, ThumbnailStorage
from shrinkmeister.storage.listing import StoredObject, name_below
from shrinkmeister.storage.s3_client import bucket_errors, error_code, refuses_form, status_of
from shrinkmeister.ttl_cache import TTLCache

# An object never changes under its name: another source, geometry, option or `version` has another name.
# A day bounds how long a browser shows the old picture when a source is replaced under the same name.
CACHE_CONTROL = "public, max-age=86400"
# URLs of one bucket that a process keeps.
MOST_URLS = 10_000
# The most keys that one DeleteObjects request accepts.
MOST_DELETED_AT_ONCE = 1000
# Every store accepts this many connections from one process.
DELETING_THREADS = 8
# Code of a missing object. AWS never reports it for a deletion; other stores do.
MISSING = "NoSuchKey"


class S3ThumbnailStorage(ThumbnailStorage):
    """A bucket, through django-storages' S3Storage and its boto3 client."""

    def __init__(self, storage: Any) -> None:
        self.storage = storage
        self.bucket = str(storage.bucket_name)
        self._folder = f"{location}/" if (location := storage.location.strip("/")) else ""
        self.url_lifetime = storage.querystring_expire
        # Making a URL takes 0.1 to 0.2 ms. A kept one has at least half of its life left when a page gets
        # it. It also ends with the credentials of a role, which botocore renews 10 minutes before they end.
        self._urls = TTLCache[str](min(self.url_lifetime / 2, 300), MOST_URLS)
        # Becomes True when the store has refused DeleteObjects.
        self._deletes_singly = False

    @property
    def client(self) -> Any:
        return self.storage.connection.meta.client

    def full_name(self, name: str) -> str:
        return self._folder + name

    def save(self, name: str, data: bytes, content_type: str, info: StoredInfo) -> None:
        acl = {"ACL": self.storage.default_acl} if self.storage.default_acl else {}
        with self.errors(f"could not store {name}"):
            self.client.put_object(
                Bucket=self.bucket,
                Key=self.full_name(name),
                Body=data,
                ContentType=content_type,
                Metadata=info.metadata(),
                **{"CacheControl": CACHE_CONTROL, **acl, **self.storage.object_parameters},
            )

    def find(self, name: str, others: dict[str, str]) -> StoredInfo | None:
        with self.errors(f"could not look for {name}"):
            client = self.client
            try:
                answer = client.head_object(Bucket=self.bucket, Key=self.full_name(name))
            except client.exceptions.ClientError as error:
                # The answer to a HEAD has no body, so a missing bucket looks like a missing object.
                if status_of(error) == 404:
                    return None
                raise
        return StoredInfo.from_metadata(answer["Metadata"], answer["LastModified"])

    def url(self, name: str) -> str:
        url = self._urls.get(name)
        if url is None:
            with self.errors("could not make a URL"):
                url = str(self.storage.url(name))
            self._urls.set(name, url)
        return url

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        with self.errors(f"could not list {prefix}"):
            # Version 1 of the operation, which django-storages uses too. Some stores do not have version 2
            # and answer it with the first page only.
            pages = self.client.get_paginator("list_objects").paginate(
                Bucket=self.bucket,
                Prefix=self.full_name(prefix),
                Marker=self.full_name(after) if after else "",
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    name = name_below(self._folder, prefix, entry["Key"])
                    yield StoredObject(name, entry["LastModified"])

    def delete(self, names: list[str]) -> None:
        refused: dict[str, str] = {}
        for start in range(0, len(names), MOST_DELETED_AT_ONCE):
            keys = [self.full_name(name) for name in names[start : start + MOST_DELETED_AT_ONCE]]
            with self.errors(f"could not delete {len(keys)} thumbnails"):
                refused |= self._delete_singly(keys) if self._deletes_singly else self._delete_at_once(keys)
        if kept := [(key, code) for key, code in refused.items() if code != MISSING]:
            key, code = kept[0]
            raise StorageError(f"S3 kept {len(kept)} thumbnails; {key}: {code}")

    def _delete_at_once(self, keys: list[str]) -> dict[str, str]:
        """Delete objects with one request; return those that S3 does not delete, with its codes."""
        client = self.client
        objects = [{"Key": key} for key in keys]
        try:
            answer = client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        except client.exceptions.ClientError as error:
            if not refuses_form(error):
                raise
            refused = self._delete_singly(keys)
            # Set only now: if the store refused for another reason, the single requests have raised.
            self._deletes_singly = True
            return refused
        return {one.get("Key", ""): one.get("Code", "") for one in answer.get("Errors", ())}

    def _delete_singly(self, keys: list[str]) -> dict[str, str]:
        client = self.client

        def refusal(key: str) -> str:
            try:
                client.delete_object(Bucket=self.bucket, Key=key)
            except client.exceptions.ClientError as error:
                code = error_code(error)
                if code not in (MISSING, "AccessDenied"):
                    raise
                return code
            return MISSING

        with ThreadPoolExecutor(DELETING_THREADS) as pool:
            return dict(zip(keys, pool.map(refusal, keys), strict=True))

    def check(self) -> None:
        with self.errors("the bucket does not answer"):
            self.client.head_bucket(Bucket=self.bucket)

    def errors(self, what: str) -> AbstractContextManager[None]:
        return bucket_errors(f"{what} (bucket {self.bucket!r})")
