"""`manage.py shrinkmeister doctor`: real sites, servers, caches and buckets, each with one thing wrong.

The site is this process; the server is gunicorn, which knows its environment variables alone.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from email.message import Message
from io import StringIO
from pathlib import Path
from secrets import token_urlsafe
from socket import create_server
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from shrinkmeister.backend import make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cache.notes import Notes
from shrinkmeister.conf import get_config, lazy_url
from shrinkmeister.doctor.bucket import (
    BUCKET_HINT,
    ELSEWHERE,
    FOLDER_HINT,
    IN_FOLDER,
    NETWORK_HINT,
    ON_S3,
    PUBLIC_FOLDER_HINT,
    PUBLIC_HINT,
    SIGNED_HINT,
    hints_for,
    signed_url,
)
from shrinkmeister.doctor.comparison import CONSEQUENCES, FULL_HINT, compare_clocks
from shrinkmeister.doctor.examination import examine
from shrinkmeister.doctor.findings import CHECKS, OK, UNKNOWN, WRONG, Finding
from shrinkmeister.doctor.http import UNREACHABLE_HINT, Response
from shrinkmeister.doctor.messages import (
    ANSWER_INFO,
    EXAMINE,
    PROBE,
    PROTOCOLS,
    REMOVE,
    Answer,
    MessageCipher,
    Question,
    get_message_cipher,
    probe_name,
)
from shrinkmeister.doctor.reach import REFUSAL_HINTS, STRANGER_HINT
from shrinkmeister.doctor.sources import LOST_HINT
from shrinkmeister.error_policy import hint_of
from shrinkmeister.exceptions import TokenExpiredError
from shrinkmeister.protocol.encryption import Cipher
from shrinkmeister.protocol.keys import is_object_name
from shrinkmeister.storage import get_thumbnail_storage
from tests.servers.canned import answering
from tests.servers.demo import MANAGE
from tests.servers.faulty import running_faulty, s3_error
from tests.servers.process import HOST
from tests.servers.redis import running_redis
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import ThumbnailServer, running_thumbnail_server
from tests.support.pictures import picture

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails]

# Without commas, between which a variable has its fallbacks.
SECRET = "the secret of site and server which is long enough"
OTHER = "the secret of nobody here which is long enough too"
PHOTO = "photos/dawn.jpg"
# A reserved port. Another process could take a port that is free now.
NOBODY = f"{HOST}:1"
SHIFTED_CLOCK = """\
import os, time
real = time.time
time.time = lambda: real() + float(os.environ["CLOCK_SHIFT"])
"""

# Check -> (status, message and hint), of the first finding of each.
Report = dict[str, tuple[str, str]]


def report(source: str | None = None, timeout: float = 30) -> Report:
    found: Report = {}
    for finding in examine(source, timeout):
        found.setdefault(finding.id, (finding.status, f"{finding.message} -> {finding.hint}"))
    assert list(found) == [id for id in CHECKS if source or id != "source"]
    return found


def faults(found: Report) -> dict[str, str]:
    return {id: text for id, (status, text) in found.items() if status == WRONG}


def undone(found: Report) -> set[str]:
    return {id for id, (status, _) in found.items() if status == UNKNOWN}


def names_both(text: str, setting: str, site: str, server: str) -> bool:
    """Return whether a text has a setting, the site's value and the server's, in this order."""
    return bool(re.search(".*".join(map(re.escape, (setting, site, server))), text))


def the_fault(found: Report, id: str) -> str:
    """The text of the one thing that is wrong."""
    assert set(faults(found)) == {id}, found
    return faults(found)[id]


class Deployment:
    """A site with one photo, and the variables that give its server the same settings."""

    def __init__(self, stack: ExitStack, directory: Path, settings: Any, variables: dict[str, str]) -> None:
        self._stack = stack
        self._directory = directory
        self._settings = settings
        self.variables = variables

    def start(self, **changed: str) -> ThumbnailServer:
        started = running_thumbnail_server(self._directory, {**self.variables, **changed}, workers=1)
        server = self._stack.enter_context(started)
        self._settings.THUMBNAIL_SERVER_URL = server.url
        return server


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def on_files(stack: ExitStack, tmp_path: Path, settings: Any) -> Deployment:
    """One folder with all files, one with the shared cache, and a web server that shows the first."""
    media = tmp_path / "media"

    def file(path: str) -> tuple[int, dict[str, str], bytes]:
        found = media / path[1:]
        if not found.is_file():
            return 404, {}, b""
        kind = {"png": "image/png", "jpg": "image/jpeg"}[path.rpartition(".")[2]]
        return 200, {"Content-Type": kind}, found.read_bytes()

    settings.STORAGES = {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(media), "base_url": stack.enter_context(answering(file)) + "/"},
        }
    }
    settings.THUMBNAIL_SECRET_KEY = SECRET
    settings.CACHES = {
        "default": settings.CACHES["default"],
        "thumbs": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(tmp_path / "cache"),
        },
    }
    settings.THUMBNAIL_CACHE_NAME = "thumbs"
    storages["default"].save(PHOTO, ContentFile(picture((800, 600))))
    variables = {
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_BACKEND": "django",
        "THUMBNAIL_CACHE_NAME": "thumbs",
        "CACHES": json.dumps({"thumbs": settings.CACHES["thumbs"]}),
        "STORAGES": json.dumps(settings.STORAGES),
    }
    return Deployment(stack, tmp_path, settings, variables)


@pytest.fixture
def on_s3(
    stack: ExitStack,
    tmp_path: Path,
    settings: Any,
    redis_location: str,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
) -> Deployment:
    """A private bucket of photos, a public one of thumbnails, and Redis."""
    media, thumbs = s3_bucket(), s3_bucket(public=True)
    options = {**s3_server.storage_options, "bucket_name": media, "querystring_auth": False}
    settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
    settings.THUMBNAIL_SECRET_KEY = SECRET
    settings.THUMBNAIL_BUCKET = thumbs
    settings.CACHES = {"default": settings.CACHES["default"]}
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = None
    settings.THUMBNAIL_CACHE_LOCATION = redis_location
    variables = {
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        "THUMBNAIL_CACHE_WAIT_SECONDS": "5",
        "THUMBNAIL_BUCKET": thumbs,
        "THUMBNAIL_SOURCES": f"s3://{media}",
        "AWS_S3_URL_PROTOCOL": "http:",
        **s3_server.variables,
    }
    return Deployment(stack, tmp_path, settings, variables)


@pytest.fixture
def on_memcached(on_files: Deployment, settings: Any, memcached_location: str) -> Deployment:
    """All files in a folder, but for the cache."""
    settings.CACHES = {"default": settings.CACHES["default"]}
    settings.THUMBNAIL_CACHE_BACKEND = "memcached"
    settings.THUMBNAIL_CACHE_NAME = None
    settings.THUMBNAIL_CACHE_LOCATION = memcached_location
    on_files.variables |= {
        "THUMBNAIL_CACHE_BACKEND": "memcached",
        "THUMBNAIL_CACHE_NAME": "",
        "THUMBNAIL_CACHE_LOCATION": memcached_location,
        "THUMBNAIL_CACHE_WAIT_SECONDS": "5",
    }
    return on_files


def stored() -> list[str]:
    return [one.name for one in get_thumbnail_storage().walk(get_config().prefix)]


class TestAllWell:
    def test_on_s3_and_redis(self, on_s3: Deployment) -> None:
        storages["default"].save(PHOTO, ContentFile(picture((800, 600))))
        server = on_s3.start()
        found = report(PHOTO)
        assert {status for status, _ in found.values()} == {OK}, found
        assert "300x225 pixels" in found["source"][1]
        assert on_s3.variables["THUMBNAIL_BUCKET"] in found["bucket"][1]
        # The probe is gone, and the one thumbnail is there.
        (name,) = stored()
        assert name.endswith(".jpg")
        log = server.log.read_text()
        assert log.count(" 200 examined ") == 2
        assert " ERROR " not in log
        # One for each place of image fields: the doctor has asked for a file that is not there.
        warnings = [line for line in log.splitlines() if line.startswith("WARNING ")]
        assert len(warnings) == 3
        assert all(" 404 SourceMissingError " in line for line in warnings)
        assert "/doctor" not in log

    def test_on_memcached(self, on_memcached: Deployment) -> None:
        on_memcached.start()
        found = report(PHOTO)
        assert {status for status, _ in found.values()} == {OK}, found

    def test_on_files(self, on_files: Deployment) -> None:
        on_files.start()
        found = report(PHOTO)
        assert {status for status, _ in found.values()} == {OK}, found
        assert "shrinkmeister_server.engines.automatic.Engine (Pillow " in found["versions"][1]
        assert [name.rpartition(".")[2] for name in stored()] == ["jpg"]

    def test_a_private_bucket_with_signed_urls(
        self, on_s3: Deployment, settings: Any, s3_bucket: Callable[..., str]
    ) -> None:
        settings.THUMBNAIL_BUCKET = s3_bucket()
        settings.STORAGES["default"]["OPTIONS"]["querystring_auth"] = True
        on_s3.start(THUMBNAIL_BUCKET=settings.THUMBNAIL_BUCKET, AWS_QUERYSTRING_AUTH="true")
        found = report()
        assert {status for status, _ in found.values()} == {OK}, found
        assert "X-Amz" not in str(found)

    def test_a_site_without_rights_on_the_bucket(self, on_s3: Deployment, settings: Any) -> None:
        settings.STORAGES["default"]["OPTIONS"]["secret_key"] = "wrong"
        on_s3.start()
        found = report()
        assert not faults(found), found
        assert "delete(), prune" in found["bucket"][1]

    def test_what_the_site_does_instead_is_said(self, on_files: Deployment, settings: Any) -> None:
        settings.THUMBNAIL_DUMMY = settings.THUMBNAIL_EAGER = True
        on_files.start()
        found = report()
        assert not faults(found), found
        assert "THUMBNAIL_DUMMY" in found["site"][1]
        assert "THUMBNAIL_EAGER" in found["site"][1]
        assert "THUMBNAIL_TTL" in found["settings"][1]


class TestSecret:
    def test_another(self, on_files: Deployment, settings: Any) -> None:
        on_files.start(THUMBNAIL_SECRET_KEY=OTHER)
        found = report()
        assert "THUMBNAIL_SECRET_KEY" in the_fault(found, "secret")
        assert found["health"][0] == OK
        assert undone(found) == set(CHECKS) - {"site", "reach", "health", "secret", "source"}
        assert "secret" in found["cache"][1]
        settings.THUMBNAIL_SECRET_KEY_FALLBACKS = ["the secret of before, which is long enough too"]
        assert the_fault(report(), "secret") == the_fault(found, "secret")

    def test_a_rotation_is_no_fault(self, on_files: Deployment) -> None:
        on_files.start(THUMBNAIL_SECRET_KEY=OTHER, THUMBNAIL_SECRET_KEY_FALLBACKS=SECRET)
        found = report()
        assert not faults(found), found
        assert "THUMBNAIL_SECRET_KEY" in found["secret"][1]

    def test_only_a_fallback_of_the_site(self, on_files: Deployment, settings: Any) -> None:
        settings.THUMBNAIL_SECRET_KEY = OTHER
        settings.THUMBNAIL_SECRET_KEY_FALLBACKS = [SECRET]
        on_files.start()
        found = report()
        assert "THUMBNAIL_SECRET_KEY_FALLBACKS of the server" in the_fault(found, "secret")
        # And everything else is examined, but for what takes a lazy URL.
        assert undone(found) == {"sources"}


class TestCache:
    def test_another_database(self, on_s3: Deployment) -> None:
        on_s3.start(THUMBNAIL_CACHE_LOCATION=on_s3.variables["THUMBNAIL_CACHE_LOCATION"][:-1] + "1")
        assert "THUMBNAIL_CACHE_LOCATION" in the_fault(report(), "cache")

    def test_another_prefix(self, on_s3: Deployment) -> None:
        on_s3.start(THUMBNAIL_CACHE_KEY_PREFIX="other:")
        text = the_fault(report(), "cache")
        assert names_both(text, "THUMBNAIL_CACHE_KEY_PREFIX", "'shrinkmeister:'", "'other:'")

    def test_another_driver(self, on_s3: Deployment, memcached_location: str) -> None:
        on_s3.start(THUMBNAIL_CACHE_BACKEND="memcached", THUMBNAIL_CACHE_LOCATION=memcached_location)
        text = the_fault(report(), "cache")
        assert names_both(text, "THUMBNAIL_CACHE_BACKEND", "'redis'", "'memcached'")

    def test_of_one_process_alone(self, on_files: Deployment, settings: Any) -> None:
        alone = {"thumbs": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
        settings.CACHES = {"default": settings.CACHES["default"], **alone}
        on_files.start(CACHES=json.dumps(alone))
        found = report()
        assert set(faults(found)) == {"site", "cache"}
        assert "shrinkmeister.W016" in found["site"][1]
        assert "FileBasedCache" in found["cache"][1]

    def test_dead_for_the_server(self, on_s3: Deployment) -> None:
        on_s3.start(THUMBNAIL_CACHE_LOCATION=f"redis://{NOBODY}/0")
        found = report()
        assert set(faults(found)) == {"health", "cache"}
        assert "cache" in found["health"][1]
        assert "CACHES of the server" in found["cache"][1]
        assert found["bucket"][0] == OK

    def test_dead_for_the_site(self, on_s3: Deployment, settings: Any) -> None:
        settings.THUMBNAIL_CACHE_LOCATION = f"redis://{NOBODY}/0"
        on_s3.start()
        assert "CACHES of the site" in the_fault(report(), "cache")

    def test_full(self, on_s3: Deployment, stack: ExitStack, tmp_path: Path, settings: Any) -> None:
        redis = stack.enter_context(running_redis(tmp_path, "--maxmemory", "1"))
        settings.THUMBNAIL_CACHE_LOCATION = redis.url
        on_s3.start(THUMBNAIL_CACHE_LOCATION=redis.url)
        found = report()
        assert set(faults(found)) == {"health", "cache"}
        assert found["cache"][1].endswith(FULL_HINT)

    @pytest.mark.parametrize("lost", ["site", "server"])
    def test_in_one_direction_only(
        self, on_s3: Deployment, monkeypatch: pytest.MonkeyPatch, lost: str
    ) -> None:
        """As where one of two servers of a replica is written to."""
        on_s3.start()
        notes = get_shared_cache().notes
        note, leave_note = notes.note, notes.leave_note
        if lost == "site":
            monkeypatch.setattr(
                Notes, "leave_note", lambda self, name, text: leave_note(f"lost:{name}", text)
            )
        else:
            monkeypatch.setattr(Notes, "note", lambda self, name: note(f"lost:{name}"))
        reader = "server" if lost == "site" else "site"
        assert the_fault(report(), "cache").startswith(f"the {reader} ")


class TestBucket:
    def test_missing(self, on_s3: Deployment, settings: Any) -> None:
        settings.THUMBNAIL_BUCKET = "no-such-bucket-of-anybody"
        on_s3.start(THUMBNAIL_BUCKET=settings.THUMBNAIL_BUCKET)
        found = report()
        assert set(faults(found)) == {"health", "bucket"}
        assert "NoSuchBucket" in found["bucket"][1]
        assert found["bucket"][1].endswith(BUCKET_HINT)
        assert found["public_url"][0] == UNKNOWN
        assert "bucket" in found["public_url"][1]

    def test_the_network_comes_first(self, on_s3: Deployment) -> None:
        on_s3.start(AWS_S3_ENDPOINT_URL=f"http://{NOBODY}")
        found = report()
        assert set(faults(found)) == {"health", "bucket"}
        assert found["bucket"][1].endswith(f"EndpointConnectionError -> {NETWORK_HINT}")

    def test_without_rights(self, on_s3: Deployment) -> None:
        on_s3.start(AWS_SECRET_ACCESS_KEY="wrong")
        found = report()
        assert set(faults(found)) == {"health", "bucket"}
        assert "the server cannot look for the probe: " in found["bucket"][1]

    @pytest.mark.parametrize(("method", "step"), [("PUT", "store"), ("POST", "delete")])
    def test_without_one_right(
        self, on_s3: Deployment, stack: ExitStack, s3_server: S3Server, method: str, step: str
    ) -> None:
        proxy = stack.enter_context(running_faulty(s3_server.endpoint_url))
        proxy.inject(s3_error(403, "AccessDenied"), lambda request: request.method == method)
        on_s3.start(AWS_S3_ENDPOINT_URL=proxy.url)
        assert f"the server cannot {step} the probe: " in the_fault(report(), "bucket")
        assert len(stored()) == (method == "POST")

    def test_the_probe_that_stays_goes_with_old_thumbnails(
        self, on_s3: Deployment, stack: ExitStack, s3_server: S3Server
    ) -> None:
        proxy = stack.enter_context(running_faulty(s3_server.endpoint_url))
        proxy.inject(s3_error(403, "AccessDenied"), lambda request: request.method == "POST")
        on_s3.start(AWS_S3_ENDPOINT_URL=proxy.url)
        report()
        (name,) = stored()
        assert is_object_name(name, "cache/")
        call_command("shrinkmeister", "prune", "--older-than", "0", stdout=StringIO())
        assert stored() == []

    def test_the_site_has_another(
        self, on_s3: Deployment, settings: Any, s3_bucket: Callable[..., str]
    ) -> None:
        settings.THUMBNAIL_BUCKET = s3_bucket()
        on_s3.start()
        found = report()
        assert set(faults(found)) == {"settings", "bucket"}
        assert "THUMBNAIL_BUCKET" in found["settings"][1]
        assert "THUMBNAIL_BUCKET" in found["bucket"][1]
        # The server's has no probe any more.
        settings.THUMBNAIL_BUCKET = on_s3.variables["THUMBNAIL_BUCKET"]
        assert stored() == []

    def test_without_an_address(self, on_files: Deployment, settings: Any) -> None:
        given = {"default": {**settings.STORAGES["default"]}}
        given["default"]["OPTIONS"] = {**given["default"]["OPTIONS"], "base_url": "/media/"}
        on_files.start(STORAGES=json.dumps(given))
        found = report(PHOTO)
        assert set(faults(found)) == {"bucket", "source"}
        assert "'/media/cache/" in found["bucket"][1]
        assert found["bucket"][1].endswith(FOLDER_HINT)
        assert found["public_url"][0] == UNKNOWN
        assert probe_name("", "cache/").rpartition("/")[0] not in str(stored())


def test_hints_fit_the_storage(settings: Any) -> None:
    kinds = {
        "storages.backends.s3.S3Storage": ON_S3,
        "django.core.files.storage.FileSystemStorage": IN_FOLDER,
        "django.core.files.storage.InMemoryStorage": ELSEWHERE,
    }
    for backend, hints in kinds.items():
        settings.STORAGES = {"default": {"BACKEND": backend}}
        assert hints_for(None) == hints
        assert hints_for("thumbnails") == ON_S3


class TestPublicUrl:
    def test_a_folder_that_no_web_server_serves(
        self, on_files: Deployment, settings: Any, stack: ExitStack
    ) -> None:
        url = stack.enter_context(answering(lambda path: (404, HTML, b"")))
        given = {"default": {**settings.STORAGES["default"]}}
        given["default"]["OPTIONS"] = {**given["default"]["OPTIONS"], "base_url": f"{url}/"}
        on_files.start(STORAGES=json.dumps(given))
        assert the_fault(report(), "public_url").endswith(f" 404 -> {PUBLIC_FOLDER_HINT}")

    def test_a_private_bucket(
        self, on_s3: Deployment, settings: Any, s3_bucket: Callable[..., str]
    ) -> None:
        settings.THUMBNAIL_BUCKET = s3_bucket()
        on_s3.start(THUMBNAIL_BUCKET=settings.THUMBNAIL_BUCKET)
        assert the_fault(report(), "public_url").endswith(f"403 AccessDenied -> {PUBLIC_HINT}")
        assert stored() == []

    def test_a_signature_that_is_refused(
        self, on_s3: Deployment, settings: Any, s3_bucket: Callable[..., str], stack: ExitStack
    ) -> None:
        refusing = stack.enter_context(answering(lambda path: (403, {}, b"")))
        settings.THUMBNAIL_BUCKET = s3_bucket()
        on_s3.start(
            THUMBNAIL_BUCKET=settings.THUMBNAIL_BUCKET,
            AWS_S3_CUSTOM_DOMAIN=refusing.removeprefix("http://"),
            AWS_QUERYSTRING_AUTH="true",
        )
        # django-storages signs none of a custom domain without a key for it.
        assert "403 -> " in the_fault(report(), "public_url")

    def test_a_domain_that_does_not_exist(self, on_s3: Deployment) -> None:
        on_s3.start(AWS_S3_CUSTOM_DOMAIN="thumbs.invalid")
        text = the_fault(report(), "public_url")
        assert "http://thumbs.invalid/cache/" in text
        assert text.endswith(PUBLIC_HINT)
        assert stored() == []

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ((404, {}, b""), "404"),
            ((200, {"Content-Type": "text/html"}, b"<html>"), "not what the server has stored"),
            ((200, {"Content-Type": "text/plain"}, PROBE), "'text/plain'"),
        ],
    )
    def test_a_domain_that_serves_something_else(
        self, on_s3: Deployment, stack: ExitStack, answer: tuple[int, dict[str, str], bytes], said: str
    ) -> None:
        other = stack.enter_context(answering(lambda path: answer))
        on_s3.start(AWS_S3_CUSTOM_DOMAIN=other.removeprefix("http://"))
        assert said in the_fault(report(), "public_url")


class TestSignedUrl:
    """A private bucket, for which the server signs as it should."""

    @pytest.fixture
    def sign_by(
        self, on_s3: Deployment, settings: Any, s3_bucket: Callable[..., str]
    ) -> Callable[..., None]:
        """Change options of the storage by which the site signs."""
        settings.THUMBNAIL_BUCKET = s3_bucket()
        on_s3.variables |= {"THUMBNAIL_BUCKET": settings.THUMBNAIL_BUCKET, "AWS_QUERYSTRING_AUTH": "true"}

        def sign_by(**options: Any) -> None:
            default = settings.STORAGES["default"]
            options = {**default["OPTIONS"], "querystring_auth": True, **options}
            settings.STORAGES = {"default": {**default, "OPTIONS": options}}

        return sign_by

    def refusal(self) -> str:
        """Return the message about the one thing that is wrong."""
        (found,) = [one for one in examine(None, 30) if one.status == WRONG]
        assert (found.id, found.hint) == ("signed_url", SIGNED_HINT)
        assert "X-Amz" not in found.message
        assert "Signature=" not in found.message
        return found.message

    def test_keys_that_the_storage_does_not_take(
        self, on_s3: Deployment, sign_by: Callable[..., None]
    ) -> None:
        on_s3.start()
        sign_by(secret_key="wrong")
        assert "SignatureDoesNotMatch" in self.refusal()
        sign_by(access_key="nobodys")
        assert "InvalidAccessKeyId" in self.refusal()

    def test_an_account_without_rights(
        self, on_s3: Deployment, sign_by: Callable[..., None], s3_server: S3Server
    ) -> None:
        on_s3.start()
        assert s3_server.stranger
        access_key, secret_key = s3_server.stranger
        sign_by(access_key=access_key, secret_key=secret_key)
        assert "AccessDenied" in self.refusal()

    def test_version_2(
        self, on_s3: Deployment, sign_by: Callable[..., None], stack: ExitStack, s3_server: S3Server
    ) -> None:
        """Ceph takes it. AWS does not in buckets since 2020."""
        proxy = stack.enter_context(running_faulty(s3_server.endpoint_url))
        proxy.inject(s3_error(400, "InvalidRequest"), lambda request: "AWSAccessKeyId=" in request.path)
        on_s3.start(AWS_S3_ENDPOINT_URL=proxy.url)
        sign_by(endpoint_url=proxy.url, signature_version=None)
        assert not faults(report())
        sign_by(signature_version="s3")
        assert "InvalidRequest" in self.refusal()

    def test_another_region(
        self, on_s3: Deployment, sign_by: Callable[..., None], stack: ExitStack
    ) -> None:
        """Ceph takes any."""
        body = b"<Error><Code>AuthorizationQueryParametersError</Code></Error>"
        on_s3.start()
        sign_by(endpoint_url=stack.enter_context(answering(lambda path: (400, {}, body))))
        assert "400 AuthorizationQueryParametersError" in self.refusal()

    def test_an_endpoint_that_is_not_in_dns(self, on_s3: Deployment, sign_by: Callable[..., None]) -> None:
        on_s3.start()
        sign_by(endpoint_url="http://minio.invalid:9000")
        assert "minio.invalid" in self.refusal()

    def test_an_endpoint_that_only_this_network_reaches(self, stack: ExitStack, settings: Any) -> None:
        settings.THUMBNAIL_BUCKET = "thumbs"
        inside = stack.enter_context(answering(lambda path: (200, {"Content-Type": "image/png"}, PROBE)))
        settings.STORAGES = {
            "default": {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": {
                    "endpoint_url": inside,
                    "access_key": "key",
                    "secret_key": "secret",
                    "bucket_name": "photos",
                },
            }
        }
        for server, status in (("93.184.216.34", WRONG), ("10.0.0.5", OK), (HOST, OK)):
            found = signed_url("cache/a.png", f"http://{server}/a.png?X-Amz-Signature=x", 30)
            assert (found.status, found.hint) == (
                status,
                SIGNED_HINT if status == WRONG else "",
            )

    def test_a_site_that_does_not_sign_is_lazy(
        self, on_s3: Deployment, sign_by: Callable[..., None]
    ) -> None:
        on_s3.start()
        sign_by(querystring_auth=False)
        found = report()
        assert not faults(found), found
        assert found["signed_url"][0] == OK
        assert "AWS_QUERYSTRING_AUTH" in found["signed_url"][1]


class TestSettings:
    def test_each_that_differs_is_named(self, on_files: Deployment, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
        settings.THUMBNAIL_EXPIRE_DAYS = 90
        on_files.start(
            THUMBNAIL_ALTERNATIVE_RESOLUTIONS="2", THUMBNAIL_CHECK_TTL="60", THUMBNAIL_TTL="7000"
        )
        found = [finding for finding in examine(None, 30) if finding.status != OK]
        different = {
            "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": ("['1.5', '2']", "['2']"),
            "THUMBNAIL_CHECK_TTL": ("604800", "60"),
            "THUMBNAIL_EXPIRE_DAYS": ("90", "None"),
        }
        assert [finding.id for finding in found] == ["settings"] * len(different)
        for finding, (setting, values) in zip(found, different.items(), strict=True):
            assert names_both(finding.message, setting, *values)
        assert found[0].hint.startswith(CONSEQUENCES["THUMBNAIL_ALTERNATIVE_RESOLUTIONS"])

    def test_their_order_says_nothing(self, on_files: Deployment, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
        on_files.start(THUMBNAIL_ALTERNATIVE_RESOLUTIONS="2,1.5")
        assert not faults(report())

    def test_the_prefix(self, on_files: Deployment, settings: Any) -> None:
        settings.THUMBNAIL_PREFIX = "thumbs/"
        on_files.start()
        found = report()
        assert set(faults(found)) == {"settings", "bucket"}
        assert names_both(found["settings"][1], "THUMBNAIL_PREFIX", "'thumbs/'", "'cache/'")

    def test_of_the_site_itself(self, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = "thumbs.example.com"
        settings.THUMBNAIL_PREFIX = "/"
        found = [finding for finding in examine(PHOTO, 30) if finding.id == "site"]
        assert [finding.message.rpartition("(")[2] for finding in found] == [
            "shrinkmeister.E003)",
            "shrinkmeister.E014)",
        ]
        rest = report(PHOTO)
        assert undone(rest) == set(CHECKS) - {"site"}
        assert "site" in rest["reach"][1]

    def test_no_server(self, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = None
        assert "THUMBNAIL_SERVER_URL" in the_fault(report(), "site")


def error(status: int, sentence: str) -> bytes:
    """As the thumbnail server says it."""
    return json.dumps({"status": status, "error": sentence}).encode()


HTML = {"Content-Type": "text/html"}
STRANGERS: list[tuple[tuple[int, dict[str, str], bytes], str]] = [
    ((404, HTML, b"<h1>Not Found</h1>"), STRANGER_HINT),
    ((200, HTML, b"<h1>Log in</h1>"), STRANGER_HINT),
    ((301, {"Location": "https://new.example/doctor/x"}, b""), "THUMBNAIL_SERVER_URL"),
    ((400, HTML, b"<h1>Bad Request</h1>"), STRANGER_HINT),
    ((403, HTML, b"<h1>Forbidden</h1>"), STRANGER_HINT),
    ((403, HTML, b"[1]"), STRANGER_HINT),
    ((502, HTML, b"<h1>Bad Gateway</h1>"), STRANGER_HINT),
    ((504, HTML, b""), STRANGER_HINT),
    ((404, {}, error(404, "Nothing is here.")), "install"),
    ((500, {}, error(500, "It failed.")), "shrinkmeister_server check"),
]


class TestReach:
    def test_a_port_without_a_server(self, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = f"http://{NOBODY}"
        found = report()
        assert the_fault(found, "reach").endswith(UNREACHABLE_HINT)
        assert undone(found) == set(CHECKS) - {"site", "reach", "source"}

    def test_there_is_no_such_name(self, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = "https://thumbs.invalid"
        assert the_fault(report(), "reach").endswith(UNREACHABLE_HINT)

    def test_a_server_without_an_answer(self, settings: Any, stack: ExitStack) -> None:
        listener = stack.enter_context(create_server(("127.0.0.1", 0)))
        settings.THUMBNAIL_SERVER_URL = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert the_fault(report(timeout=0.1), "reach").endswith(f"no answer in 0.1 s -> {UNREACHABLE_HINT}")

    def test_under_another_name(self, on_files: Deployment, settings: Any) -> None:
        url = on_files.start().url
        settings.THUMBNAIL_SERVER_URL = url.replace("127.0.0.1", "localhost")
        text = the_fault(report(), "reach")
        assert text.endswith("-> " + REFUSAL_HINTS[400].format(url=urlsplit("http://localhost")))

    def test_over_tls_that_it_does_not_speak(self, on_files: Deployment, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = on_files.start().url.replace("http:", "https:")
        assert the_fault(report(), "reach").endswith(UNREACHABLE_HINT)

    def test_below_a_path_that_it_does_not_have(self, on_files: Deployment, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = on_files.start().url + "/production"
        assert "'/production'" in the_fault(report(), "reach")

    def test_by_a_redirect_to_https(self, on_files: Deployment) -> None:
        url = on_files.start(SECURE_SSL_REDIRECT="true").url
        assert f"{url.replace('http:', 'https:')} ->" in the_fault(report(), "reach")

    @pytest.mark.parametrize(("answer", "hint"), STRANGERS)
    def test_another_server_answers(
        self,
        settings: Any,
        stack: ExitStack,
        answer: tuple[int, dict[str, str], bytes],
        hint: str,
    ) -> None:
        settings.THUMBNAIL_SERVER_URL = stack.enter_context(answering(lambda path: answer))
        found = report()
        text = the_fault(found, "reach")
        assert hint in text
        assert ("https://new.example ->" if answer[0] == 301 else str(answer[0])) in text
        assert "reach" in found["health"][1]

    def test_its_settings_are_wrong(self, on_files: Deployment) -> None:
        on_files.start(THUMBNAIL_PREFIX="/")
        text = the_fault(report(), "reach")
        assert "500" in text
        assert "python -m shrinkmeister_server check" in text

    @pytest.mark.parametrize("status", [200, 404])
    def test_health_is_kept_back(self, settings: Any, stack: ExitStack, status: int) -> None:
        def answers(path: str) -> tuple[int, dict[str, str], bytes]:
            return (status, HTML, b"<h1>") if path == "/healthz" else (403, {}, error(403, "No."))

        settings.THUMBNAIL_SERVER_URL = stack.enter_context(answering(answers))
        found = report()
        assert set(faults(found)) == {"secret"}
        assert found["health"][0] == UNKNOWN
        assert str(status) in found["health"][1]

    def test_the_engine_is_missing(self, on_files: Deployment) -> None:
        on_files.start(THUMBNAIL_ENGINE="no.such.Engine")
        found = report()
        assert "engine" in the_fault(found, "health")


class TestClock:
    @pytest.fixture
    def shifted(self, on_memcached: Deployment, tmp_path: Path) -> Callable[[int], ThumbnailServer]:
        (tmp_path / "clock").mkdir()
        (tmp_path / "clock" / "sitecustomize.py").write_text(SHIFTED_CLOCK)

        def start(seconds: int) -> ThumbnailServer:
            return on_memcached.start(PYTHONPATH=str(tmp_path / "clock"), CLOCK_SHIFT=str(seconds))

        return start

    @pytest.mark.parametrize(("seconds", "said"), [(200, "ahead"), (-200, "behind")])
    def test_it_differs(self, shifted: Callable[[int], ThumbnailServer], seconds: int, said: str) -> None:
        shifted(seconds)
        found = report()
        assert said in the_fault(found, "clock")
        assert not undone(found)

    def test_it_differs_by_little(self, shifted: Callable[[int], ThumbnailServer]) -> None:
        shifted(20)
        found = report()
        assert not faults(found)
        (seconds,) = re.findall("[0-9]+", found["clock"][1])
        assert 10 < int(seconds) <= 20

    @pytest.mark.parametrize("seconds", [400, -90_000])
    def test_it_differs_by_more_than_five_minutes(
        self, shifted: Callable[[int], ThumbnailServer], seconds: int
    ) -> None:
        shifted(seconds)
        found = report()
        assert "300 s" in the_fault(found, "clock")
        assert "clock" in found["secret"][1]
        assert undone(found) == set(CHECKS) - {"site", "reach", "health", "clock", "source"}


def asking(seconds: float = 0) -> Question:
    """Return a new question, of so many seconds later."""
    return Question(EXAMINE, token_urlsafe(16), int(time.time() + seconds))


def path_of(question: Question, cipher: MessageCipher | None = None) -> str:
    return f"/doctor/{(cipher or get_message_cipher()).encrypt_question(question)}"


def answer_of(path: str, **facts: dict[str, Any]) -> dict[str, Any]:
    """The members of an answer to the question in a path, with these facts."""
    question, secret = get_message_cipher().decrypt_question(path.removeprefix("/doctor/"))
    given: dict[str, Any] = {
        "protocols": PROTOCOLS,
        "versions": {"shrinkmeister": "0.0.1"},
        "settings": {},
        **facts,
    }
    return asdict(Answer(nonce=question.nonce, time=question.time, secret=secret, facts=given))


class TestForgery:
    def test_only_holders_of_the_secret_are_answered(self, on_files: Deployment, settings: Any) -> None:
        server = on_files.start()
        question = asking()
        genuine, forged = path_of(question), path_of(question, MessageCipher([OTHER]))
        late = path_of(asking(-400))
        token = load_token()
        for path, status in [
            (genuine, 200),
            (genuine[:-1], 403),
            (genuine.replace("_", "-") if "_" in genuine else genuine + "A", 403),
            (forged, 403),
            (f"/doctor/{token}", 403),
            (late, 410),
            ("/doctor/", 404),
            (genuine + "/", 404),
        ]:
            answer = urllib3.request("GET", server.url + path, retries=False, timeout=60)
            assert answer.status == status, path
            assert answer.headers["Cache-Control"] == "no-store"
            assert b"pillow" not in answer.data.lower()
            assert b"THUMBNAIL" not in answer.data
        assert urllib3.request("POST", server.url + genuine, retries=False, timeout=60).status == 405
        log = server.log.read_text()
        assert question.nonce not in log
        assert genuine not in log
        assert "WARNING" not in log
        as_token = genuine.removeprefix("/doctor") + ".jpg"
        assert urllib3.request("GET", server.url + as_token, retries=False, timeout=60).status == 403

    def test_a_replay_does_the_same_again_and_no_more(self, on_files: Deployment) -> None:
        server = on_files.start()
        question = asking()
        for _ in range(3):
            assert urllib3.request("GET", server.url + path_of(question), timeout=60).status == 200
        assert stored() == [probe_name(question.nonce, "cache/")]
        removal = Question(REMOVE, question.nonce, question.time)
        for _ in range(2):
            assert urllib3.request("GET", server.url + path_of(removal), timeout=60).status == 200
        assert stored() == []

    def test_an_old_answer_proves_nothing(
        self, on_files: Deployment, settings: Any, stack: ExitStack
    ) -> None:
        server = on_files.start()
        old = urllib3.request("GET", server.url + path_of(asking()), timeout=60)
        kind = {"Content-Type": "text/plain"}
        settings.THUMBNAIL_SERVER_URL = stack.enter_context(answering(lambda path: (200, kind, old.data)))
        found = report()
        assert "CDN" in the_fault(found, "secret")
        assert found["versions"][0] == UNKNOWN

    def test_a_question_handed_back_is_no_answer(self, settings: Any, stack: ExitStack) -> None:
        kind = {"Content-Type": "text/plain"}
        settings.THUMBNAIL_SERVER_URL = stack.enter_context(
            answering(lambda path: (200, kind, path.rpartition("/")[2].encode()))
        )
        assert "CDN" in the_fault(report(), "secret")

    def test_another_protocol(self, settings: Any, stack: ExitStack) -> None:
        """Of a later server, which knows more than this one."""

        def answers(path: str) -> tuple[int, dict[str, str], bytes]:
            if not path.startswith("/doctor/"):
                return 404, {}, b""
            payload = json.dumps(answer_of(path, protocols={"token": 2, "record": 1, "doctor": 1}))
            sealed = Cipher([SECRET], ANSWER_INFO).encrypt(payload.encode())
            return 200, {"Content-Type": "text/plain"}, sealed.encode()

        settings.THUMBNAIL_SECRET_KEY = SECRET
        settings.THUMBNAIL_SERVER_URL = stack.enter_context(answering(answers))
        found = report()
        assert found["protocol"][0] == WRONG
        assert names_both(found["protocol"][1], "site", "token 1", "token 2")
        assert "install" in found["versions"][1]

    @pytest.mark.parametrize(
        ("settings_said", "url", "reported"),
        [
            ({"THUMBNAIL_ALTERNATIVE_RESOLUTIONS": ["1", 2, None]}, None, "THUMBNAIL_ALTERN"),
            ({}, "file:///etc/hostname", "file:"),
        ],
    )
    def test_a_strange_answer_of_a_holder_of_the_secret(
        self,
        settings: Any,
        stack: ExitStack,
        settings_said: dict[str, Any],
        url: str | None,
        reported: str,
    ) -> None:
        settings.THUMBNAIL_SECRET_KEY = SECRET

        def answers(path: str) -> tuple[int, dict[str, str], bytes]:
            if not path.startswith("/doctor/"):
                return 404, {}, b""
            payload = json.dumps({**answer_of(path, settings=settings_said), "bucket_url": url})
            sealed = Cipher([SECRET], ANSWER_INFO).encrypt(payload.encode())
            return 200, {"Content-Type": "text/plain"}, sealed.encode()

        settings.THUMBNAIL_SERVER_URL = stack.enter_context(answering(answers))
        assert reported in str(faults(report()))

    def test_the_time_of_a_question_is_looked_at_last(self, settings: Any) -> None:
        old = MessageCipher([OTHER]).encrypt_question(asking(-1_000_000))
        with pytest.raises(TokenExpiredError):
            MessageCipher([OTHER]).decrypt_question(old)


def load_token() -> str:
    return (
        lazy_url(make_spec(PHOTO, "300", {}, get_config()), get_config())
        .rpartition("/")[2]
        .partition(".")[0]
    )


class TestSource:
    @pytest.mark.parametrize(
        ("source", "status", "code"),
        [
            ("photos/gone.jpg", 404, "source-missing"),
            ("storage://other/dawn.jpg", 403, "source-not-allowed"),
            ("notes.txt", 415, "source-format"),
        ],
    )
    def test_what_the_server_does_not_make(
        self, on_files: Deployment, source: str, status: int, code: str
    ) -> None:
        storages["default"].save("notes.txt", ContentFile(b"not an image"))
        on_files.start()
        text = the_fault(report(source), "source")
        assert f": {status} " in text
        assert text.endswith(hint_of(code))

    def test_a_host_that_the_site_does_not_list(self, on_files: Deployment, settings: Any) -> None:
        """Pages show such an image as it is, whatever the server lists."""
        place = settings.STORAGES["default"]["OPTIONS"]["base_url"].rstrip("/")
        on_files.start(
            THUMBNAIL_SOURCES=f"storage://default,{place}",
            THUMBNAIL_PRIVATE_HOSTS=place.partition("://")[2],
        )
        text = the_fault(report(f"{place}/{PHOTO}"), "source")
        assert f"Add {place!r} to THUMBNAIL_SOURCES" in text
        settings.THUMBNAIL_SOURCES = [place]
        assert not faults(report(f"{place}/{PHOTO}"))

    def test_a_host_with_a_private_address(self, on_files: Deployment, settings: Any) -> None:
        place = settings.STORAGES["default"]["OPTIONS"]["base_url"].rstrip("/")
        settings.THUMBNAIL_SOURCES = [place]
        on_files.start(THUMBNAIL_SOURCES=f"storage://default,{place}")
        _, _, hint = the_fault(report(f"{place}/{PHOTO}"), "source").partition(" -> ")
        first, second = hint.index("THUMBNAIL_PRIVATE_HOSTS"), hint.index("THUMBNAIL_SOURCES")
        assert first < second
        assert repr(place.partition("://")[2]) in hint

    def test_a_thumbnail_that_is_lost(self, on_s3: Deployment, settings: Any) -> None:
        """A public bucket that visitors may not list answers 403 for it."""
        storages["default"].save(PHOTO, ContentFile(picture((800, 600))))
        on_s3.start()
        assert not faults(report(PHOTO))
        (name,) = stored()
        get_thumbnail_storage().delete([name])
        text = the_fault(report(PHOTO), "source")
        assert ": the answer is 403 -> " in text or ": the answer is 404 -> " in text
        assert text.endswith(LOST_HINT)

    def test_a_driver_that_is_wrong(self, on_files: Deployment, settings: Any) -> None:
        on_files.start()
        settings.THUMBNAIL_CACHE_BACKEND = "rediss"
        found = report(PHOTO)
        assert set(faults(found)) == {"site", "cache", "source"}
        assert "shrinkmeister.E012" in found["site"][1]

    def test_a_storage_that_does_not_open(self, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = f"http://{NOBODY}"
        settings.STORAGES = {
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"bucket": "photos"}}
        }
        found = report(PHOTO)
        assert {"reach", "source"} <= set(faults(found))
        assert "STORAGES" in found["source"][1]

    def test_what_has_no_record(self, on_files: Deployment) -> None:
        on_files.start(THUMBNAIL_CACHE_KEY_PREFIX="other:")
        found = report(PHOTO)
        assert set(faults(found)) == {"cache", "source"}
        assert "See cache" in found["source"][1]

    def test_what_is_of_another_size(self, on_files: Deployment) -> None:
        on_files.start()
        assert not faults(report(PHOTO))
        (name,) = stored()
        storages["default"].delete(name)
        storages["default"].save(name, ContentFile(picture((20, 10))))
        text = the_fault(report(PHOTO), "source")
        assert "300x225" in text
        assert "20x10" in text

    def test_what_browsers_cannot_load(self, on_s3: Deployment) -> None:
        storages["default"].save(PHOTO, ContentFile(picture((800, 600))))
        on_s3.start(AWS_S3_CUSTOM_DOMAIN="thumbs.invalid")
        found = report(PHOTO)
        assert set(faults(found)) == {"public_url", "source"}
        assert "See public_url" in found["source"][1]


def doctor(*arguments: str) -> tuple[str, int]:
    """What it prints, and its exit status."""
    output, status = StringIO(), 0
    try:
        call_command("shrinkmeister", "doctor", *arguments, stdout=output)
    except SystemExit as end:
        status = int(str(end.code))
    return output.getvalue(), status


class TestCommand:
    def test_as_text(self, on_files: Deployment, settings: Any) -> None:
        on_files.start(THUMBNAIL_CHECK_TTL="60")
        text, status = doctor("--source", PHOTO)
        assert status == 1
        lines = text.splitlines()
        assert "ok    secret      site and server have the same secret" in lines
        wrong = lines.index("WRONG settings    THUMBNAIL_CHECK_TTL is 604800 on the site, 60 on the server")
        assert lines[wrong + 1].startswith(" " * 18 + "-> " + CONSEQUENCES["THUMBNAIL_CHECK_TTL"][:20])
        settings.THUMBNAIL_CHECK_TTL = 60
        text, status = doctor()
        assert status == 0
        assert "WRONG" not in text

    def test_what_could_not_run_is_one_line(self, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = f"http://{NOBODY}"
        text, status = doctor()
        assert status == 1
        assert [line[:6].strip() for line in text.splitlines() if line[0] != " "] == ["ok", "WRONG", "?"]
        assert all(id in text.partition("?")[2] for id in CHECKS[2:-1])

    def test_another_server_cannot_control_the_terminal(self, settings: Any, stack: ExitStack) -> None:
        away = {"Location": "http://elsewhere/\x1b]0;owned\x07\x1b[2J"}
        for status, headers, body in ((302, away, b""), (500, {}, error(500, "\x1b[2Jgone"))):
            answer = (status, headers, body)
            # Types have no defaults of a lambda, without which all would be the last one.
            url = stack.enter_context(answering(lambda path, answer=answer: answer))  # type: ignore[misc]
            settings.THUMBNAIL_SERVER_URL = url
            text, _ = doctor()
            assert text.replace("\n", "").isprintable()

    def test_as_json(self, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = f"http://{NOBODY}"
        text, status = doctor("--json")
        assert status == 1
        found = json.loads(text)
        assert [one["id"] for one in found] == list(CHECKS[:-1])
        assert {frozenset(one) for one in found} == {frozenset({"id", "status", "message", "hint"})}
        assert [one["status"] for one in found] == [OK, WRONG, *[UNKNOWN] * 11]

    def test_as_json_where_it_breaks_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*arguments: Any) -> Iterator[Finding]:
            yield Finding("site", OK, "well")
            raise KeyboardInterrupt

        monkeypatch.setattr("shrinkmeister.management.commands.shrinkmeister.examine", broken)
        output = StringIO()
        with pytest.raises(CommandError, match="Stopped"):
            call_command("shrinkmeister", "doctor", "--json", stdout=output)
        assert [one["id"] for one in json.loads(output.getvalue())] == ["site"]

    def test_wrong_usage(self, settings: Any) -> None:
        with pytest.raises(CommandError) as refused:
            doctor("--source", "ftp://example.com/dawn.jpg")
        assert refused.value.returncode == 2
        for seconds in ("0", "-1", "long"):
            with pytest.raises(CommandError, match="number of seconds"):
                doctor("--timeout", seconds)

    @pytest.mark.parametrize("arguments", [(), ("--json",)])
    def test_wrong_settings_are_a_finding_and_not_the_end(
        self, tmp_path: Path, arguments: tuple[str, ...]
    ) -> None:
        """As a command line, where Django looks at the settings before a command."""
        done = subprocess.run(
            [sys.executable, str(MANAGE), "shrinkmeister", "doctor", *arguments],
            env={"PATH": os.environ["PATH"], "DEMO_VAR": str(tmp_path), "THUMBNAIL_SERVER_URL": "thumbs"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (1, "")
        assert "THUMBNAIL_SERVER_URL is 'thumbs'" in done.stdout
        if arguments:
            assert json.loads(done.stdout)[0]["id"] == "site"


@pytest.mark.parametrize(
    ("server", "status"), [(1000, OK), (1045, OK), (1090, OK), (1151, WRONG), (938, WRONG)]
)
def test_a_slow_answer_is_not_a_wrong_clock(server: int, status: str) -> None:
    """It is of some moment between asking, at 1000, and hearing, at 1090."""
    response = Response("https://thumbs.example.com/", 200, Message(), b"", 1000.0, 1090.0)
    assert compare_clocks(response, server).status == status
