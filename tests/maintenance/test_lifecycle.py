"""THUMBNAIL_EXPIRE_DAYS: the bucket deletes what is old, and pages never show it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from shrinkmeister.backend import make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cache.coordination import Coordination
from shrinkmeister.conf import DAY, get_config
from shrinkmeister.exceptions import DriverError
from shrinkmeister.protocol.keys import record_key
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.support.pages import lazy
from tests.support.pictures import picture
from tests.support.sides import Server

PHOTO = "photos/dawn.jpg"


@dataclass(frozen=True)
class Bucket:
    """One for sources and thumbnails."""

    name: str
    client: Any

    def names(self) -> set[str]:
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", ())
        return {entry["Key"] for entry in listed}

    def rules(self) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = self.client.get_bucket_lifecycle_configuration(Bucket=self.name)[
            "Rules"
        ]
        return rules


@pytest.fixture
def bucket(s3_server: S3Server, s3_bucket: Callable[..., str], settings: Any, server: Server) -> Bucket:
    name = s3_bucket(public=True)
    options = {**s3_server.storage_options, "bucket_name": name, "querystring_auth": False}
    settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
    settings.THUMBNAIL_BUCKET = name
    settings.THUMBNAIL_SOURCES = [f"s3://{name}"]
    settings.THUMBNAIL_EXPIRE_DAYS = 2
    storages["default"].save(PHOTO, ContentFile(picture((400, 300))))
    return Bucket(name, s3_server.client())


def lifecycle(*arguments: str) -> str:
    output = StringIO()
    call_command("shrinkmeister", "lifecycle", *arguments, stdout=output)
    return output.getvalue()


def test_the_rule_is_printed_and_not_installed(bucket: Bucket) -> None:
    printed = json.loads(lifecycle())
    bucket.client.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration=printed)
    assert [(rule["Filter"], rule["Expiration"]) for rule in bucket.rules()] == [
        ({"Prefix": "cache/"}, {"Days": 2})
    ]


def test_it_is_installed_beside_others_and_taken_away(bucket: Bucket, settings: Any) -> None:
    other = {
        "ID": "of the site",
        "Status": "Enabled",
        "Filter": {"Prefix": "tmp/"},
        "Expiration": {"Days": 365},
    }
    bucket.client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name, LifecycleConfiguration={"Rules": [other]}
    )
    for days in (900, 300):  # far more than the minutes that they last in this server
        settings.THUMBNAIL_EXPIRE_DAYS = days
        lifecycle("--install")
        rules = {rule["ID"]: rule["Expiration"]["Days"] for rule in bucket.rules()}
        assert rules == {"of the site": 365, "shrinkmeister": days}
    lifecycle("--remove")
    assert [rule["ID"] for rule in bucket.rules()] == ["of the site"]


def test_the_bucket_deletes_thumbnails_and_they_come_back(bucket: Bucket, server: Server) -> None:
    """A day lasts five seconds in this server, and a record's day does not: so it is the bucket's word."""
    url = lazy(PHOTO).url
    assert server.get(url).status_code == 302
    assert len(bucket.names()) == 2
    recorded = int(time.time())
    wait_until(lambda: int(time.time()) > recorded, "the next second", 2)
    lifecycle("--install")
    # What was recorded before knows of no end: the server looks.
    assert lazy(PHOTO).lazy
    wait_until(lambda: bucket.names() == {PHOTO}, "the bucket to delete what is old", 60)
    assert server.get(url).status_code == 302
    assert len(bucket.names()) == 2


def test_a_record_ends_a_day_before_its_object(
    bucket: Bucket, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int] = []
    set_many = type(get_shared_cache().connection.driver).set_many

    def noted(driver: Any, values: dict[str, bytes], timeout: int) -> None:
        if f"shrinkmeister:{record_key(make_spec(PHOTO, '300x200', {}, get_config()))}" in values:
            ends.append(timeout)
        set_many(driver, values, timeout)

    monkeypatch.setattr(type(get_shared_cache().connection.driver), "set_many", noted)
    assert server.get(lazy(PHOTO).url).status_code == 302
    assert ends == [DAY]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"THUMBNAIL_EXPIRE_DAYS": None}, "E024"),
    ({"THUMBNAIL_EXPIRE_DAYS": 1}, "THUMBNAIL_EXPIRE_DAYS is 1"),
    ({"THUMBNAIL_EXPIRE_DAYS": timedelta(days=3)}, "THUMBNAIL_EXPIRE_DAYS is datetime"),
    ({"THUMBNAIL_PREFIX": ""}, "E026"),
    ({"THUMBNAIL_PREFIX": "photo"}, "E026"),
    ({"THUMBNAIL_PREFIX": "photos/"}, "photos/dawn.jpg.*E026"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_no_rule_for_what_must_not_go(
    bucket: Bucket, settings: Any, wrong: dict[str, Any], said: str
) -> None:
    for name, value in wrong.items():
        setattr(settings, name, value)
    for arguments in ((), ("--install",)):
        with pytest.raises(CommandError, match=said):
            lifecycle(*arguments)
    with pytest.raises(bucket.client.exceptions.ClientError):
        bucket.rules()


def test_no_rule_without_a_bucket(media: Any, settings: Any) -> None:
    settings.THUMBNAIL_EXPIRE_DAYS = 90
    with pytest.raises(CommandError, match="E026"):
        lifecycle("--install")


def test_no_rule_while_records_cannot_be_doubted(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise DriverError("Redis: refused")

    monkeypatch.setattr(Coordination, "distrust", fail)
    with pytest.raises(CommandError, match="Redis: refused"):
        lifecycle("--install")
    with pytest.raises(bucket.client.exceptions.ClientError):
        bucket.rules()
