"""One line in the log for each request of the server, as text and as JSON; and nothing of a token in it."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import urllib3

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import DAY, get_tokens
from shrinkmeister.doctor.messages import EXAMINE, Question, get_message_cipher
from shrinkmeister.exceptions import DriverError, StorageError
from shrinkmeister.protocol.keys import digest
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server import health, pipeline, served
from shrinkmeister_server.engines.pillow import Engine
from shrinkmeister_server.observability.log_formatters import DjangoErrorFilter, EmfFormatter, JsonFormatter
from shrinkmeister_server.observability.timing import MAKING
from tests.conf.test_environment import NEEDED
from tests.servers.thumbnails import running_thumbnail_server
from tests.support.pictures import picture
from tests.support.sides import Server

SPEC = ThumbnailSpec(Source("storage", "default", "photos/dawn.jpg"), "300x200", {"crop": "center"})
GONE = ThumbnailSpec(Source("storage", "default", "photos/gone.jpg"), "300x200")
FIELDS = ["status", "outcome", "milliseconds", "method", "source", "key", "phases"]
SEEN = "2024-05-06T07:08:09.123+00:00"


def url_of(spec: ThumbnailSpec = SPEC) -> str:
    return f"/{get_tokens().encrypt(spec)}.{spec.extension}"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    # As settings.py sets them.
    for name in ("django.request", "django.security.DisallowedHost"):
        caplog.set_level(logging.CRITICAL, name)
    caplog.set_level(logging.INFO, "shrinkmeister_server")
    return caplog


def request_log(log: pytest.LogCaptureFixture) -> dict[str, Any]:
    """The fields of the one line."""
    (record,) = log.records
    assert record.name == "shrinkmeister_server.observability.access_log"
    log.clear()
    return {"level": record.levelname, "text": record.getMessage(), **vars(record)["request_log"]}


class TestOutcomes:
    def test_of_a_thumbnail_that_is_made_and_then_found(
        self, server: Server, photo: str, log: pytest.LogCaptureFixture
    ) -> None:
        server.get(url_of())
        made = request_log(log)
        assert (made["level"], made["status"], made["outcome"]) == ("INFO", 302, "made")
        assert (made["source"], made["key"]) == (digest(SPEC.source.canonical), digest(SPEC.canonical))
        assert made["phases"].keys() >= MAKING
        server.head(url_of())
        found = request_log(log)
        assert (found["outcome"], found["method"], [*found["phases"]]) == ("found", "HEAD", ["lookup"])
        assert found["text"] == (
            f"302 found {found['milliseconds']}ms HEAD source={made['source']} key={made['key']} "
            f"lookup={found['phases']['lookup']}"
        )

    @pytest.mark.parametrize("due", [False, True], ids=["a lost cache", "time to look"])
    def test_of_one_that_the_bucket_has(
        self,
        server: Server,
        photo: str,
        settings: Any,
        log: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        due: bool,
    ) -> None:
        server.get(url_of())
        log.clear()
        if due:
            get_shared_cache().coordination.distrust()
            settings.THUMBNAIL_CHECK_TTL = 1
            shared = get_shared_cache()
            later = time.time() + 10
            monkeypatch.setattr(shared.coordination, "now", lambda: later)
        else:
            get_shared_cache().connection.driver.delete_many(
                [f"shrinkmeister:{key}" for key in (f"t1:{digest(SPEC.canonical)}", "complete")]
            )
        server.get(url_of())
        assert request_log(log)["outcome"] == "stored"

    def test_of_one_that_cannot_be_looked_for(
        self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
    ) -> None:
        """It is served as it is recorded; the other line is of that."""
        server.get(url_of())
        log.clear()
        shared = get_shared_cache()
        monkeypatch.setattr(shared.coordination, "now", lambda: time.time() + 30 * DAY)
        monkeypatch.setattr(served, "find_stored", Mock(side_effect=StorageError("the storage sleeps")))
        server.get(url_of())
        warned, told = log.records
        assert "the storage sleeps" in warned.getMessage()
        assert vars(told)["request_log"]["outcome"] == "found"

    def test_of_one_that_another_server_makes(
        self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
    ) -> None:
        coordination = get_shared_cache().coordination
        lock = coordination.lock

        def late(spec: ThumbnailSpec, seconds: int) -> bool | None:
            monkeypatch.setattr(coordination, "lock", lock)
            pipeline.make_for_site(spec)
            return lock(spec, seconds)

        monkeypatch.setattr(coordination, "lock", late)
        server.get(url_of())
        assert request_log(log)["outcome"] == "waited"

    def test_of_a_source_that_is_missing(
        self, server: Server, photo: str, log: pytest.LogCaptureFixture
    ) -> None:
        server.get(url_of(GONE))
        gone = request_log(log)
        assert (gone["level"], gone["status"], gone["outcome"]) == ("WARNING", 404, "SourceMissingError")
        assert gone["code"] == "source-missing"
        assert " code=source-missing " in gone["text"]
        assert gone["key"] == digest(GONE.canonical)
        assert gone["error"] == "the storage has no such file"
        assert gone["text"].endswith(": the storage has no such file")

    def test_of_a_storage_that_fails(
        self, server: Server, media: Path, photo: str, log: pytest.LogCaptureFixture
    ) -> None:
        (media / "cache").write_bytes(b"a file where the folder should be")
        server.get(url_of())
        failed = request_log(log)
        assert (failed["level"], failed["status"], failed["outcome"]) == ("ERROR", 502, "StorageError")

    @pytest.mark.usefixtures("media")
    def test_of_a_token_that_does_not_open(self, server: Server, log: pytest.LogCaptureFixture) -> None:
        server.get("/AAAA.jpg")
        refused = request_log(log)
        assert (refused["level"], refused["outcome"]) == ("WARNING", "TokenError")
        assert (refused["source"], refused["key"], refused["phases"]) == ("-", "-", {})

    def test_of_what_nobody_thought_of(
        self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
    ) -> None:
        """One line, with its traceback, and with the digests."""
        monkeypatch.setattr(pipeline, "load", Mock(side_effect=RuntimeError("a surprise")))
        server.get(url_of())
        (record,) = log.records
        assert "RuntimeError: a surprise" in JsonFormatter().format(record)
        surprise = request_log(log)
        assert (surprise["level"], surprise["status"], surprise["outcome"]) == (
            "ERROR",
            500,
            "RuntimeError",
        )
        assert surprise["code"] == "server-error"
        assert surprise["key"] == digest(SPEC.canonical)


class TestOthers:
    """Robots ask for anything: a line, and no warning."""

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/robots.txt", 404), ("GET", "/wp-login.php?a=b", 404), ("POST", "/AAAA.jpg", 405)],
    )
    def test_what_is_none_of_ours(
        self, server: Server, log: pytest.LogCaptureFixture, method: str, path: str, status: int
    ) -> None:
        server.ask(method, path)
        told = request_log(log)
        assert (told["level"], told["status"], told["outcome"]) == ("INFO", status, "-")

    def test_another_host_is_named(self, server: Server, log: pytest.LogCaptureFixture) -> None:
        """ALLOWED_HOST may be what is wrong."""
        server.get(url_of(), host="elsewhere.example.com")
        told = request_log(log)
        assert (told["level"], told["status"], told["outcome"]) == ("INFO", 400, "DisallowedHost")
        assert told["code"] == "bad-request"
        assert "'elsewhere.example.com'" in told["error"]

    @pytest.mark.usefixtures("media")
    def test_the_health_is_told_of_when_it_is_bad(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(health, "HEALTH_SECONDS", 0)
        server.get("/healthz")
        server.get("/livez")
        assert log.records == []
        monkeypatch.setattr(
            get_shared_cache().connection, "check", Mock(side_effect=DriverError("refused\n302 made"))
        )
        server.get("/healthz")
        told = request_log(log)
        assert (told["level"], told["status"], told["outcome"]) == ("ERROR", 503, "Unhealthy")
        assert told["code"] == "unhealthy"
        assert told["error"] == "cache: refused 302 made"

    @pytest.mark.usefixtures("media")
    def test_the_doctors_request_is_examined_whatever_it_finds(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
    ) -> None:
        def examined() -> dict[str, Any]:
            question = Question(ask=EXAMINE, nonce="n" * 22, time=int(time.time()))
            sealed = get_message_cipher().encrypt_question(question)
            assert server.get(f"/doctor/{sealed}").status_code == 200
            (record,) = (one for one in log.records if hasattr(one, "request_log"))
            log.clear()
            return dict(vars(record)["request_log"])

        assert (examined()["outcome"], "code" in examined()) == ("examined", False)
        monkeypatch.setattr(get_shared_cache().notes, "note", Mock(side_effect=DriverError("refused")))
        told = examined()
        assert (told["status"], told["outcome"]) == (200, "examined")
        assert (told["code"], told["error"]) == ("unhealthy", "refused")


class TestFloods:
    """What is refused has one line, however much of it a client sends."""

    def test_a_batch_of_garbage(self, server: Server, photo: str, log: pytest.LogCaptureFixture) -> None:
        texts = ["AAAA.jpg", "x" * 4000, "", url_of()[:-8] + "AAAA.jpg"] * 25
        answer = server.post("/thumbnails", json.dumps({"thumbnails": texts}).encode())
        assert {one["status"] for one in answer.json()["thumbnails"]} == {403}
        told = request_log(log)
        assert (told["level"], told["status"], told["outcome"]) == ("WARNING", 200, "batch")
        assert told["error"].startswith("100 ")
        assert len(told["text"]) < 300

    def test_some_garbage_in_a_batch(
        self, server: Server, photo: str, log: pytest.LogCaptureFixture
    ) -> None:
        texts = ["AAAA.jpg", url_of(), "BBBB.jpg"]
        answer = server.post("/thumbnails", json.dumps({"thumbnails": texts}).encode())
        assert [one.get("status", 200) for one in answer.json()["thumbnails"]] == [403, 200, 403]
        made, whole = (vars(record)["request_log"] for record in log.records)
        assert (made["outcome"], whole["outcome"]) == ("made", "batch")
        assert whole["error"].startswith("2 ")

    def test_a_method_and_a_host(self, server: Server, log: pytest.LogCaptureFixture) -> None:
        server.ask("A" * 5000, "/nothing", host="h" * 5000)
        told = request_log(log)
        assert told["outcome"] == "DisallowedHost"
        assert (len(told["method"]) < 25, 1000 <= len(told["error"]) < 1100) == (True, True)
        server.ask("\x1b[31m\n302", "/nothing")
        assert request_log(log)["method"] == " [31M 302"


class TestForms:
    def record(self, request_log: dict[str, Any] | None = None, **more: Any) -> logging.LogRecord:
        record = logging.LogRecord("a.logger", logging.WARNING, __file__, 1, "two\nlines %s", ("x",), None)
        record.created = datetime.fromisoformat(SEEN).timestamp()
        vars(record).update({**({"request_log": request_log} if request_log else {}), **more})
        return record

    def request_log(self, outcome: str = "made") -> dict[str, Any]:
        phases = {"lookup": 0.5, "wait": 1.0, "fetch": 2.0, "decode": 10.5}
        return dict(zip(FIELDS, (302, outcome, 15.0, "GET", "a" * 32, "b" * 32, phases), strict=True))

    def test_json_is_one_object_a_line(self) -> None:
        line = JsonFormatter().format(self.record())
        assert "\n" not in line
        assert json.loads(line) == {
            "time": SEEN,
            "level": "WARNING",
            "logger": "a.logger",
            "message": "two\nlines x",
        }

    def test_a_traceback_is_inside(self) -> None:
        try:
            raise RuntimeError("no\ngood")
        except RuntimeError:
            line = JsonFormatter().format(self.record(exc_info=sys.exc_info()))
        assert "\n" not in line
        assert json.loads(line)["traceback"].startswith("Traceback")

    def test_a_request_has_its_fields_instead_of_a_message(self) -> None:
        told = json.loads(JsonFormatter().format(self.record(self.request_log())))
        assert list(told) == ["time", "level", "logger", *FIELDS]

    @pytest.mark.parametrize("outcome", ["made", "found"])
    def test_cloudwatch_finds_its_metrics(self, outcome: str) -> None:
        """What AWS documents: each metric and each dimension is a member of the line, of the right kind."""
        told = json.loads(EmfFormatter().format(self.record(self.request_log(outcome))))
        assert told["_aws"].keys() == {"Timestamp", "CloudWatchMetrics"}
        assert told["_aws"]["Timestamp"] == 1_714_979_289_123
        (directive,) = told["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], directive["Dimensions"]) == ("Shrinkmeister", [["outcome"]])
        assert isinstance(told["outcome"], str)
        metrics = {one["Name"]: (one["Unit"], told[one["Name"]]) for one in directive["Metrics"]}
        made = {"Made": ("Count", 1), "MakingMilliseconds": ("Milliseconds", 12.5)}
        expected = {"Requests": ("Count", 1), "Milliseconds": ("Milliseconds", 15.0)}
        assert metrics == {**expected, **(made if outcome == "made" else {})}

    def test_other_lines_are_no_metrics(self) -> None:
        assert json.loads(EmfFormatter().format(self.record())).keys() == {
            "time",
            "level",
            "logger",
            "message",
        }


class SurprisingEngine(Engine):
    def create(self, *args: Any) -> Any:
        raise AttributeError("a surprise")


@pytest.fixture
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """gunicorn with a LOG_FORMAT: that, where it is, and its log."""
    (tmp_path / "photos").mkdir()
    (tmp_path / SPEC.source.name).write_bytes(picture())
    variables = {
        "THUMBNAIL_SECRET_KEY": NEEDED["THUMBNAIL_SECRET_KEY"],
        "THUMBNAIL_CACHE_LOCATION": "redis://127.0.0.1:1/0",
        "STORAGES": json.dumps(
            {
                "default": {
                    "BACKEND": "django.core.files.storage.FileSystemStorage",
                    "OPTIONS": {"location": str(tmp_path), "base_url": "https://example.com/"},
                }
            }
        ),
        "THUMBNAIL_ENGINE": "tests.server.observability.test_access_log.SurprisingEngine",
        "LOG_FORMAT": request.param,
        # As docs/reference/logs-and-metrics.md has it.
        "GUNICORN_CMD_ARGS": f"--config {tmp_path}/gunicorn.conf.py",
    }
    (tmp_path / "gunicorn.conf.py").write_text(
        "from shrinkmeister_server.settings import LOGGING as logconfig_dict"
    )
    with running_thumbnail_server(tmp_path, variables, workers=1) as server:
        yield request.param, server.url, server.log


@pytest.mark.outside
@pytest.mark.makes_thumbnails
@pytest.mark.parametrize("running", ["text", "json", "emf"], indirect=True)
def test_nothing_of_a_token_is_in_the_log(running: tuple[str, str, Path], settings: Any) -> None:
    """Of a real server, whatever comes of the request: no path, no token, no secret; in one form."""
    form, url, log = running
    settings.THUMBNAIL_SECRET_KEY = NEEDED["THUMBNAIL_SECRET_KEY"]
    paths = [url_of(GONE), url_of(SPEC), "/A" + url_of(GONE)[1:], "/healthz", "/not/there.jpg"]
    answers = [urllib3.request("GET", url + path, retries=False, timeout=60).status for path in paths]
    assert answers == [404, 500, 403, 503, 404]
    text = log.read_text()
    for path in paths:
        assert path.partition(".")[0][:40] not in text
    assert SPEC.source.name not in text
    assert GONE.source.name not in text
    assert NEEDED["THUMBNAIL_SECRET_KEY"] not in text
    if form == "text":
        told = [line.split()[2] for line in text.splitlines() if "observability.access_log" in line]
        assert told == [str(status) for status in (404, *answers)]
        return
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0]["logger"] == "gunicorn.error"
    requests = [one for one in lines if "status" in one]
    assert [one["status"] for one in requests] == [404, *answers]
    assert ["_aws" in one for one in requests] == [form == "emf"] * 6
    assert [one["outcome"] for one in lines if "traceback" in one] == ["AttributeError"]


def failing_middleware(get_response: Any) -> Any:
    def fail(request: Any) -> None:
        raise RuntimeError("a surprise")

    return fail


@pytest.mark.parametrize("around", [True, False], ids=["around the views", "in a view"])
def test_an_error_that_nobody_thought_of_is_told_once_and_without_the_path(
    server: Server,
    photo: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    around: bool,
) -> None:
    """By Django, whose line is of before ours, or by ours, which has the digests too."""
    if around:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.failing_middleware"]
    monkeypatch.setattr(pipeline, "load", Mock(side_effect=RuntimeError("a surprise")))
    monkeypatch.setattr(logging.getLogger("django.request"), "filters", [DjangoErrorFilter()])
    url = url_of()
    assert server.get(url).status_code == 500
    lines = [JsonFormatter().format(record) for record in caplog.records]
    assert [json.loads(line)["logger"] for line in lines] == [
        *(["django.request"] if around else []),
        "shrinkmeister_server.observability.access_log",
    ]
    assert "".join(lines).count("RuntimeError: a surprise") == 1
    assert url[1:41] not in "".join(lines)
