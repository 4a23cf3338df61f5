"""Requests for one thumbnail in one process: one makes it, the others get what came of it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client

from shrinkmeister import exceptions as errors
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_tokens
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server import pipeline
from shrinkmeister_server.in_flight import InFlight, get_in_flight
from shrinkmeister_server.limiter import get_limiter
from shrinkmeister_server.loaders.load import load
from shrinkmeister_server.rendering.render import render
from tests.servers.process import wait_until
from tests.support.pictures import picture
from tests.support.sides import Server

SECONDS = 60
FOREVER = float("inf")
NAME = "photos/dawn.jpg"
SPEC = ThumbnailSpec(Source("storage", "default", NAME), "100x80", {"crop": "center"})


def never() -> bool:
    return False


class TestInFlight:
    def test_followers_get_what_the_leader_makes(self) -> None:
        in_flight = InFlight[str]()
        making, leads = in_flight.join("key")
        assert leads
        assert in_flight.join("key") == (making, False)
        assert in_flight.join("another key")[1]
        assert in_flight.lead(making, lambda: "made") == "made"
        assert in_flight.follow(making, 0, never)
        assert (making.result, making.error, making.followers) == ("made", None, 0)
        assert in_flight.join("key")[1]

    def test_followers_get_the_error_of_the_leader(self) -> None:
        in_flight = InFlight[str]()
        making, _ = in_flight.join("key")

        def fail() -> str:
            raise KeyError

        with pytest.raises(KeyError):
            in_flight.lead(making, fail)
        assert in_flight.follow(making, 0, never)
        assert isinstance(making.error, KeyError)

    def test_a_leader_that_is_stopped_leaves_its_place(self) -> None:
        in_flight = InFlight[str]()
        making, _ = in_flight.join("key")

        def stop() -> str:
            raise SystemExit

        with pytest.raises(SystemExit):
            in_flight.lead(making, stop)
        assert (making.result, making.error) == (None, None)
        assert in_flight.join("key")[1]

    def test_waiting_has_an_end(self) -> None:
        in_flight = InFlight[str]()
        making, _ = in_flight.join("key")
        assert not in_flight.follow(making, time.monotonic(), never)
        assert making.followers == 0

    def test_a_client_that_is_gone_does_not_wait(self) -> None:
        in_flight = InFlight[str]()
        making, _ = in_flight.join("key")
        assert not in_flight.follow(making, FOREVER, lambda: True)
        assert making.followers == 0

    def test_only_what_nobody_follows_is_abandoned(self) -> None:
        in_flight = InFlight[str]()
        making, _ = in_flight.join("key")
        abandoned = []

        def is_gone() -> bool:
            abandoned.append(in_flight.abandon(making))
            return True

        in_flight.follow(making, FOREVER, is_gone)
        assert abandoned == [False]
        assert in_flight.join("key") == (making, False)
        assert in_flight.abandon(making)
        assert in_flight.join("key")[1]

    def test_what_is_closed_has_no_more_followers(self) -> None:
        in_flight = InFlight[str]()
        making, _ = in_flight.join("key")
        in_flight.close(making)
        another, leads = in_flight.join("key")
        assert leads
        in_flight.lead(making, lambda: "made")
        assert in_flight.follow(making, 0, never)
        # The end of the first one does not remove the second one.
        assert in_flight.join("key") == (another, False)


class Stage:
    """Holds the leader while it renders, counts how often the source is read, and starts other visitors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()
        self.loads: list[bool] = []
        self.error: Exception | None = None
        self.before_load: Callable[[], object] = lambda: None
        self._threads = ThreadPoolExecutor(4)
        monkeypatch.setattr(pipeline, "load", self._load)
        monkeypatch.setattr(pipeline, "render", self._render)

    def _load(self, source: Source, anywhere: bool = False) -> bytes:
        self.loads.append(anywhere)
        self.before_load()
        return load(source, anywhere)

    def _render(self, *args: Any) -> Any:
        self.entered.set()
        assert self.leave.wait(SECONDS)
        if self.error:
            raise self.error
        return render(*args)

    def visit(self, **environ: Any) -> "Future[Any]":
        path, headers = f"/{get_tokens().encrypt(SPEC)}.jpg", {"host": "thumbs.example.com"}
        client = Client(raise_request_exception=False)
        return self._threads.submit(lambda: client.get(path, secure=True, headers=headers, **environ))

    def post(self, environ: dict[str, Any]) -> "Future[Any]":
        """A batch of that one thumbnail."""
        body = json.dumps({"thumbnails": [get_tokens().encrypt(SPEC)]})
        headers = {"host": "thumbs.example.com"}
        client = Client(raise_request_exception=False)
        return self._threads.submit(
            lambda: client.generic(
                "POST", "/thumbnails", body, "application/json", secure=True, headers=headers, **environ
            )
        )

    def start(self, call: Callable[[], Any]) -> "Future[Any]":
        return self._threads.submit(call)

    def close(self) -> None:
        self.leave.set()
        self._threads.shutdown()


def wait_for_followers(count: int) -> None:
    makings, key = get_in_flight()._makings, (SPEC, False)
    wait_until(lambda: key in makings and makings[key].followers == count, "the followers", SECONDS)


@pytest.fixture
def stage(media: Path, server: Server, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    storages["default"].save(NAME, ContentFile(picture((400, 300))))
    settings.THUMBNAIL_WAIT_SECONDS = SECONDS
    stage = Stage(monkeypatch)
    yield stage
    stage.close()


@pytest.mark.makes_thumbnails
class TestVisitors:
    def test_one_makes_and_the_others_wait(self, stage: Stage) -> None:
        first = stage.visit()
        assert stage.entered.wait(SECONDS)
        others = [stage.visit() for _ in range(3)]
        wait_for_followers(3)
        stage.leave.set()
        answers = [one.result() for one in (first, *others)]
        assert [answer.status_code for answer in answers] == [302] * 4
        assert len({answer["Location"] for answer in answers}) == 1
        assert stage.loads == [False]
        assert ["encode" in answer["Server-Timing"] for answer in answers] == [True, False, False, False]
        assert all("wait" in answer["Server-Timing"] for answer in answers[1:])

    def test_without_the_shared_cache(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: Any) -> Any:
            raise errors.DriverError("down")

        for method in ("get_many", "add", "set_many", "delete_many"):
            monkeypatch.setattr(get_shared_cache().connection.driver, method, fail)
        first = stage.visit()
        assert stage.entered.wait(SECONDS)
        second = stage.visit()
        wait_for_followers(1)
        stage.leave.set()
        assert (first.result().status_code, second.result().status_code) == (302, 302)
        assert stage.loads == [False]

    @pytest.mark.parametrize(
        ("error", "status"), [(errors.SourceInvalidError("broken"), 422), (ZeroDivisionError(), 500)]
    )
    def test_an_error_is_the_error_of_all(
        self, stage: Stage, settings: Any, error: Exception, status: int
    ) -> None:
        settings.THUMBNAIL_ERROR_TTL = 0
        stage.error = error
        first = stage.visit()
        assert stage.entered.wait(SECONDS)
        second = stage.visit()
        wait_for_followers(1)
        stage.leave.set()
        assert (first.result().status_code, second.result().status_code) == (status, status)
        assert stage.loads == [False]

    def test_a_leader_without_a_slot_leaves_its_place_to_a_follower(
        self, stage: Stage, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What overloads one request says nothing about the thumbnail."""
        stage.error = errors.OverloadError("no slot became free")
        first = stage.visit()
        assert stage.entered.wait(SECONDS)
        second = stage.visit()
        wait_for_followers(1)
        monkeypatch.setattr(pipeline, "render", render)
        stage.leave.set()
        assert first.result().status_code == 503
        assert second.result().status_code == 302
        assert stage.loads == [False, False]

    def test_a_follower_whose_time_is_over_goes_on_alone(self, stage: Stage, settings: Any) -> None:
        settings.THUMBNAIL_WAIT_SECONDS = 0
        first = stage.visit()
        assert stage.entered.wait(SECONDS)
        second = stage.visit()
        wait_until(lambda: len(stage.loads) == 2, "the second one to make it", SECONDS)
        stage.leave.set()
        assert (first.result().status_code, second.result().status_code) == (302, 302)

    def test_one_that_may_not_wait_does_not_follow(self, stage: Stage, settings: Any) -> None:
        settings.THUMBNAIL_MAX_WAITING = 0
        first = stage.visit()
        assert stage.entered.wait(SECONDS)
        assert stage.visit().result(SECONDS).status_code == 503
        assert get_in_flight()._makings[SPEC, False].followers == 0
        stage.leave.set()
        assert first.result().status_code == 302

    def test_a_site_does_not_share_what_a_browser_may_not_read(
        self, stage: Stage, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_SOURCES = ["s3://elsewhere"]
        entered, leave = threading.Event(), threading.Event()

        def hold(source: Source, anywhere: bool = False) -> bytes:
            if not anywhere:
                entered.set()
                assert leave.wait(SECONDS)
            return load(source, anywhere)

        monkeypatch.setattr(pipeline, "load", hold)
        stage.leave.set()
        browser = stage.visit()
        assert entered.wait(SECONDS)
        site = stage.start(lambda: pipeline.make_for_site(SPEC))
        limiter = get_limiter()
        wait_until(lambda: limiter._waiting._value < limiter._max_waiting, "the site to wait", SECONDS)
        leave.set()
        assert browser.result().status_code == 403
        assert site.result()[1].width == 100
