"""Do the servers of the tests do what real ones do?"""

import datetime
from collections.abc import Callable
from typing import Any

import botocore.auth
import pytest
import redis
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from pymemcache.client.base import Client as MemcachedClient

from tests.servers.s3 import S3Server

pytestmark = pytest.mark.outside

Bucket = Callable[..., str]
HOUR = 3600


@pytest.mark.parametrize("turn", ["first", "second"])
def test_redis_keeps_a_value_until_the_next_test(redis_location: str, turn: str) -> None:
    with redis.Redis.from_url(redis_location) as client:
        assert client.get("key") is None
        assert client.set("key", turn, nx=True) is True
        assert client.set("key", "late", nx=True) is None
        assert client.get("key") == turn.encode()


@pytest.mark.parametrize("turn", ["first", "second"])
def test_memcached_keeps_a_value_until_the_next_test(memcached_location: str, turn: str) -> None:
    client = MemcachedClient(memcached_location)
    assert client.get("key") is None
    assert client.add("key", turn, noreply=False) is True
    assert client.add("key", "late", noreply=False) is False
    assert client.get("key") == turn.encode()
    client.close()


def test_s3_stores_and_lists(s3_server: S3Server, s3_bucket: Bucket) -> None:
    client, bucket = s3_server.client(), s3_bucket()
    client.put_object(Bucket=bucket, Key="a/1.jpg", Body=b"picture")
    client.put_object(Bucket=bucket, Key="b/2.jpg", Body=b"other")
    assert client.get_object(Bucket=bucket, Key="a/1.jpg")["Body"].read() == b"picture"
    listed = client.list_objects_v2(Bucket=bucket, Prefix="a/")["Contents"]
    assert [found["Key"] for found in listed] == ["a/1.jpg"]


def test_s3_keeps_what_is_said_about_an_object(s3_server: S3Server, s3_bucket: Bucket) -> None:
    client, bucket = s3_server.client(), s3_bucket(public=True)
    said = {"Metadata": {"made-from": "a/1.jpg"}, "CacheControl": "max-age=60"}
    client.put_object(Bucket=bucket, Key="key", Body=b"x", ContentType="image/jpeg", **said)
    head = client.head_object(Bucket=bucket, Key="key")
    assert head["Metadata"] == {"made-from": "a/1.jpg"}
    seen = requests.get(f"{s3_server.endpoint_url}/{bucket}/key", timeout=10).headers
    assert seen["x-amz-meta-made-from"] == "a/1.jpg"
    assert seen["Cache-Control"] == "max-age=60"
    assert seen["Content-Type"] == "image/jpeg"


def test_s3_refuses_a_wrong_secret(s3_server: S3Server, s3_bucket: Bucket) -> None:
    bucket = s3_bucket()
    stranger = s3_server.client(aws_secret_access_key="wrong")
    with pytest.raises(ClientError) as refused:
        stranger.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(("public", "status"), [(True, 200), (False, 403)])
def test_s3_shows_anybody_public_buckets_only(
    s3_server: S3Server, s3_bucket: Bucket, public: bool, status: int
) -> None:
    bucket = s3_bucket(public=public)
    s3_server.client().put_object(Bucket=bucket, Key="key", Body=b"x")
    address = f"{s3_server.endpoint_url}/{bucket}/key"
    assert requests.get(address, timeout=10).status_code == status
    assert requests.put(address, data=b"y", timeout=10).status_code == 403


def test_s3_refuses_a_changed_signature(s3_server: S3Server, s3_bucket: Bucket) -> None:
    bucket = s3_bucket()
    s3_server.client().put_object(Bucket=bucket, Key="key", Body=b"x")
    address = _presigned(s3_server, bucket)
    changed = address[:-1] + ("0" if address[-1] != "0" else "1")
    assert requests.get(address, timeout=10).status_code == 200
    assert requests.get(changed, timeout=10).status_code == 403


def test_s3_refuses_an_expired_signature(
    s3_server: S3Server, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    hour_ago = now - datetime.timedelta(seconds=HOUR)

    def clock(*_: Any, **__: Any) -> datetime.datetime:
        return hour_ago

    bucket = s3_bucket()
    s3_server.client().put_object(Bucket=bucket, Key="key", Body=b"x")
    with monkeypatch.context() as past:
        past.setattr(botocore.auth, "get_current_datetime", clock)
        still_good = _presigned(s3_server, bucket, ExpiresIn=2 * HOUR)
        expired = _presigned(s3_server, bucket, ExpiresIn=HOUR - 60)
    assert requests.get(still_good, timeout=10).status_code == 200
    assert requests.get(expired, timeout=10).status_code == 403


def _presigned(server: S3Server, bucket: str, **options: int) -> str:
    """The signed address of an object, whose last character is of the signature."""
    client = server.client(config=Config(signature_version="s3v4"))
    what = {"Bucket": bucket, "Key": "key"}
    address: str = client.generate_presigned_url("get_object", Params=what, **options)
    assert address.rpartition("&")[2].startswith("X-Amz-Signature=")
    return address
