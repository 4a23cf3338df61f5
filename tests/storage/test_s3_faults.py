"""Faults of S3 under the thumbnail server: a proxy before a real bucket, which fails at one step.

Whatever fails: attempts are counted and time is bounded, the status says whether to try again, nothing is
recorded and no lock is left, no object is half there; and when the fault ends, the same URL works.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from PIL import Image
from redis import Redis
from sorl.thumbnail import get_thumbnail
from storages.backends.s3 import S3Storage
from urllib3.connection import HTTPConnection
from urllib3.exceptions import SSLError
from urllib3.response import HTTPResponse
from urllib3.util.wait import wait_for_read

from shrinkmeister.exceptions import StorageDeniedError, StorageError
from shrinkmeister.storage import s3_client
from shrinkmeister.storage.s3_client import bucket_errors
from tests.servers.faulty import (
    Exchange,
    Fault,
    FaultyProxy,
    Request,
    black_hole,
    cut_answer,
    cut_request,
    dribbling,
    garbage,
    refused,
    running_faulty,
    s3_error,
    slow,
)
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server, remove_bucket
from tests.support.pictures import picture
from tests.support.sides import Server

pytestmark = [pytest.mark.outside, pytest.mark.survives("faults of S3")]

NAME = "secret/dawn.jpg"
# It lies where thumbnails lie, so that the bucket is looked at for what a lost cache has forgotten.
STRANGER = "cache/stranger"

# What a request for a thumbnail asks S3 for, in this order.
STEPS: dict[str, Callable[[Request], bool]] = {
    "LIST": lambda request: "prefix=cache/" in request.path,
    "HEAD": lambda request: request.method == "HEAD",
    "GET": lambda request: request.method == "GET" and NAME in request.path,
    "PUT @2x": lambda request: request.method == "PUT" and "@2x" in request.path,
    "PUT": lambda request: request.method == "PUT" and "@2x" not in request.path,
}

denied, internal_error = s3_error(403, "AccessDenied"), s3_error(500, "InternalError")
slow_down = s3_error(503, "SlowDown")
WRONG = [
    denied,
    s3_error(403, "InvalidAccessKeyId"),
    s3_error(403, "SignatureDoesNotMatch"),
    s3_error(404, "NoSuchBucket"),
]
BUSY = [
    slow_down,
    s3_error(503, "ServiceUnavailable"),
    s3_error(429, "TooManyRequests"),
    s3_error(400, "RequestLimitExceeded"),
]
# For as long as botocore waits for an answer, in a test of it.
IMPATIENT = 0.1


@dataclass(frozen=True)
class Site:
    """A site whose server reaches S3 through the proxy; the test itself looks past it."""

    s3: S3Server
    client: Any
    proxy: FaultyProxy
    media: str
    thumbs: str
    cache: Any

    def url(self, **options: Any) -> str:
        url: str = get_thumbnail(NAME, "100x80", crop="center", **options).url
        return url

    def known(self) -> set[str]:
        """What the shared cache has of thumbnails: records, locks."""
        return {key.decode() for key in self.cache.keys("*")} - {"shrinkmeister:complete"}

    def thumbnails(self) -> dict[str, bytes]:
        """By the end of their names."""
        client = self.client
        listed = client.list_objects_v2(Bucket=self.thumbs).get("Contents", ())
        names = {entry["Key"] for entry in listed} - {STRANGER}
        return {
            "@2x" if "@2x" in name else "1x": client.get_object(Bucket=self.thumbs, Key=name)["Body"].read()
            for name in names
        }

    def check_nothing_is_broken(self) -> None:
        for resolution, data in self.thumbnails().items():
            check_picture(resolution, data)

    def check_works(self, answer: Any) -> None:
        """The visitor sees the thumbnail, and so does the next one without any work."""
        assert answer.status_code == 302
        stored = self.thumbnails()
        assert set(stored) == {"1x", "@2x"}
        self.check_nothing_is_broken()
        assert not get_thumbnail(NAME, "100x80", crop="center").lazy
        assert {key.split(":")[1] for key in self.known()} == {"t1", "s1"}


def check_picture(resolution: str, data: bytes) -> None:
    with Image.open(BytesIO(data)) as image:
        image.load()
        assert image.size == ((200, 160) if resolution == "@2x" else (100, 80))


@pytest.fixture(scope="module")
def session(s3_server: S3Server) -> Any:
    """One for all, which keeps what it has read: making clients of it is ten times as fast."""
    return boto3.Session(s3_server.access_key, s3_server.secret_key, region_name=s3_server.region)


@pytest.fixture
def site(
    settings: Any,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
    session: Any,
    redis_location: str,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    # Attempts are counted here, and not what lies between them.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *args: 0.001)
    monkeypatch.setattr(S3Storage, "_create_session", lambda self: session)
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = "unused"
    settings.THUMBNAIL_CACHE_LOCATION = redis_location
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
    media, thumbs = s3_bucket(), s3_bucket()
    client = session.client("s3", endpoint_url=s3_server.endpoint_url)
    client.put_object(Bucket=media, Key=NAME, Body=picture((400, 300)))
    client.put_object(Bucket=thumbs, Key=STRANGER, Body=b"")
    with running_faulty(s3_server.endpoint_url) as proxy:
        options = replace(s3_server, endpoint_url=proxy.url).storage_options
        options |= {"bucket_name": media, "querystring_auth": False}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        settings.THUMBNAIL_BUCKET = thumbs
        settings.THUMBNAIL_SOURCES = [f"s3://{media}"]
        with Redis.from_url(redis_location) as cache:
            yield Site(s3_server, client, proxy, media, thumbs, cache)


def be_impatient(monkeypatch: pytest.MonkeyPatch, proxy: FaultyProxy) -> None:
    """With answers that the proxy withholds, from then on; a machine that pauses meanwhile is no fault."""
    monkeypatch.setitem(s3_client.CLIENT_OPTIONS, "read_timeout", IMPATIENT)
    getresponse = HTTPConnection.getresponse

    def patient(connection: HTTPConnection) -> HTTPResponse:
        address = connection.sock.getsockname()
        wait_until(
            lambda: address in proxy.kept_waiting or wait_for_read(connection.sock, 0), "an answer", 60
        )
        if address not in proxy.kept_waiting:
            connection.timeout = 60
        return getresponse(connection)

    monkeypatch.setattr(HTTPConnection, "getresponse", patient)


def test_a_request_without_faults_takes_these_steps(site: Site, server: Server) -> None:
    site.check_works(server.get(site.url()))
    assert [
        next(name for name, picks in STEPS.items() if picks(request)) for request in site.proxy.requests
    ] == list(STEPS)


CASES: list[tuple[Fault, str, int, int]] = [
    # fault, step, status, attempts
    *((fault, step, 502, 2) for fault in (internal_error, cut_answer) for step in STEPS),
    *((slow_down, step, 503, 2) for step in STEPS),
    *((denied, step, 502, 1) for step in STEPS),
    *((refused, step, 502, 1) for step in STEPS),  # the port takes no second one
    *((black_hole, step, 502, 2) for step in ("HEAD", "GET", "PUT")),
    *((slow, step, 502, 2) for step in ("HEAD", "GET", "PUT @2x", "PUT")),
    *((cut_request, step, 502, 2) for step in ("PUT @2x", "PUT")),
    *((fault, "GET", 502, 1) for fault in WRONG[1:]),
    *((fault, "PUT", 502, 1) for fault in WRONG[1:]),
    *((fault, "GET", 503, 2) for fault in BUSY[1:]),
    (garbage, "LIST", 502, 2),
]


def case_id(value: Any) -> str:
    return str(getattr(value, "__name__", value))


@pytest.mark.parametrize(("fault", "step", "status", "attempts"), CASES, ids=case_id)
def test_a_fault_does_no_harm_and_ends(
    fault: Fault,
    step: str,
    status: int,
    attempts: int,
    site: Site,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if fault in (black_hole, slow):
        be_impatient(monkeypatch, site.proxy)
    url = site.url()
    site.proxy.inject(fault, STEPS[step])
    answer = server.get(url)
    assert site.proxy.count(STEPS[step]) == attempts
    if step == "PUT" and fault in (slow, cut_answer):
        # S3 has stored it, without our hearing of it: so it is found.
        site.check_works(answer)
    else:
        assert answer.status_code == status
        assert answer.get("Retry-After") == (None if fault in (denied, *WRONG) else "10")
        assert set(site.thumbnails()) <= {"@2x"}
        assert "dawn." not in caplog.text  # without the dot, it may be letters of a key
        assert site.known() == set()
    site.check_nothing_is_broken()

    site.proxy.mend()
    site.check_works(server.get(url))


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        *((fault, step) for fault in (internal_error, slow_down, cut_answer) for step in STEPS),
        *((fault, step) for fault in (black_hole, slow) for step in ("GET", "PUT")),
        *((cut_request, step) for step in ("PUT @2x", "PUT")),
    ],
    ids=case_id,
)
def test_the_visitor_notices_nothing_of_one_fault(
    fault: Fault, step: str, site: Site, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault in (black_hole, slow):
        be_impatient(monkeypatch, site.proxy)
    site.proxy.inject(fault, STEPS[step], times=1)
    site.check_works(server.get(site.url()))
    assert site.proxy.count(STEPS[step]) == 2
    assert len(site.proxy.requests) == len(STEPS) + 1


class TestTime:
    def test_a_source_that_dribbles_has_an_end(
        self, site: Site, server: Server, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.THUMBNAIL_SOURCE_SECONDS = 1
        url = site.url()
        site.proxy.inject(dribbling, STEPS["GET"])
        answer = server.get(url)
        assert (answer.status_code, answer["Retry-After"]) == (502, "10")
        assert "the source's bucket took more than 1 s" in caplog.text
        assert site.proxy.count(STEPS["GET"]) == 1  # it had its time
        assert site.known() == set()
        assert site.thumbnails() == {}
        site.proxy.mend()
        settings.THUMBNAIL_SOURCE_SECONDS = 20
        site.check_works(server.get(url))

    def test_patience_ends_before_a_worker_of_lambda(self, settings: Any) -> None:
        """The server asks twice of a bucket that takes connections and does not answer."""
        options = s3_client.CLIENT_OPTIONS
        attempts = options["retries"]["total_max_attempts"]
        assert (options["connect_timeout"] + options["read_timeout"]) * attempts <= 20
        assert 2 * attempts * options["read_timeout"] < 30


class TestVanishing:
    def test_a_source_between_the_page_and_the_server(self, site: Site, server: Server) -> None:
        url = site.url()
        site.client.delete_object(Bucket=site.media, Key=NAME)
        answer = server.get(url)
        assert answer.status_code == 404
        assert "Retry-After" not in answer
        assert {key.split(":")[1] for key in site.known()} == {"f1"}
        assert site.thumbnails() == {}

    def test_a_thumbnail_that_fails_after_its_alternative_resolution(
        self, site: Site, server: Server
    ) -> None:
        url = site.url()
        site.proxy.inject(internal_error, STEPS["PUT"])
        assert server.get(url).status_code == 502
        assert set(site.thumbnails()) == {"@2x"}
        assert site.known() == set()
        site.proxy.mend()
        site.proxy.requests.clear()
        site.check_works(server.get(url))
        assert [site.proxy.count(STEPS[step]) for step in ("GET", "PUT @2x", "PUT")] == [1, 1, 1]

    @pytest.mark.parametrize("gone", ["media", "thumbs"])
    def test_a_bucket(self, site: Site, server: Server, gone: str) -> None:
        url = site.url()
        name = getattr(site, gone)
        remove_bucket(site.s3, name)
        try:
            answer = server.get(url)
        finally:
            site.client.create_bucket(Bucket=name)  # which the fixture removes
        assert answer.status_code == 502
        assert "Retry-After" not in answer
        assert site.known() == set()


class TestTwoFaults:
    """A source that fails is followed by a look at what is stored, which may fail too."""

    def test_the_first_one_is_told(self, site: Site, server: Server) -> None:
        settle(site)
        url = site.url(quality=80)
        site.proxy.inject(lambda exchange: fail_as(exchange, slow_down, denied), lambda request: True)
        assert server.get(url).status_code == 503
        assert [site.proxy.count(STEPS[step]) for step in ("GET", "HEAD")] == [2, 1]

    def test_a_missing_source_is_none_if_its_thumbnail_may_exist(self, site: Site, server: Server) -> None:
        settle(site)
        url = site.url(quality=80)
        site.client.delete_object(Bucket=site.media, Key=NAME)
        site.proxy.inject(internal_error, STEPS["HEAD"])
        assert server.get(url).status_code == 502
        site.proxy.mend()
        assert server.get(url).status_code == 404


def settle(site: Site) -> None:
    """The shared cache has a record of all that is stored: the server looks at no bucket first."""
    site.cache.set("shrinkmeister:complete", b"1")
    site.proxy.requests.clear()


def fail_as(exchange: Exchange, get: Fault, head: Fault) -> None:
    (head if exchange.handler.command == "HEAD" else get)(exchange)


def test_the_names_of_sources_stay_out_of_messages() -> None:
    """botocore's own have the URL, and those of AWS the ARN."""
    where = "https://photos.s3.amazonaws.com/secret/dawn.jpg"
    arn = "not authorized to perform: s3:GetObject on resource: arn:aws:s3:::photos/secret/dawn.jpg"
    refusal = {
        "Error": {"Code": "AccessDenied", "Message": arn},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    for error, kind, message in (
        (EndpointConnectionError(endpoint_url=where), StorageError, "photos: EndpointConnectionError"),
        (ClientError(refusal, "GetObject"), StorageDeniedError, "photos: GetObject: AccessDenied"),
        (NoCredentialsError(), StorageDeniedError, "photos: Unable to locate credentials"),
        (SSLError("of a body"), StorageError, "photos: SSLError"),  # botocore lets it through
    ):
        with pytest.raises(StorageError) as raised, bucket_errors("photos"):
            raise error
        assert (type(raised.value), str(raised.value)) == (kind, message)


def test_what_is_not_of_s3_stays_what_it_is() -> None:
    with pytest.raises(KeyError), bucket_errors("photos"):
        raise KeyError
