"""Stores that speak S3 and take less of it than AWS: a proxy before a real bucket refuses as they do.

The proxy stands in for such a store; what it does not refuse, the real one does.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import pytest
from sorl.thumbnail import delete, get_thumbnail

from shrinkmeister.exceptions import StorageBusyError, StorageDeniedError, StorageError
from shrinkmeister.maintenance.lifecycle import other_rules
from shrinkmeister.protocol.records import SourceRecord
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import StoredInfo, ThumbnailStorage
from shrinkmeister.storage.s3 import S3ThumbnailStorage
from tests.servers.faulty import Exchange, Fault, FaultyProxy, Request, running_faulty, s3_error
from tests.servers.s3 import S3Server
from tests.support.pictures import picture
from tests.support.sides import Server

NAMES = [f"cache/x/{number}.jpg" for number in range(20)]


pytestmark = [pytest.mark.outside, pytest.mark.django_db]


def bulk(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("?delete")


def single(request: Request) -> bool:
    return request.method == "DELETE"


def anything(request: Request) -> bool:
    return True


@dataclass(frozen=True)
class Store:
    """A bucket that a site reaches through a proxy; the test itself looks past that."""

    proxy: FaultyProxy
    client: Any
    bucket: str

    def fill(self) -> None:
        for name in NAMES:
            self.client.put_object(Bucket=self.bucket, Key=name, Body=b"x")

    def names(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return sorted(entry["Key"] for entry in listed)


@pytest.fixture
def store(
    settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    # Attempts are counted here, and not the pauses between them.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *args: 0.001)
    bucket = s3_bucket(public=True)
    with running_faulty(s3_server.endpoint_url) as proxy:
        options = replace(s3_server, endpoint_url=proxy.url).storage_options
        options |= {"bucket_name": bucket, "querystring_auth": False}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        settings.THUMBNAIL_SOURCES = [f"s3://{bucket}"]
        yield Store(proxy, s3_server.client(), bucket)


@pytest.fixture
def thumbnail_storage(store: Store) -> ThumbnailStorage:
    return get_thumbnail_storage()


def wants_md5(exchange: Exchange) -> None:
    """Refuses a deletion of several objects without Content-MD5, and a PUT with a newer checksum."""
    headers = exchange.handler.headers
    newer = [name for name in headers if name.lower().startswith(("x-amz-checksum", "x-amz-sdk-checksum"))]
    if exchange.handler.command == "POST" and "Content-MD5" not in headers:
        s3_error(400, "MissingContentMD5")(exchange)
    elif exchange.handler.command == "PUT" and newer:
        s3_error(501, "NotImplemented")(exchange)
    else:
        answer = exchange.forwarded()
        exchange.send(answer.head + answer.body)


REFUSALS: list[Fault] = [
    wants_md5,
    s3_error(400, "InvalidRequest"),
    s3_error(400, "MalformedXML"),
    s3_error(405, "MethodNotAllowed"),
    s3_error(411, "MissingContentLength"),
    s3_error(501, "NotImplemented"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda fault: fault.__name__)
def test_what_refuses_one_deletion_of_many_gets_many(
    refusal: Fault, store: Store, thumbnail_storage: ThumbnailStorage
) -> None:
    store.fill()
    store.proxy.inject(refusal, bulk)
    thumbnail_storage.delete(NAMES)
    assert store.names() == []
    # It is asked once in each process; botocore asks again where an answer may pass by.
    asked = store.proxy.count(bulk)
    thumbnail_storage.delete(NAMES[:2])
    assert store.proxy.count(bulk) == asked
    assert store.proxy.count(single) == len(NAMES) + 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (s3_error(403, "AccessDenied"), StorageDeniedError),
        (s3_error(404, "NoSuchBucket"), StorageDeniedError),
        (s3_error(503, "SlowDown"), StorageBusyError),
        (s3_error(400, "RequestLimitExceeded"), StorageBusyError),
        (s3_error(500, "InternalError"), StorageError),
        (lambda exchange: exchange.proxy.close_port(), StorageError),
    ],
    ids=["denied", "no bucket", "busy", "limit", "internal", "refused"],
)
def test_other_errors_are_raised(
    fault: Fault, kind: type[StorageError], store: Store, thumbnail_storage: ThumbnailStorage
) -> None:
    store.fill()
    store.proxy.inject(fault, bulk)
    with pytest.raises(StorageError) as raised:
        thumbnail_storage.delete(NAMES)
    assert type(raised.value) is kind
    assert store.proxy.count(single) == 0
    assert store.names() == sorted(NAMES)
    store.proxy.mend()
    thumbnail_storage.delete(NAMES)
    assert store.names() == []


def test_an_object_that_is_kept_keeps_no_other(store: Store, thumbnail_storage: ThumbnailStorage) -> None:
    """As DeleteObjects does it: the others go, and the error names the one."""
    store.fill()

    def refuse(exchange: Exchange) -> None:
        denied = exchange.handler.path.endswith("/7.jpg")
        (s3_error(403, "AccessDenied") if denied else wants_md5)(exchange)

    store.proxy.inject(refuse, anything)
    with pytest.raises(StorageError, match=r"cache/x/7\.jpg: AccessDenied"):
        thumbnail_storage.delete(NAMES)
    assert store.names() == ["cache/x/7.jpg"]
    store.proxy.inject(wants_md5, anything)
    thumbnail_storage.delete(NAMES)
    assert store.names() == []


def test_what_is_not_there_is_deleted(store: Store, thumbnail_storage: ThumbnailStorage) -> None:
    """AWS and Ceph answer 204; Google's XML interface answers 404."""

    def strict(exchange: Exchange) -> None:
        (s3_error(404, "NoSuchKey") if exchange.handler.command == "DELETE" else wants_md5)(exchange)

    store.proxy.inject(strict, anything)
    thumbnail_storage.delete(NAMES)
    store.proxy.inject(s3_error(404, "NoSuchBucket"), single)
    with pytest.raises(StorageDeniedError):
        thumbnail_storage.delete(NAMES)


def test_a_refusal_that_was_another_is_not_remembered(
    store: Store, thumbnail_storage: ThumbnailStorage
) -> None:
    store.fill()
    store.proxy.inject(s3_error(400, "ExpiredToken"), lambda request: bulk(request) or single(request))
    with pytest.raises(StorageError, match="ExpiredToken"):
        thumbnail_storage.delete(NAMES)
    store.proxy.mend()
    store.proxy.requests.clear()
    thumbnail_storage.delete(NAMES)
    assert store.names() == []
    assert (store.proxy.count(bulk), store.proxy.count(single)) == (1, 0)


@pytest.mark.makes_thumbnails
def test_the_whole_way_and_what_stops_it(store: Store, server: Server, settings: Any) -> None:
    """A thumbnail is made, shown and deleted; a deletion that fails is completed by the next one."""
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
    store.proxy.inject(wants_md5, anything)
    name = "dawn.jpg"
    store.client.put_object(Bucket=store.bucket, Key=name, Body=picture((400, 300)))
    for geometry in ("100", "50x50"):
        assert server.get(get_thumbnail(name, geometry).url).status_code == 302
        assert not get_thumbnail(name, geometry).lazy
    thumbnails = [one for one in store.names() if one.startswith("cache/")]
    assert len(thumbnails) == 4

    def fail_late(exchange: Exchange) -> None:
        last = thumbnails[-1] in unquote(exchange.handler.path) and exchange.handler.command == "DELETE"
        (s3_error(500, "InternalError") if last else wants_md5)(exchange)

    store.proxy.inject(fail_late, anything)
    with pytest.raises(StorageError):
        delete(name, delete_file=False)
    assert get_thumbnail(name, "100").lazy
    assert thumbnails[-1] in store.names()

    store.proxy.inject(wants_md5, anything)
    delete(name, delete_file=False)
    assert store.names() == ["dawn.jpg"]
    assert get_thumbnail(name, "100").lazy


def test_what_is_stored_carries_no_newer_checksum(
    store: Store, thumbnail_storage: ThumbnailStorage
) -> None:
    store.proxy.inject(wants_md5, anything)
    thumbnail_storage.save("cache/x/a.jpg", b"x", "image/jpeg", StoredInfo(1, 1))
    assert store.names() == ["cache/x/a.jpg"]
    info = thumbnail_storage.find("cache/x/a.jpg", {})
    assert info is not None
    assert (info.width, info.height) == (1, 1)


def test_metadata_with_capitals(store: Store, thumbnail_storage: ThumbnailStorage) -> None:
    """As a store that is written in Go spells the names of headers."""
    thumbnail_storage.save(
        "cache/x/a.jpg", b"x", "image/jpeg", StoredInfo(4, 3, ("2",), SourceRecord(8, 6))
    )
    expected = thumbnail_storage.find("cache/x/a.jpg", {})
    assert expected is not None
    assert expected.source == SourceRecord(8, 6)

    def capitals(exchange: Exchange) -> None:
        answer = exchange.forwarded()
        head = re.sub(rb"x-amz-meta-[a-z-]+", lambda name: name[0].title(), answer.head)
        assert b"X-Amz-Meta-Source-Size" in head
        exchange.send(head + answer.body)

    store.proxy.inject(capitals, lambda request: request.method == "HEAD")
    assert thumbnail_storage.find("cache/x/a.jpg", {}) == expected


def test_a_store_without_lifecycle_rules(store: Store, thumbnail_storage: ThumbnailStorage) -> None:
    """Swift answers as if it had some, and names none."""

    def empty(exchange: Exchange) -> None:
        exchange.discard()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n<LifecycleConfiguration />")

    store.proxy.inject(empty, lambda request: request.path.endswith("?lifecycle"))
    assert isinstance(thumbnail_storage, S3ThumbnailStorage)
    with pytest.raises(StorageError):
        other_rules(thumbnail_storage)


def test_a_listing_that_leaves_its_prefix_is_an_error(
    store: Store, thumbnail_storage: ThumbnailStorage
) -> None:
    """Of a store that takes no prefix: what it lists may not be deleted, and not be skipped either."""
    store.fill()
    store.client.put_object(Bucket=store.bucket, Key="album/a.jpg", Body=b"x")

    def unbounded(exchange: Exchange) -> None:
        listed = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in store.names()
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
        exchange.discard()
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    store.proxy.inject(unbounded, lambda request: "prefix=" in request.path)
    with pytest.raises(StorageError, match=r"album/a\.jpg"):
        list(thumbnail_storage.walk("cache/x/"))
