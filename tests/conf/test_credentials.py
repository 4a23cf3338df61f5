"""A password in any place of the settings is in nothing that is printed, logged or raised."""

import copy
import io
import json
import logging
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from string import ascii_letters, digits
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import caches
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils.log import AdminEmailHandler

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.conf.credentials import credentials_of, described, errors_as, is_safe
from shrinkmeister.environment import HOSTS, MAPPING, ORIGINS, SECRET, SECRETS, whole
from shrinkmeister.exceptions import DriverError, ShrinkmeisterError, StorageError
from shrinkmeister.secret import Secret, without_password
from shrinkmeister.storage import get_thumbnail_storage

# What no output may have a part of; as it stands, and as it stands in an address.
PASSWORD = "Xq7-zebrafish/W@k#9:vv?ü"
QUOTED = quote(PASSWORD, safe="")
PARTS = ("Xq7-", "zebrafish", "W@k#9", "W%40k%239", ":vv?", "/W@")
LOCATIONS = [
    f"{scheme}{user}:{password}@{host}"
    for scheme, user in (("redis://", ""), ("reds://", "site"))
    for password in (PASSWORD, QUOTED, PASSWORD.replace("/", ""))
    for host in ("127.0.0.1:1/0", "127.0.0.1:port/0")
] + [
    f"unix://:{QUOTED}@/nowhere",
    f"rediss://:{QUOTED}@[::1",
    f"redis://{PASSWORD}@127.0.0.1:1/0",
    f"redis://:{PASSWORD}127.0.0.1:1/0",
    f"redis://127.0.0.1:{PASSWORD}/0",
    f"redis://127.0.0.1:1/0?password={QUOTED}",
    f"redis://127.0.0.1:1/{PASSWORD}",
    f"127.0.0.1:1,site:{PASSWORD}@127.0.0.1:2",
    f"redis://127.0.0.1:1/0,redis://:{PASSWORD}@127.0.0.1:2/0",
    PASSWORD,
]


def assert_hidden(text: str) -> None:
    assert [part for part in PARTS if part.lower() in text.lower()] == []


def told(error: BaseException) -> Iterator[str]:
    """All that logs and debug pages show of an error: its whole chain, and its arguments."""
    yield "".join(traceback.format_exception(error))
    one: BaseException | None = error
    while one is not None:
        yield f"{one} {one!r} {one.args}"
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def outputs(caplog: pytest.LogCaptureFixture, doctor: bool = True) -> str:
    """Of everything that reads the settings of the cache and the storages and may fail by them."""
    found = [f"{message.msg} {message.hint}" for message in run_checks()]
    for call in (
        get_config,
        lambda: get_shared_cache().connection.check(),
        lambda: get_thumbnail_storage().check(),
        # URLs are for browsers, whatever an address of the settings says.
        lambda: bool(get_thumbnail_storage().url("cache/a.jpg")),
        lambda: get_shared_cache().notes.bookmark("adopt"),
    ):
        try:
            found.append(repr(call()))
        except ShrinkmeisterError as error:
            found += told(error)
    for options in ({}, {"json": True}) if doctor else ():
        printed = io.StringIO()
        try:
            call_command("shrinkmeister", "doctor", stdout=printed, stderr=printed, timeout=0.2, **options)
        except SystemExit:
            assert printed.getvalue()
        except CommandError as error:
            found += told(error)
        found.append(printed.getvalue())
    formatter = logging.Formatter()
    found += [formatter.format(record) for record in caplog.records]
    return "\n".join(found)


@pytest.fixture(autouse=True)
def unreachable(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of hosts are resolved nowhere, which may take seconds; and the error says which."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("127.0.0.1", "::1"):
            raise socket.gaierror(socket.EAI_NONAME, f"{host} is not known")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    settings.THUMBNAIL_SERVER_URL = "http://127.0.0.1:1"
    settings.THUMBNAIL_CACHE_WAIT_SECONDS = 0.05


@pytest.mark.outside
@pytest.mark.parametrize("backend", ["redis", "memcached", "django"])
@pytest.mark.parametrize("place", ["text", "secret", "list", "alias", "options"])
def test_the_address_of_the_cache(
    settings: Any, backend: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    backends = {
        "redis": "django_redis.cache.RedisCache",
        "memcached": "django.core.cache.backends.memcached.PyMemcacheCache",
        "django": "django.core.cache.backends.redis.RedisCache",
    }
    settings.THUMBNAIL_CACHE_BACKEND = backend
    for location in LOCATIONS if place in ("text", "alias") else LOCATIONS[::5]:
        # Django closes all caches when settings change; one with such an address cannot even be closed.
        with suppress(AttributeError):
            del caches["thumbs"]
        settings.THUMBNAIL_CACHE_NAME, settings.THUMBNAIL_CACHE_LOCATION = "unused", None
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
        if place in ("alias", "options"):
            options = {"PASSWORD": PASSWORD, "password": PASSWORD, "username": PASSWORD[:0]}
            alias: dict[str, Any] = {"BACKEND": backends[backend], "LOCATION": location}
            if place == "options":
                alias |= {"LOCATION": "redis://127.0.0.1:port/0", "OPTIONS": options}
            settings.CACHES = {**settings.CACHES, "thumbs": alias}
            settings.THUMBNAIL_CACHE_NAME = "thumbs"
        else:
            forms = {"text": location, "secret": Secret(location), "list": [location, Secret(location)]}
            settings.THUMBNAIL_CACHE_LOCATION = forms[place]
        caplog.clear()
        assert_hidden(outputs(caplog, doctor=location in LOCATIONS[::10]))
    with suppress(AttributeError):
        del caches["thumbs"]


@pytest.mark.outside
@pytest.mark.parametrize(
    "options",
    [
        {"secret_key": PASSWORD, "access_key": "AKIA"},
        {"endpoint_url": f"https://site:{PASSWORD}@127.0.0.1:1"},
        {"endpoint_url": f"https://site:{QUOTED}@127.0.0.1:port"},
        {"endpoint_url": f"http://site:{QUOTED}@127.0.0.1:1", "secret_key": PASSWORD, "access_key": "AKIA"},
        {"endpoint_url": f"127.0.0.1:1 https://{PASSWORD}@", "secret_key": PASSWORD, "access_key": "AKIA"},
        {"security_token": PASSWORD, "signature_version": "none"},
        {"custom_domain": f"site:{PASSWORD}@example.com"},
    ],
    ids=str,
)
def test_the_options_of_a_storage(
    settings: Any, options: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    settings.STORAGES = {
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options | {"region_name": "x"}},
        "staticfiles": settings.STORAGES["staticfiles"],
    }
    settings.THUMBNAIL_BUCKET = "thumbs"
    try:
        shown = outputs(caplog)
    except ValueError as error:
        shown = "\n".join(told(error))
    assert_hidden(shown)


def test_secrets_and_settings_that_have_an_address(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    address = f"https://site:{PASSWORD}@example.com"
    for name, value in (
        ("THUMBNAIL_SECRET_KEY", PASSWORD),
        ("THUMBNAIL_SECRET_KEY", Secret(PASSWORD * 2)),
        ("THUMBNAIL_SECRET_KEY", f"{PASSWORD * 2}\n"),
        ("THUMBNAIL_SECRET_KEY", [PASSWORD]),
        ("THUMBNAIL_SECRET_KEY_FALLBACKS", PASSWORD),
        ("THUMBNAIL_SECRET_KEY_FALLBACKS", [PASSWORD, Secret(PASSWORD * 2)]),
        ("THUMBNAIL_SERVER_URL", address),
        ("THUMBNAIL_SOURCES", [address]),
        ("THUMBNAIL_SOURCES", address),
        ("THUMBNAIL_BUCKET", address),
        ("THUMBNAIL_CACHE_KEY_PREFIX", f"{address} "),
        ("THUMBNAIL_CACHE_LOCATION", {"password": PASSWORD}),
    ):
        former = getattr(settings, name, None)
        setattr(settings, name, value)
        assert_hidden(outputs(caplog))
        setattr(settings, name, former)


def test_variables() -> None:
    address = f"https://site:{PASSWORD}@example.com"
    variables = {"A": address, "B": f'{{"default": {{"LOCATION": "{address}"}}', "C": f'["{address}"]'}
    readers: list[Callable[[], object]] = [
        lambda: ORIGINS.read(variables, "A"),
        lambda: whole().read(variables, "A"),
        lambda: HOSTS.read(variables, "A"),
        lambda: MAPPING.read(variables, "B"),
        lambda: MAPPING.read(variables, "C"),
    ]
    for read in readers:
        with pytest.raises(ImproperlyConfigured) as refused:
            read()
        for text in told(refused.value):
            assert_hidden(text)
    assert_hidden(repr(SECRET.read(variables, "A")) + repr(SECRETS.read(variables, "A")))


def test_a_secret_shows_itself_only_when_it_is_asked() -> None:
    secret = Secret(PASSWORD)
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret:>40}", f"{[secret]} {{{secret!r}}}"):
        assert_hidden(shown)
    assert secret.reveal() == PASSWORD
    assert (bool(secret), bool(Secret(""))) == (True, False)
    assert (secret == Secret(PASSWORD), secret == Secret("x"), secret == PASSWORD) == (True, False, False)
    assert copy.deepcopy([secret]) == [secret]
    writers: list[Callable[[object], object]] = [pickle.dumps, json.dumps]
    for write in writers:
        with pytest.raises(TypeError):
            write(secret)
    assert_hidden(json.dumps(secret, default=str))


def test_the_config_shows_no_secret(settings: Any) -> None:
    settings.THUMBNAIL_CACHE_NAME, settings.THUMBNAIL_CACHE_BACKEND = "unused", "redis"
    settings.THUMBNAIL_CACHE_LOCATION = f"redis://:{PASSWORD}@127.0.0.1:1/0"
    settings.THUMBNAIL_SECRET_KEY = f"{PASSWORD} and some more random text"
    assert_hidden(f"{get_config()} {get_config()!r}")
    assert get_config().cache.location.reveal().endswith("127.0.0.1:1/0")


@pytest.mark.parametrize(
    ("name", "value", "credentials"),
    [
        ("LOCATION", "redis://127.0.0.1:6379/0", []),
        ("LOCATION", "redis://[::1]:6379/0?socket_timeout=1", []),
        ("LOCATION", ["10.0.0.1:11211", "unix:///run/memcached.sock"], []),
        ("LOCATION", "10.0.0.1:11211;10.0.0.2:11211", []),
        ("LOCATION", "/var/tmp/cache", []),
        ("LOCATION", "redis://user:pass@host:6379/0", ["pass"]),
        ("LOCATION", "redis://a@host/0, rediss://:b:c@host/0", ["a", "b:c"]),
        ("LOCATION", "redis://a/b:c@host/0", ["a/b:c"]),
        ("LOCATION", Secret("redis://host/0?password=abc"), ["abc"]),
        ("LOCATION", "redis://:abc host", [":abc host"]),
        ("OPTIONS", {"secret_key": "abc", "bucket_name": "thumbs", "access_key": "def"}, ["abc", "def"]),
        ("OPTIONS", {"KEY_PREFIX": "thumbs:", "endpoint_url": "https://a:b@s3.example.com"}, ["b"]),
        ("AWS_ACCESS_KEY_ID", "AKIA", []),
        ("AZURE_CONNECTION_STRING", "AccountName=abc;AccountKey=d/e==;EndpointSuffix=net", ["d/e=="]),
        ("connection_string", "BlobEndpoint=https://abc/;SharedAccessSignature=sv=1&sig=d", ["d"]),
        ("AZURE_CONNECTION_STRING", "of another form", ["of another form"]),
        ("sas_token", "sv=2022-11-02&spr=https&sig=d%2Fe%3D", ["d%2Fe%3D"]),
        ("AWS_CLOUDFRONT_KEY", b"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n", ["abc"]),
        ("AWS_CLOUDFRONT_KEY_ID", "K2", []),
        ("THUMBNAIL_SECRET_KEY_FALLBACKS", ["abc"], ["abc"]),
    ],
)
def test_what_is_a_credential(name: str, value: Any, credentials: list[str]) -> None:
    assert list(credentials_of(value, name)) == credentials


def test_other_errors_keep_their_text_and_their_cause(settings: Any) -> None:
    settings.THUMBNAIL_CACHE_LOCATION = f"redis://:{PASSWORD}@cache.example.com:6379/0"
    refused = ConnectionError("Error 111 connecting to cache.example.com:6379. Connection refused.")
    assert described(refused) == str(refused)
    with pytest.raises(DriverError) as raised, errors_as(lambda error: DriverError()):
        raise refused
    assert raised.value.__cause__ is refused
    shown = ValueError("Port could not be cast to integer value as 'ZEBRAFISH'")
    assert described(shown) == "ValueError"
    with pytest.raises(StorageError) as hidden, errors_as(lambda error: StorageError()):
        raise shown
    assert (hidden.value.__cause__, hidden.value.__context__) == (None, None)
    refused.__context__ = shown
    assert not is_safe(refused)
    assert without_password("https://a:b@c@example.com/") == "https://***@example.com/"


def test_random_credentials_hide_no_error_by_chance(settings: Any) -> None:
    """As many as 100 sites have, all of the same seed."""
    random = Random(14)
    texts = [
        "[Errno 13] Permission denied: '/var/www/media/cache/4nmm2zhvdkk5zmkn6hgbnh2yae/q2c5.jpg'",
        "Error 111 connecting to cache.example.com:6379. Connection refused.",
        "HTTPSConnectionPool(host='thumbs.blob.core.windows.net', port=443): Max retries exceeded with "
        "url: /cache?restype=container (Caused by NameResolutionError('Failed to resolve the name'))",
        "Could not deserialize key data. The data may be in an incorrect format, or it may be encrypted.",
    ]

    def key(length: int, of: str = f"{ascii_letters}{digits}+/") -> str:
        return "".join(random.choices(of, k=length))

    settings.AWS_SECRET_ACCESS_KEY = [key(40) for _ in range(100)]
    settings.AWS_SESSION_TOKEN = [key(800) for _ in range(100)]
    settings.THUMBNAIL_SECRET_KEY_FALLBACKS = [key(64, f"{ascii_letters}{digits}-_") for _ in range(100)]
    settings.THUMBNAIL_CACHE_LOCATION = [f"redis://:{key(32)}@cache.example.com:6379" for _ in range(100)]
    settings.AZURE_CONNECTION_STRING = [
        f"DefaultEndpointsProtocol=https;AccountName=thumbs;AccountKey={key(86)}==;"
        "EndpointSuffix=core.windows.net"
        for _ in range(100)
    ]
    for text in texts:
        assert described(OSError(text)) == text
    for secrets in (settings.AWS_SECRET_ACCESS_KEY, settings.THUMBNAIL_SECRET_KEY_FALLBACKS):
        assert described(OSError(f"of {secrets[-1][3:12]}")) == "OSError"


@pytest.mark.parametrize(
    ("password", "shown", "hidden"),
    [
        ("connect-the-media", "Error 111 connecting to the cache", False),
        ("connect-the-media", "no port: 'nect-the'", True),
        ("ab/cdef#ghij", "no port: 'ab'", False),
        ("ab/cdef#ghij", "no number of a database: 'cdef'", True),
        ("ab/cdef#ghij", "a fragment: 'ghij'", True),
        ("abcd", "of ABCD", True),
        ("ab", "of ab", True),
    ],
)
def test_parts_of_a_password(settings: Any, password: str, shown: str, hidden: bool) -> None:
    settings.THUMBNAIL_CACHE_LOCATION = f"redis://:{password}@cache.example.com:6379/0"
    assert described(OSError(shown)) == ("OSError" if hidden else shown)


# Newer versions of Django announce other settings of mail, which Django 5.2 does not know.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@pytest.mark.makes_thumbnails
def test_what_is_mailed_to_admins(settings: Any, mailoutbox: list[EmailMessage]) -> None:
    """Django writes all settings into it, also without DEBUG, and cleanses them by their names."""
    settings.ADMINS = [("Admin", "admin@example.com")]
    location = f"redis://:{PASSWORD}@127.0.0.1:1/0"
    settings.THUMBNAIL_SECRET_KEY, settings.THUMBNAIL_CACHE_LOCATION = PASSWORD, Secret(location)
    settings.CACHES = {**settings.CACHES, "thumbs": {"BACKEND": "x", "OPTIONS": {"PASSWORD": PASSWORD}}}
    record = logging.LogRecord("django.request", logging.ERROR, __file__, 1, "An error", (), None)
    AdminEmailHandler().emit(record)
    body = mailoutbox[0].body
    assert_hidden(str(body))
    assert "THUMBNAIL_CACHE_LOCATION = Secret('***')" in body
