"""Every setting that is missing, misspelled or contradictory: a system check, and a clear error."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Error, Warning, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from sorl.thumbnail.conf import defaults as sorl_defaults

import shrinkmeister
import shrinkmeister_server
from shrinkmeister.backend import ShrinkmeisterBackend
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import READ_SETTINGS, get_config, get_tokens, reset_on_setting_change
from shrinkmeister.conf.table import OUR_SETTINGS
from shrinkmeister.exceptions import SourceNotAllowedError
from shrinkmeister.setting_checks import known_to_sorl
from shrinkmeister.sources import source_of
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.buckets import open_thumbnail_storage
from shrinkmeister_server.conf import VARIABLES
from tests.site.models import Photo
from tests.support.pages import render
from tests.support.sorls_names import SHARED, SORLS_SETTINGS

SECRET = "the secret of a site, which is long enough"


def messages() -> dict[str, Any]:
    return {str(message.id): message for message in run_checks() if "shrinkmeister." in str(message.id)}


def test_a_right_configuration_has_nothing_to_say() -> None:
    assert messages() == {}


@pytest.mark.makes_thumbnails
def test_the_eager_mode_needs_no_server(settings: Any) -> None:
    settings.THUMBNAIL_EAGER = True
    settings.THUMBNAIL_SERVER_URL = None
    assert messages() == {}


BAD: list[tuple[str, str, Any, str]] = [
    ("E001", "THUMBNAIL_SECRET_KEY", "", "THUMBNAIL_SECRET_KEY"),
    ("E001", "THUMBNAIL_SECRET_KEY", "short", "5 characters"),
    ("E001", "THUMBNAIL_SECRET_KEY", 12345, "not text"),
    ("E002", "THUMBNAIL_SECRET_KEY_FALLBACKS", SECRET, "type str"),
    ("E001", "THUMBNAIL_SECRET_KEY_FALLBACKS", ["short"], "THUMBNAIL_SECRET_KEY_FALLBACKS has 5"),
    ("E003", "THUMBNAIL_SERVER_URL", "thumbs.example.com", "thumbs.example.com"),
    ("E003", "THUMBNAIL_SERVER_URL", "ftp://thumbs.example.com", "ftp:"),
    ("E003", "THUMBNAIL_SERVER_URL", None, "not set"),
    ("E001", "THUMBNAIL_SECRET_KEY", SECRET + "\n", "whitespace"),
    ("E002", "THUMBNAIL_SECRET_KEY_FALLBACKS", 5, "type int"),
    ("E003", "THUMBNAIL_SERVER_URL", 'https://a.example.com/"><b>', "<b>"),
    ("E003", "THUMBNAIL_SERVER_URL", "https://a.example.com/#x", "#x"),
    ("E003", "THUMBNAIL_SERVER_URL", "https://a.example.com:port", ":port"),
    ("E003", "THUMBNAIL_SERVER_URL", "http://[::1", "[::1"),
    ("E014", "THUMBNAIL_PREFIX", "/cache/", "/cache/"),
    ("E014", "THUMBNAIL_PREFIX", "a//b/", "a//b/"),
    ("E014", "THUMBNAIL_PREFIX", "../x/", "../x/"),
    ("E014", "THUMBNAIL_PREFIX", "a/./b/", "a/./b/"),
    ("E014", "THUMBNAIL_PREFIX", "a\\b/", "THUMBNAIL_PREFIX"),
    ("E014", "THUMBNAIL_PREFIX", None, "None"),
    ("E007", "THUMBNAIL_SOURCES", "s3://photos", "s3://photos"),
    ("E007", "THUMBNAIL_SOURCES", 5, "5"),
    ("E009", "THUMBNAIL_CACHE_LOCATION", 5, "type int"),
    ("E009", "THUMBNAIL_CACHE_NAME", ["a"], "type list"),
    ("E010", "THUMBNAIL_ALTERNATIVE_RESOLUTIONS", 2, "2"),
    ("E011", "THUMBNAIL_FORMAT", ["PNG"], "['PNG']"),
    ("E004", "THUMBNAIL_TTL", "7 days", "7 days"),
    ("E004", "THUMBNAIL_TTL", 0, "0"),
    ("E004", "THUMBNAIL_TTL", True, "True"),
    ("E004", "THUMBNAIL_URL_TTL", -5, "-5"),
    ("E005", "THUMBNAIL_BUCKET", "s3://thumbs", "s3://thumbs"),
    ("E005", "THUMBNAIL_BUCKET", "thumbs/cache", "thumbs/cache"),
    ("E006", "THUMBNAIL_STORAGE", "thumbs", "'thumbs'"),
    ("E007", "THUMBNAIL_SOURCES", ["photos"], "'photos'"),
    ("E007", "THUMBNAIL_SOURCES", ["s3:///photos"], "s3:///photos"),
    ("E008", "THUMBNAIL_CACHE_KEY_PREFIX", "with space", "with space"),
    ("E008", "THUMBNAIL_CACHE_KEY_PREFIX", "x" * 201, "xxx"),
    ("E009", "THUMBNAIL_CACHE_LOCATION", "redis://127.0.0.1/0", "THUMBNAIL_CACHE_NAME"),
    ("E010", "THUMBNAIL_ALTERNATIVE_RESOLUTIONS", ["2x"], "'2x'"),
    ("E010", "THUMBNAIL_ALTERNATIVE_RESOLUTIONS", [0], "0"),
    ("E011", "THUMBNAIL_FORMAT", "TIFF", "'TIFF'"),
    ("E012", "THUMBNAIL_CACHE_BACKEND", "rediss", "'rediss'"),
    (
        "E012",
        "THUMBNAIL_CACHE_BACKEND",
        "tests.conf.test_site_configuration.SECRET",
        "tests.conf.test_site_configuration.SECRET",
    ),
    ("E012", "THUMBNAIL_CACHE_NAME", "shared", "'shared'"),
    ("E012", "THUMBNAIL_CACHE_BACKEND", "redis", "SharedMemoryCache"),
    ("E012", "THUMBNAIL_CACHE_BACKEND", "memcached", "SharedMemoryCache"),
    ("E022", "THUMBNAIL_PADDING_COLOR", b"white", "padding_color=b'white'"),
    ("E016", "THUMBNAIL_ADOPTED_BACKEND", 5, "5"),
    ("E016", "THUMBNAIL_ADOPTED_BACKEND", "no path", "no path"),
    ("E016", "THUMBNAIL_ADOPTED_BACKEND", "no.such.Backend", "no.such.Backend"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", 5, "5"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", "uploads/", "'uploads/'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", [""], "''"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", ["/"], "'/'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", [b"uploads/"], "b'uploads/'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", ["uploads/", "/media/"], "'/media/'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", ["uploads/../"], "'uploads/../'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", ["uploads/%2e%2e/"], "'uploads/%2e%2e/'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", ["uploads//a"], "'uploads//a'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", ["Bilder/Zürich/"], "'Bilder/Zürich/'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", ["storage://default"], "'storage://default'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", ["s3://photos/uploads/"], "'s3://photos/uploads/'"),
    ("E031", "THUMBNAIL_TEXT_SOURCES", ["https://unlisted.example.com/"], "unlisted.example.com"),
    ("E017", "THUMBNAIL_EAGER", "yes", "yes"),
    ("E017", "THUMBNAIL_CLEANUP", 1, "1"),
]


@pytest.mark.parametrize(("id", "name", "value", "named"), BAD)
def test_a_bad_setting_is_checked_and_refused(
    settings: Any, media: Any, id: str, name: str, value: Any, named: str
) -> None:
    setattr(settings, name, value)
    message = messages()[f"shrinkmeister.{id}"]
    assert isinstance(message, Error)
    assert name in message.msg
    assert named in message.msg
    assert message.hint
    with pytest.raises(SystemCheckError):
        call_command("check")
    with pytest.raises(ImproperlyConfigured) as refused:
        ShrinkmeisterBackend().get_thumbnail("photos/dawn.jpg", "10x10")
    assert name in str(refused.value)
    assert named in str(refused.value)


@pytest.mark.parametrize("name", ["THUMBNAIL_SECRET_KEY", "THUMBNAIL_SECRET_KEY_FALLBACKS"])
def test_a_bad_secret_is_not_told(settings: Any, name: str) -> None:
    setattr(settings, name, "hunter2" if name.endswith("KEY") else ["hunter2"])
    assert "hunter2" not in str(messages())
    with pytest.raises(ImproperlyConfigured) as refused:
        get_tokens()
    assert "hunter2" not in str(refused.value)


def test_an_address_that_is_no_text_is_not_told(settings: Any) -> None:
    settings.THUMBNAIL_CACHE_LOCATION = {"host": "redis", "password": "hunter2"}
    assert "type dict" in messages()["shrinkmeister.E009"].msg
    assert "hunter2" not in str(messages())


def test_the_default_name_counts_too(settings: Any) -> None:
    """CACHES has the alias "shrinkmeister" here."""
    settings.THUMBNAIL_CACHE_NAME = None
    settings.THUMBNAIL_CACHE_LOCATION = "redis://127.0.0.1/0"
    assert "THUMBNAIL_CACHE_LOCATION" in messages()["shrinkmeister.E009"].msg


def test_the_config_does_not_print_its_secrets() -> None:
    assert get_config().secrets[0].reveal() not in repr(get_config())


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("THUMBNAIL_SECERT_KEY", "THUMBNAIL_SECRET_KEY"),
        ("THUMBNAIL_SERVER_URI", "THUMBNAIL_SERVER_URL"),
        ("THUMBNAIL_ALTERNATE_RESOLUTIONS", "THUMBNAIL_ALTERNATIVE_RESOLUTIONS"),
    ],
)
def test_a_misspelled_setting(settings: Any, name: str, meant: str) -> None:
    setattr(settings, name, "x")
    message = messages()["shrinkmeister.W002"]
    assert isinstance(message, Warning)
    assert name in message.msg
    assert meant in str(message.hint)


def test_a_setting_of_the_sites_own_is_none_of_our_business(settings: Any) -> None:
    settings.THUMBNAIL_GALLERY_COLUMNS = 4
    assert messages() == {}


def test_an_app_without_its_backend(settings: Any) -> None:
    """As on a site that has swapped back, and has taken our settings away: a warning, and no error."""
    del settings.THUMBNAIL_BACKEND
    settings.THUMBNAIL_SECRET_KEY = settings.THUMBNAIL_SERVER_URL = None
    ((id, message),) = messages().items()
    assert id == "shrinkmeister.W001"
    assert "sorl.thumbnail.base.ThumbnailBackend" in message.msg


def test_a_backend_that_is_misspelled(settings: Any) -> None:
    settings.THUMBNAIL_BACKEND = "shrinkmeister.backends.ShrinkmeisterBackend"
    assert "shrinkmeister.backends" in messages()["shrinkmeister.E020"].msg


def test_all_problems_are_told_at_once(settings: Any) -> None:
    settings.THUMBNAIL_SECRET_KEY = ""
    settings.THUMBNAIL_TTL = 0
    settings.THUMBNAIL_BUCKET = "s3://thumbs"
    assert {"shrinkmeister.E001", "shrinkmeister.E004", "shrinkmeister.E005"} <= messages().keys()


def test_defaults(settings: Any) -> None:
    config = get_config()
    assert config.ttl == 30 * 24 * 3600
    assert config.cache.key_prefix == "shrinkmeister:"
    del settings.THUMBNAIL_CACHE_BACKEND
    settings.THUMBNAIL_TTL = None  # sends setting_changed, which `del` here does not
    assert get_config().cache.backend == "redis"


@pytest.mark.parametrize("prefix", ["", "cache/", "a/b/", "thumbs", "a b/", "ü#/", ".hidden/"])
def test_prefixes(settings: Any, prefix: str) -> None:
    settings.THUMBNAIL_PREFIX = prefix
    assert get_config().prefix == prefix


def test_resolutions_are_spelled_as_sorl_spells_them(settings: Any) -> None:
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2.0, 1.5]
    assert get_config().resolutions == ("2.0", "1.5")


def test_the_first_requests_build_each_thing_once() -> None:
    """They come all at once, and would import and connect all at once."""
    built = []

    def build() -> object:
        built.append(1)
        start.wait(5)
        return object()

    start = threading.Event()
    get = reset_on_setting_change(build)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(get) for _ in range(8)]
        start.set()
        assert len({id(future.result()) for future in futures}) == 1
    assert len(built) == 1


def test_a_ttl_may_be_a_timedelta(settings: Any) -> None:
    settings.THUMBNAIL_TTL = timedelta(days=1)
    assert get_config().ttl == 86400


def test_values_follow_override_settings(settings: Any) -> None:
    cache, tokens = get_shared_cache(), get_tokens()
    assert get_shared_cache() is cache
    settings.THUMBNAIL_SECRET_KEY = SECRET
    settings.THUMBNAIL_QUALITY = 50
    assert get_shared_cache() is not cache
    assert get_tokens() is not tokens
    assert get_config().options["quality"] == 50


@pytest.mark.parametrize("name", SORLS_SETTINGS)
def test_a_setting_of_sorls_is_taken_as_it_is(settings: Any, media: Any, name: str) -> None:
    """Sites keep what they have: no message, and thumbnails."""
    setattr(settings, name, SORLS_SETTINGS[name])
    settings.THUMBNAIL_DUMMY_SOURCE = "https://dummy.example.com/%(width)sx%(height)s"
    assert messages() == {}
    page = "{% load thumbnail %}{% thumbnail f '300x200' as im %}{{ im.url }}{% endthumbnail %}"
    assert render(page, f=Photo(image="photos/dawn.jpg").image).startswith("https://")


def test_no_setting_of_ours_has_another_meaning_to_sorl() -> None:
    ours = OUR_SETTINGS.union(row.name for row in VARIABLES)
    assert ours & SORLS_SETTINGS.keys() == SHARED


def test_all_settings_of_sorls_are_in_the_table() -> None:
    """Of the installed one; a new release may take a name that is ours."""
    installed = {name for name in dir(sorl_defaults) if name.startswith("THUMBNAIL_")}
    assert installed <= SORLS_SETTINGS.keys() <= known_to_sorl()


FILES = "django.core.files.storage.FileSystemStorage"


class OwnStorage(FileSystemStorage):
    """Of a site, and without an alias."""


class TestStorageByItsClass:
    """THUMBNAIL_STORAGE is an alias since sorl 13, and was the dotted path of a class before."""

    def test_a_class_with_an_alias_is_that_alias(self, settings: Any) -> None:
        settings.STORAGES = {
            "default": {"BACKEND": FILES, "OPTIONS": {"location": "/srv"}},
            "broken": {"BACKEND": "no.such.Storage"},
            # Another path of the same class.
            "plain": {"BACKEND": "django.core.files.storage.filesystem.FileSystemStorage"},
        }
        settings.THUMBNAIL_STORAGE = FILES
        assert messages() == {}
        assert get_config().storage == "plain"
        assert str(source_of("a.jpg", get_config())) == "storage://plain/a.jpg"

    def test_one_without_an_alias_is_made_as_sorl_makes_it(self, settings: Any, tmp_path: Path) -> None:
        settings.MEDIA_ROOT = tmp_path
        settings.MEDIA_URL = "https://media.example.com/"
        settings.STORAGES = {"default": {"BACKEND": FILES, "OPTIONS": {"location": "/srv"}}}
        settings.THUMBNAIL_STORAGE = f"{__name__}.OwnStorage"
        assert messages() == {}
        storage = open_thumbnail_storage()
        assert type(storage) is OwnStorage
        assert storage is open_thumbnail_storage()
        assert storage.location == str(tmp_path)
        assert get_thumbnail_storage().url("cache/a.jpg") == "https://media.example.com/cache/a.jpg"
        # The server could not find its files.
        with pytest.raises(SourceNotAllowedError):
            source_of("a.jpg", get_config())

    @pytest.mark.parametrize("bucket", [None, "my-thumbnails"])
    def test_a_bucket(self, settings: Any, bucket: str | None) -> None:
        settings.AWS_STORAGE_BUCKET_NAME = "photos"
        settings.AWS_S3_CUSTOM_DOMAIN = "media.example.com"
        settings.THUMBNAIL_BUCKET = bucket
        settings.THUMBNAIL_STORAGE = "storages.backends.s3.S3Storage"
        assert messages() == {}
        assert str(source_of("a.jpg", get_config())) == "s3://photos/a.jpg"
        storage: Any = get_thumbnail_storage()
        assert storage.full_name("cache/a.jpg") == "cache/a.jpg"

    @pytest.mark.parametrize("name", ["no.such.Storage", "os.path", "a b.c", 5, None])
    def test_what_is_none(self, settings: Any, name: Any) -> None:
        settings.THUMBNAIL_STORAGE = name
        assert repr(name) in messages()["shrinkmeister.E006"].msg


@pytest.mark.parametrize("name", ["LANGUAGE_CODE", "TIME_ZONE", "DEBUG", "ROOT_URLCONF", "OF_THE_SITE"])
def test_other_settings_build_nothing_anew(settings: Any, name: str) -> None:
    makers = (get_config, get_tokens, get_shared_cache)
    kept = [make() for make in makers]
    for _ in range(3):
        setattr(settings, name, getattr(settings, name, None))
        assert all(make() is value for make, value in zip(makers, kept, strict=True))


# What is read once, or with each use, and decides about no value that a process keeps.
NOT_KEPT = {
    "DATABASES",
    "DEBUG",
    "FILES_WITH_SECRETS",
    "INSTALLED_APPS",
    "PORT",
    "PROMETHEUS_MULTIPROC_DIR",
    "SECURE_SSL_REDIRECT",
    "UNREAD_VARIABLES",
    "USE_THOUSAND_SEPARATOR",
}


def test_each_setting_that_is_read_builds_values_anew() -> None:
    """Looked up in our code."""
    read = set()
    for package in (shrinkmeister, shrinkmeister_server):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            code = path.read_text(encoding="utf-8")
            read |= {*re.findall(r"settings(?:\.|, \")([A-Z][A-Z_0-9]+)\b", code)}
    assert {"CACHES", "STORAGES", "MEDIA_URL", "PORT"} <= read
    assert {name for name in read if not READ_SETTINGS.fullmatch(name)} == NOT_KEPT
    assert all(map(READ_SETTINGS.fullmatch, OUR_SETTINGS))
