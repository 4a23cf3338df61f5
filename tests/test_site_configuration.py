"""Every setting that is missing, misspelled or contradictory: a system check, and a clear error."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import Error, Warning, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from shrinkmeister.backend import ShrinkmeisterBackend
from shrinkmeister.conf import DEFAULT_TTL, get_config, get_tokens, per_configuration
from shrinkmeister.shared_cache import get_shared_cache

SECRET = "the secret of a site, which is long enough"


def messages() -> dict[str, Any]:
    return {str(message.id): message for message in run_checks() if "shrinkmeister." in str(message.id)}


def test_a_right_configuration_has_nothing_to_say() -> None:
    assert messages() == {}


BAD: list[tuple[str, str, Any, str]] = [
    ("E001", "THUMBNAIL_SECRET_KEY", "", "THUMBNAIL_SECRET_KEY"),
    ("E001", "THUMBNAIL_SECRET_KEY", "short", "5 characters"),
    ("E001", "THUMBNAIL_SECRET_KEY", 12345, "not text"),
    ("E002", "THUMBNAIL_SECRET_KEY_FALLBACKS", SECRET, "list"),
    ("E001", "THUMBNAIL_SECRET_KEY_FALLBACKS", ["short"], "THUMBNAIL_SECRET_KEY_FALLBACKS has 5"),
    ("E003", "THUMBNAIL_SERVER_URL", "thumbs.example.com", "thumbs.example.com"),
    ("E003", "THUMBNAIL_SERVER_URL", "ftp://thumbs.example.com", "ftp:"),
    ("E003", "THUMBNAIL_SERVER_URL", None, "not set"),
    ("E001", "THUMBNAIL_SECRET_KEY", SECRET + "\n", "whitespace"),
    ("E002", "THUMBNAIL_SECRET_KEY_FALLBACKS", 5, "list"),
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
        "tests.test_site_configuration.SECRET",
        "tests.test_site_configuration.SECRET",
    ),
    ("E012", "THUMBNAIL_CACHE_NAME", "shared", "'shared'"),
    ("E012", "THUMBNAIL_CACHE_BACKEND", "redis", "LocMemCache"),
    ("E012", "THUMBNAIL_CACHE_BACKEND", "memcached", "LocMemCache"),
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
    assert config.ttl == DEFAULT_TTL == 30 * 24 * 3600
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
    get = per_configuration(build)
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
