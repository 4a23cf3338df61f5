"""What the server says to apps: a thumbnail as JSON, and those of a page in one request."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any
from unittest.mock import Mock

import pytest
import urllib3
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_tokens
from shrinkmeister.drivers.django_cache import DjangoCacheDriver
from shrinkmeister.protocol.encryption import MAX_LENGTH
from shrinkmeister.protocol.keys import record_key
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server import pipeline
from shrinkmeister_server.limiter import get_limiter
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering import render as rendering
from tests.servers.thumbnails import running_thumbnail_server
from tests.support.pictures import picture
from tests.support.sides import Server

pytestmark = pytest.mark.makes_thumbnails

JSON = "application/json"
MEDIA_URL = "https://example.com/media/"
# As Chromium and Firefox ask for images, pages and by fetch(); curl; and axios.
IMAGES = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
PAGES = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
AXIOS = "application/json, text/plain, */*"


def spec_of(name: str = "photos/dawn.jpg", geometry: str = "300x200", **options: Any) -> ThumbnailSpec:
    return ThumbnailSpec(Source("storage", "default", name), geometry, {"crop": "center", **options})


def link(spec: ThumbnailSpec, resolution: str = "") -> str:
    return f"{get_tokens().encrypt(spec)}{resolution}.{spec.extension}"


def batch(server: Server, texts: Sequence[Any], **fields: Any) -> list[dict[str, Any]]:
    answer = server.post("/thumbnails", json.dumps({"thumbnails": texts, **fields}).encode())
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == JSON
    assert answer["Cache-Control"] == "no-store"
    entries: list[dict[str, Any]] = answer.json()["thumbnails"]
    return entries


@pytest.fixture
def photos(photo: str) -> list[ThumbnailSpec]:
    """Thumbnails of 12 photographs."""
    names = [f"photos/{number}.jpg" for number in range(12)]
    for name in names:
        storages["default"].save(name, ContentFile(picture((60, 40))))
    return [spec_of(name, "30x20") for name in names]


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many keys each look-up in the shared cache asks for."""
    counts: list[int] = []
    get_many = DjangoCacheDriver.get_many

    def counted(driver: DjangoCacheDriver, keys: Any) -> dict[str, bytes]:
        keys = list(keys)
        counts.append(len(keys))
        return get_many(driver, keys)

    monkeypatch.setattr(DjangoCacheDriver, "get_many", counted)
    return counts


class TestOneThumbnail:
    def test_it_is_made_and_told(self, server: Server, media: Path, photo: str) -> None:
        path = "/" + link(spec_of())
        answer = server.get(path, accept=JSON)
        assert answer.status_code == 200
        assert answer["Content-Type"] == JSON
        told = answer.json()
        url = server.get(path)["Location"]
        assert told == {
            "url": url,
            "width": 300,
            "height": 200,
            "format": "JPEG",
            "resolutions": {},
            "expires": None,
        }
        assert (media / url.removeprefix(MEDIA_URL)).is_file()
        # Then it is found, and told in the same words.
        assert server.get(path, accept=JSON).json() == told

    @pytest.mark.parametrize(
        ("accept", "told"),
        [
            *((one, False) for one in (IMAGES, PAGES, "*/*", "", "image/jpeg", "text/html", "nonsense")),
            *((one, True) for one in (JSON, AXIOS, "application/json;q=0.9, image/*;q=0.1")),
            *((one, True) for one in (f"{JSON}; charset=utf-8", "Application/JSON", "application/*")),
            ("image/*, application/json", True),
            ("application/json;q=0.1, */*", False),
        ],
    )
    def test_to_whom(self, server: Server, photo: str, accept: str, told: bool) -> None:
        answer = server.get("/" + link(spec_of()), accept=accept)
        assert answer.status_code == (200 if told else 302)
        assert answer["Vary"] == "Accept"
        # Not for caches that many share and that may not heed Vary: they would show it as an image.
        assert answer["Cache-Control"] == f"{'private' if told else 'public'}, max-age=300"
        assert "lookup;dur=" in answer["Server-Timing"]

    def test_head(self, server: Server, photo: str) -> None:
        answer = server.head("/" + link(spec_of()), accept=JSON)
        assert (answer.status_code, answer["Content-Type"], answer.content) == (200, JSON, b"")

    def test_resolutions(self, server: Server, photo: str, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
        spec = spec_of(format="WEBP")
        told = server.get("/" + link(spec, "@2x"), accept=JSON).json()
        plain = server.get("/" + link(spec), accept=JSON).json()
        assert told["resolutions"] == plain["resolutions"]
        assert told["resolutions"] == {
            resolution: server.get("/" + link(spec, f"@{resolution}x"))["Location"]
            for resolution in ("1.5", "2")
        }
        assert told["url"] == told["resolutions"]["2"]
        assert plain["url"] == server.get("/" + link(spec))["Location"]
        # What a page gives its <img> in both cases.
        assert (told["width"], told["height"], told["format"]) == (300, 200, "WEBP")
        assert (plain["width"], plain["height"]) == (300, 200)

    def test_of_a_private_bucket(self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "shrinkmeister.storage.django_storage.DjangoThumbnailStorage.url",
            lambda self, name: f"https://b.example.com/{name}?sig",
        )
        monkeypatch.setattr("shrinkmeister_server.views.time.time", lambda: 1_800_000_000.9)
        answer = server.get("/" + link(spec_of()), accept=JSON)
        assert answer.json()["expires"] == 1_800_000_030
        assert answer["Cache-Control"] == "private, max-age=30"

    def test_errors(self, server: Server, media: Path) -> None:
        answer = server.get("/" + link(spec_of()), accept=JSON)
        assert (answer.status_code, answer.json()) == (
            404,
            {"status": 404, "error": "The image of this URL does not exist.", "code": "source-missing"},
        )


class TestBatch:
    def test_made_in_order_and_found(self, server: Server, photos: list[ThumbnailSpec]) -> None:
        links = [link(spec) for spec in photos]
        made = batch(server, links)
        assert [one["url"] for one in made] == [server.get(f"/{one}")["Location"] for one in links]
        assert {(one["width"], one["height"], one["format"]) for one in made} == {(30, 20, "JPEG")}
        assert made == [server.get(f"/{one}", accept=JSON).json() for one in links]
        assert batch(server, links) == made

    def test_what_is_found_takes_one_trip(
        self, server: Server, photos: list[ThumbnailSpec], trips: list[int]
    ) -> None:
        for spec in photos:
            get_shared_cache().records.save(spec, ThumbnailRecord(30, 20, f"{MEDIA_URL}cache/"), None)
        trips.clear()
        found = batch(server, [link(spec) for spec in photos])
        assert all(one["url"].startswith(MEDIA_URL) for one in found)
        # Of each its record, its failure and the change of its source; and two of all.
        assert trips == [3 * len(photos) + 2]

    def test_forms_of_a_link(self, server: Server, photo: str, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        token = get_tokens().encrypt(spec_of())
        texts = [
            *(f"https://thumbs.example.com/{token}.jpg", f"{token}.jpg", token, f"/{token}.jpg"),
            *(f"{token}.jpg?v=2", f"https://thumbs.example.com/{token}.jpg?a=/b@#c\n"),
            *(f"{token}@2x.jpg", f"https://other.example.com/below/{token}@2x.jpg", f"{token}%402x.jpg"),
        ]
        once, twice = (server.get(f"/{token}{ending}")["Location"] for ending in (".jpg", "@2x.jpg"))
        assert [one["url"] for one in batch(server, texts)] == [once] * 6 + [twice] * 3

    def test_each_has_its_own_error(
        self, server: Server, photo: str, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        expired = Tokens([settings.THUMBNAIL_SECRET_KEY], 1, lambda: 1.0).encrypt(spec_of())
        texts = {
            link(spec_of()): 200,
            link(spec_of("photos/missing.jpg")): 404,
            link(spec_of(), "@3x"): 404,
            link(spec_of(), "@1" + "1" * 1000 + "x"): 403,
            f"{get_tokens().encrypt(spec_of())}.png": 403,
            f"{expired}.jpg": 410,
            "AAAA.jpg": 403,
            "": 403,
            "https://thumbs.example.com/": 403,
            "https://thumbs.example.com/?" + link(spec_of()): 403,
            "x" * 5000: 403,
            link(ThumbnailSpec(Source("s3", "secret", "a.jpg"), "10x10")): 403,
        }
        entries = batch(server, list(texts))
        assert [one.get("status", 200) for one in entries] == list(texts.values())
        assert entries[1]["error"] == "The image of this URL does not exist."
        assert all(("url" in one) != ("error" in one) for one in entries)
        # A line for each that opens, as if it had been asked for alone, and one for the batch.
        lines = [
            record
            for record in caplog.records
            if record.name == "shrinkmeister_server.observability.access_log"
        ]
        told = [vars(line)["request_log"] for line in lines]
        opened = [one["status"] for one in told[:-1]]
        assert opened == [200, 404, 404, 403]
        refused = len(texts) - len(opened)
        assert (told[-1]["status"], told[-1]["error"].split()[0]) == (200, str(refused))
        assert [one["outcome"] for one in told][:3] == ["made", "SourceMissingError", "ResolutionError"]
        assert told[-1]["outcome"] == "batch"
        assert {line.levelname for line in lines[1:]} == {"WARNING"}
        assert told[-1]["milliseconds"] >= sum(one["milliseconds"] for one in told[:-1]) - len(told)

    def test_time_is_for_making_alone(self, server: Server, photos: list[ThumbnailSpec]) -> None:
        links = [link(spec) for spec in photos]
        made = batch(server, links[::2])
        late = batch(server, links, seconds=0)
        assert late[::2] == made
        assert {(one["status"], one["error"]) for one in late[1::2]} == {
            (202, "There was no time to make this thumbnail; its own URL makes it.")
        }
        assert all("url" in one for one in batch(server, links, seconds=10.5))

    def test_what_has_failed_needs_no_time(self, server: Server, media: Path) -> None:
        links = [link(spec_of("photos/missing.jpg"))]
        assert [one["status"] for one in batch(server, links, seconds=0)] == [202]
        assert [one["status"] for one in batch(server, links)] == [404]
        assert [one["status"] for one in batch(server, links, seconds=0)] == [404]

    def test_time_that_is_over_on_the_way(
        self, server: Server, photos: list[ThumbnailSpec], settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_BATCH_SECONDS = 5
        now = 0.0
        render = rendering.render

        def slowly(*args: Any) -> Any:
            nonlocal now
            now += 2
            return render(*args)

        monkeypatch.setattr(pipeline, "render", slowly)
        monkeypatch.setattr("shrinkmeister_server.views.time", Mock(time=time, monotonic=lambda: now))
        # More than the server allows is cut.
        entries = batch(server, [link(spec) for spec in photos], seconds=1000)
        assert [one.get("status", 200) for one in entries] == [200] * 3 + [202] * 9

    def test_what_is_due_is_looked_for(
        self, server: Server, media: Path, photos: list[ThumbnailSpec], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The records say that it is stored, and the bucket has lost it."""
        links = [link(spec) for spec in photos[:3]]
        made = batch(server, links)
        for one in made:
            (media / one["url"].removeprefix(MEDIA_URL)).unlink()
        cache = get_shared_cache()
        monkeypatch.setattr(cache, "coordination", replace(cache.coordination, check_ttl=0))
        assert {one["status"] for one in batch(server, links, seconds=0)} == {202}
        assert batch(server, links) == made
        assert all((media / one["url"].removeprefix(MEDIA_URL)).is_file() for one in made)

    def test_what_nobody_thought_of(
        self,
        server: Server,
        photos: list[ThumbnailSpec],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        render = rendering.render
        monkeypatch.setattr(
            pipeline,
            "render",
            lambda data, spec, *rest: 1 / 0 if spec == photos[1] else render(data, spec, *rest),
        )
        entries = batch(server, [link(spec) for spec in photos[:3]])
        assert [one.get("status", 200) for one in entries] == [200, 500, 200]
        assert entries[1]["error"] == "The server failed."
        (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
        told = vars(line)["request_log"]
        assert (told["status"], told["outcome"]) == (500, "ZeroDivisionError")
        assert told["key"] == record_key(photos[1]).removeprefix("t1:")
        assert line.exc_info
        assert line.exc_info[0] is ZeroDivisionError

    def test_one_of_a_process_makes_thumbnails(self, server: Server, photos: list[ThumbnailSpec]) -> None:
        """Or some of them would hold all threads, and nobody else would be answered."""
        links = [link(spec) for spec in photos]
        made = batch(server, links[:3])
        with get_limiter().batch() as first, get_limiter().batch() as second:
            assert (first, second) == (True, False)
            late = batch(server, links)
        assert late[:3] == made
        assert {one["status"] for one in late[3:]} == {202}
        assert all("url" in one for one in batch(server, links))

    def test_one_twice_is_made_once(
        self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = Mock(wraps=rendering.render)
        monkeypatch.setattr(pipeline, "render", made)
        first, second = batch(server, [link(spec_of())] * 2)
        assert first == second
        assert made.call_count == 1

    @pytest.mark.outside
    def test_without_a_cache(self, server: Server, photos: list[ThumbnailSpec], settings: Any) -> None:
        settings.THUMBNAIL_CACHE_BACKEND = "redis"
        settings.THUMBNAIL_CACHE_NAME = "of no alias"
        settings.THUMBNAIL_CACHE_LOCATION = "redis://127.0.0.1:1/0"
        links = [link(spec) for spec in photos]
        assert all("url" in one for one in batch(server, links))

    def test_counted_each(self, server: Server, photos: list[ThumbnailSpec], settings: Any) -> None:
        settings.THUMBNAIL_METRICS = True
        text = 'shrinkmeister_requests_total{code="",outcome="%s",status="200"} '

        def count(outcome: str) -> float:
            lines = server.get("/metrics").content.decode().splitlines()
            return sum(float(line.split()[-1]) for line in lines if line.startswith(text % outcome))

        before = count("made"), count("batch")
        batch(server, [link(spec) for spec in photos])
        assert (count("made") - before[0], count("batch") - before[1]) == (len(photos), 1)

    def test_none(self, server: Server) -> None:
        assert batch(server, []) == []


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b" ", "The body is not JSON."),
            (b"{", "The body is not JSON."),
            (b"\xff", "The body is not JSON."),
            (b"[" * 100_000, "The body is not JSON."),
            (b'["AAAA.jpg"]', "The body is not {"),
            (b"{}", "The body is not {"),
            (b'{"thumbnails": "AAAA.jpg"}', "The body is not {"),
            (b'{"thumbnails": [1]}', "The body is not {"),
            (b'{"thumbnails": [["AAAA.jpg"]]}', "The body is not {"),
            *(
                (b'{"thumbnails": [], "seconds": %s}' % value, '"seconds" in the body')
                for value in (b"-1", b"true", b"null", b'"1"', b"NaN", b"Infinity", b"1e999")
            ),
        ],
    )
    def test_that_are_none(self, server: Server, body: bytes, said: str) -> None:
        answer = server.post("/thumbnails", body)
        assert answer.status_code == 400
        assert answer.json()["error"].startswith(said)
        assert answer["Cache-Control"] == "no-store"

    def test_too_many(self, server: Server, settings: Any) -> None:
        settings.THUMBNAIL_MAX_BATCH = 3
        assert len(batch(server, ["AAAA"] * 3)) == 3
        answer = server.post("/thumbnails", json.dumps({"thumbnails": ["AAAA"] * 4}).encode())
        assert (answer.status_code, answer.json()["code"]) == (413, "batch-too-large")

    def test_the_longest_that_may_be(self, server: Server) -> None:
        texts = ["https://thumbs.example.com/" + "A" * MAX_LENGTH + "@1.5x.jpg"] * 100
        assert len(batch(server, texts)) == 100

    @pytest.mark.parametrize("length", ["", "abc", "-1", "٣"])
    def test_of_no_length(self, server: Server, length: str) -> None:
        answer = server.post("/thumbnails", b'{"thumbnails": []}', **{"content-length": length})
        assert (answer.status_code, answer.json()["error"]) == (
            411,
            "The request has no Content-Length, without which no body is read.",
        )

    def test_more_than_is_read(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django.http.HttpRequest.body", property(lambda self: pytest.fail("read")))
        answer = server.post("/thumbnails", b" " * 1_000_000)
        assert answer.status_code == 413

    def test_of_a_length_of_thousands_of_digits(self, server: Server) -> None:
        answer = server.post("/thumbnails", b"{}", **{"content-length": "9" * 5000})
        assert answer.status_code == 413

    def test_without_batches(self, server: Server, settings: Any) -> None:
        settings.THUMBNAIL_MAX_BATCH = 0
        answer = server.post("/thumbnails", b'{"thumbnails": ["AAAA"]}')
        assert answer.status_code == 413

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_other_methods(self, server: Server, method: str) -> None:
        answer = server.ask(method, "/thumbnails")
        assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")


def test_by_http(tmp_path: Path, redis_location: str) -> None:
    """A server of its own, with its variables and with bodies of megabytes."""
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "dawn.jpg").write_bytes(picture())
    location = {"location": str(tmp_path / "media"), "base_url": MEDIA_URL}
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": location}
    variables = {
        "THUMBNAIL_SECRET_KEY": "nQ7xV2mLr9TzKc4WbY8jHs3DfPg6UaE1",
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        "THUMBNAIL_MAX_BATCH": "1000",
        "THUMBNAIL_BATCH_SECONDS": "60",
        "STORAGES": json.dumps({"default": storage}),
    }
    tokens = Tokens([variables["THUMBNAIL_SECRET_KEY"]])
    links = [f"{tokens.encrypt(spec_of('dawn.jpg', f'{width}x20'))}.jpg" for width in range(20, 30)]
    padding = ["A" * MAX_LENGTH] * 990
    with running_thumbnail_server(tmp_path, variables) as server:

        def post(texts: Sequence[str], **fields: Any) -> Any:
            body = {"thumbnails": texts, **fields}
            return urllib3.request("POST", f"{server.url}/thumbnails", json=body, timeout=60)

        answer = post([*links, *padding])
        entries = answer.json()["thumbnails"]
        assert [one.get("width") for one in entries] == [*range(20, 30), *[None] * 990]
        assert post(links).json()["thumbnails"] == entries[:10]
        assert post(["AAAA"] * 1001).status == 413
        told = urllib3.request("GET", f"{server.url}/{links[0]}", headers={"Accept": JSON}, timeout=60)
        assert told.json() == entries[0]
        assert (tmp_path / "media" / told.json()["url"].removeprefix(MEDIA_URL)).is_file()


def test_the_time_of_a_part() -> None:
    now = 1.0
    timing = Timing(lambda: now)
    now = 3.0
    timing.stop()
    now = 10.0
    assert timing.total() == 2.0


def test_nobody_is_let_in_by_a_batch(server: Server, photo: str) -> None:
    """Tokens of another secret, and no secret of ours in what is said."""
    tokens = Tokens(["another secret, which is long enough too"])
    entries = batch(server, [f"{tokens.encrypt(spec_of())}.jpg"])
    assert [(one["status"], one["code"]) for one in entries] == [(403, "token")]
