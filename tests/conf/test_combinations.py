"""Settings that are valid one by one, but do not work together or with what is installed."""

import logging
import os
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Error, Warning, run_checks
from django.template import Context, Engine
from django.test import modify_settings
from sorl.thumbnail import default

from shrinkmeister.conf import SettingError, get_config
from shrinkmeister.drivers.django_cache import DjangoCacheDriver
from shrinkmeister.eager_urls import complaint, relative_note
from shrinkmeister.storage import buckets
from shrinkmeister_server.checks import check_server
from tests.support.sides import SERVER_SETTINGS

S3 = "storages.backends.s3.S3Storage"
FILES = "django.core.files.storage.FileSystemStorage"
PAGE = "{% load thumbnail %}{% thumbnail f '9' as im %}{{ im.url }}{% empty %}none{% endthumbnail %}"


def messages() -> dict[str, Any]:
    return {str(message.id): message for message in run_checks() if "shrinkmeister." in str(message.id)}


def server_messages(settings: Any, **changed: Any) -> dict[str, Any]:
    for name, value in {**SERVER_SETTINGS, **changed}.items():
        setattr(settings, name, value)
    return {str(message.id): message for message in check_server(None)}


class TestApps:
    def test_sorls_is_missing(self) -> None:
        with modify_settings(INSTALLED_APPS={"remove": ["sorl.thumbnail"]}):
            message = messages()["shrinkmeister.W017"]
        assert isinstance(message, Warning)
        assert "'sorl.thumbnail'" in str(message.hint)

    @pytest.mark.parametrize("debug", [False, True])
    def test_ours_is_missing(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, debug: bool
    ) -> None:
        """A page of many thumbnails has one error, which is in the log or on the page."""
        settings.THUMBNAIL_DEBUG = False
        monkeypatch.setattr(default, "backend", default.Backend())
        engine = Engine(libraries={"thumbnail": "sorl.thumbnail.templatetags.thumbnail"}, debug=debug)
        template = engine.from_string(PAGE * 10)
        with modify_settings(INSTALLED_APPS={"remove": ["shrinkmeister"]}):
            if debug:
                with pytest.raises(SettingError) as raised:
                    template.render(Context({"f": "photos/dawn.jpg"}))
                assert raised.value.id == "shrinkmeister.E021"
            else:
                assert template.render(Context({"f": "photos/dawn.jpg"})) == "none" * 10
        assert len(caplog.records) <= 1
        if not debug:
            # The first page view has replaced sorl's tags, so the rest of this process logs nothing more.
            with modify_settings(INSTALLED_APPS={"remove": ["shrinkmeister"]}):
                template.render(Context({"f": "photos/dawn.jpg"}))
            assert len(caplog.records) <= 1
        assert not [record for record in caplog.records if record.levelno < logging.ERROR]
        monkeypatch.setattr(default, "backend", default.Backend())
        assert template.render(Context({"f": "photos/dawn.jpg"})).startswith("https://thumbs.example.com/")


class TestCaches:
    @pytest.mark.parametrize("kind", ["dummy.DummyCache", "locmem.LocMemCache"])
    def test_one_that_is_not_shared(self, settings: Any, kind: str) -> None:
        cache = {"BACKEND": f"django.core.cache.backends.{kind}", "LOCATION": "alone"}
        settings.CACHES = {"default": settings.CACHES["default"], "shrinkmeister": cache}
        message = messages()["shrinkmeister.W016"]
        assert isinstance(message, Warning)
        assert kind.partition(".")[2] in message.msg
        assert "'shrinkmeister'" in message.msg
        assert "shrinkmeister.W016" in server_messages(settings)

    @pytest.mark.makes_thumbnails
    def test_the_eager_mode_needs_none(self, settings: Any) -> None:
        cache = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
        settings.CACHES = {"default": settings.CACHES["default"], "shrinkmeister": cache}
        settings.THUMBNAIL_EAGER = True
        assert messages() == {}

    def test_another_driver_asks_for_none(self, settings: Any) -> None:
        cache = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
        settings.CACHES = {"default": settings.CACHES["default"], "shrinkmeister": cache}
        settings.THUMBNAIL_CACHE_BACKEND = "memcached"
        settings.THUMBNAIL_CACHE_NAME = None
        assert "shrinkmeister.W016" not in messages()


class TestStorages:
    def test_an_alias_that_storages_lacks(self, settings: Any) -> None:
        settings.THUMBNAIL_SOURCES = ["storage://default", "storage://archive/2020/"]
        (message,) = messages().values()
        assert (message.id, isinstance(message, Error)) == ("shrinkmeister.E113", True)
        assert "'storage://archive'" in message.msg
        assert "shrinkmeister.E113" in server_messages(settings)

    @pytest.mark.parametrize("feature", ["THUMBNAIL_CLEANUP", "THUMBNAIL_EAGER", None])
    def test_a_bucket_without_its_packages(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, feature: str | None
    ) -> None:
        """Pages show thumbnails without them, so only features that open the bucket need them."""
        monkeypatch.setattr(
            buckets, "find_spec", lambda name: None if name == "boto3" else util.find_spec(name)
        )
        settings.THUMBNAIL_BUCKET = "thumbs"
        settings.AWS_QUERYSTRING_AUTH = False
        if feature:
            setattr(settings, feature, True)
        found = messages()
        assert set(found) == ({"shrinkmeister.E013"} if feature else set())
        if feature:
            assert "boto3" in found["shrinkmeister.E013"].msg
            assert '"shrinkmeister[s3]"' in found["shrinkmeister.E013"].hint


class TestFolder:
    @pytest.mark.parametrize("writable", [True, False])
    def test_the_user_may_not_write(
        self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
    ) -> None:
        options = {"location": str(tmp_path / "media"), "base_url": "https://www.example.com/media/"}
        settings.STORAGES = {"default": {"BACKEND": FILES, "OPTIONS": options}}
        # An administrator may write everywhere.
        monkeypatch.setattr(os, "access", lambda path, mode: writable or path != str(tmp_path))
        found = server_messages(settings)
        assert ("shrinkmeister.W103" in found) == (not writable)
        assert writable or repr(str(tmp_path)) in found["shrinkmeister.W103"].msg

    def test_a_bucket_has_no_folder(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        # Without keys, botocore would ask the network for those of a role.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        settings.THUMBNAIL_BUCKET = "thumbnails"
        assert "shrinkmeister.W103" not in server_messages(settings)


@pytest.mark.parametrize("error", [ImportError, ModuleNotFoundError])
def test_a_driver_that_lacks_a_package(
    settings: Any, monkeypatch: pytest.MonkeyPatch, error: type[ImportError]
) -> None:
    def lacking(driver: Any, cache: Any) -> None:
        raise error("no package of that name", name="async_timeout")

    monkeypatch.setattr(DjangoCacheDriver, "__init__", lacking)
    found = messages()["shrinkmeister.E012"]
    assert "async_timeout" in str(found.hint)


class TestLock:
    @pytest.mark.parametrize(
        ("lock", "warned"), [(21, True), (40, True), (41, False)], ids=["one", "both", "longer"]
    )
    def test_it_ends_before_a_thumbnail(self, settings: Any, lock: int, warned: bool) -> None:
        found = server_messages(settings, THUMBNAIL_LOCK_SECONDS=lock)
        assert ("shrinkmeister.W101" in found) == warned
        if warned:
            assert f"THUMBNAIL_LOCK_SECONDS is {lock}" in found["shrinkmeister.W101"].msg

    @pytest.mark.makes_thumbnails
    def test_on_a_site_in_eager_mode(self, settings: Any) -> None:
        settings.THUMBNAIL_LOCK_SECONDS = 5
        assert messages() == {}
        settings.THUMBNAIL_EAGER = True
        assert set(messages()) == {"shrinkmeister.W101"}


class TestAddresses:
    @pytest.mark.parametrize("name", ["THUMBNAIL_URL", "THUMBNAIL_SERVER"])
    def test_a_name_that_lacks_a_word(self, settings: Any, name: str) -> None:
        setattr(settings, name, "https://thumbs.example.com")
        assert messages() == {}
        del settings.THUMBNAIL_SERVER_URL
        found = messages()
        assert set(found) == {"shrinkmeister.E003", "shrinkmeister.W002"}
        assert "THUMBNAIL_SERVER_URL" in found["shrinkmeister.W002"].hint

    @pytest.mark.parametrize("host", ["http://images.intranet", "images.intranet:8080"])
    def test_a_private_host_that_is_no_source(self, settings: Any, host: str) -> None:
        settings.THUMBNAIL_SOURCES = ["storage://default", "http://images.intranet"]
        found = server_messages(settings, THUMBNAIL_PRIVATE_HOSTS=[host, "images.intranet"])
        assert repr(host) in found["shrinkmeister.W102"].msg
        assert "shrinkmeister.W102" not in server_messages(
            settings, THUMBNAIL_PRIVATE_HOSTS=["images.intranet"]
        )

    @pytest.mark.parametrize(
        ("url", "redirect", "warned"),
        [
            ("http://thumbs.example.com", True, True),
            ("http://thumbs.example.com", False, False),
            ("https://thumbs.example.com", True, False),
            ("http://127.0.0.1:8001", True, False),
        ],
    )
    def test_http_on_pages_by_https(self, settings: Any, url: str, redirect: bool, warned: bool) -> None:
        settings.THUMBNAIL_SERVER_URL = url
        settings.SECURE_SSL_REDIRECT = redirect
        assert ("shrinkmeister.W019" in messages()) == warned


@pytest.mark.makes_thumbnails
class TestSignatures:
    @pytest.fixture(autouse=True)
    def _in_a_bucket(self, settings: Any) -> None:
        options = {"bucket_name": "media", "access_key": "a", "secret_key": "b", "region_name": "eu-west-1"}
        settings.STORAGES = {"default": {"BACKEND": S3, "OPTIONS": options}}
        settings.THUMBNAIL_BUCKET = "thumbs"
        settings.THUMBNAIL_EAGER = True

    def test_by_default(self, settings: Any) -> None:
        (message,) = messages().values()
        assert (message.id, isinstance(message, Warning)) == ("shrinkmeister.W018", True)
        assert "AWS_QUERYSTRING_AUTH" in message.msg
        settings.THUMBNAIL_EAGER = False
        assert messages() == {}

    @pytest.mark.parametrize("decided", [True, False])
    def test_as_the_site_has_decided(self, settings: Any, decided: bool) -> None:
        settings.AWS_QUERYSTRING_AUTH = decided
        assert messages() == {}
        del settings.AWS_QUERYSTRING_AUTH
        options = settings.STORAGES["default"]["OPTIONS"]
        settings.STORAGES = {
            "default": {"BACKEND": S3, "OPTIONS": {**options, "querystring_auth": decided}}
        }
        assert messages() == {}

    def test_what_a_block_complains_about(self, settings: Any) -> None:
        """A site without THUMBNAIL_EAGER may open a block, which no check can foresee."""
        settings.THUMBNAIL_EAGER = False
        signed, public = (
            "https://thumbs.example.com/a.jpg?X-Amz-Signature=1",
            "https://thumbs.example.com/a.jpg",
        )
        assert "AWS_QUERYSTRING_AUTH" in str(complaint(signed, get_config()))
        assert complaint(public, get_config()) is None
        settings.AWS_QUERYSTRING_AUTH = True
        assert complaint(signed, get_config()) is None

    def test_a_domain_has_none(self, settings: Any) -> None:
        settings.AWS_S3_CUSTOM_DOMAIN = "cdn.example.com"
        assert messages() == {}


@pytest.mark.parametrize(("base", "noted"), [("/media/", True), ("https://example.com/media/", False)])
def test_urls_without_a_host_are_noted(settings: Any, base: str, noted: bool) -> None:
    settings.STORAGES = {"default": {"BACKEND": FILES, "OPTIONS": {"base_url": base}}}
    note = relative_note()
    assert (note is not None) == noted
    if noted:
        assert "MEDIA_URL" in str(note)
