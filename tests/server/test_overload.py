"""More than a process can do: it says so, and nobody holds it for long."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client

from shrinkmeister.exceptions import OverloadError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server import pipeline
from shrinkmeister_server.limiter import Limiter, get_limiter
from shrinkmeister_server.rendering import render as rendering
from tests.servers.process import HOST, wait_until
from tests.servers.thumbnails import ThumbnailServer, running_thumbnail_server
from tests.support.pages import lazy
from tests.support.pictures import encoded, photograph
from tests.support.sides import Server

pytestmark = [
    pytest.mark.outside,
    pytest.mark.makes_thumbnails,
    pytest.mark.survives("floods and slow clients"),
]

SECRET = "the secret of a server that is flooded, long enough"


class TestGate:
    def test_so_many_are_in_and_so_many_wait(self) -> None:
        limiter = Limiter(1, 1)
        entered, leave = threading.Event(), threading.Event()

        def stay() -> None:
            with limiter.slot(60):
                entered.set()
                assert leave.wait(60)

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(stay)
            assert entered.wait(60)
            second = threads.submit(stay)
            wait_until(lambda: limiter._waiting._value == 0, "the second to wait", 60)
            with pytest.raises(OverloadError, match="1 requests wait already"), limiter.slot(60):
                pass
            leave.set()
            first.result()
            second.result()
        with limiter.slot(0):
            pass

    def test_waiting_has_an_end(self) -> None:
        limiter = Limiter(1, 1)
        with limiter.slot(0):
            for _ in range(2):
                with pytest.raises(OverloadError, match="in 0 s"), limiter.slot(0):
                    pass

    def test_what_fails_gives_its_place_back(self) -> None:
        limiter = Limiter(1, 0)
        for _ in range(3):
            with pytest.raises(KeyError), limiter.slot(0):
                raise KeyError


def test_the_server_sends_away_whom_it_cannot_serve(
    media: Path, server: Server, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.THUMBNAIL_MAX_MAKING = 1
    settings.THUMBNAIL_MAX_WAITING = 1
    storages["default"].save("photos/dawn.jpg", ContentFile(encoded(photograph((400, 300)), "JPEG")))
    entered, leave = threading.Event(), threading.Event()

    def render(*args: Any) -> Any:
        entered.set()
        assert leave.wait(60)
        return rendering.render(*args)

    monkeypatch.setattr(pipeline, "render", render)
    urls = [lazy("photos/dawn.jpg", f"{width}").url for width in (100, 101, 102)]
    with ThreadPoolExecutor(2) as visitors:

        def visit(url: str) -> Any:
            path = url.removeprefix("https://thumbs.example.com")
            return Client().get(path, secure=True, headers={"host": "thumbs.example.com"})

        first = visitors.submit(visit, urls[0])
        assert entered.wait(60)
        second = visitors.submit(visit, urls[1])
        limiter = get_limiter()
        wait_until(lambda: limiter._waiting._value == 0, "the second to wait", 60)
        away = server.get(urls[2])
        assert (away.status_code, away["Retry-After"]) == (503, "10")
        # What is made already needs no place.
        leave.set()
        assert first.result().status_code == 302
        assert second.result().status_code == 302
    assert server.get(urls[2]).status_code == 302  # it has left no lock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos/dawn.jpg").write_bytes(encoded(photograph((3000, 2000)), "JPEG", quality=85))
    return folder


@pytest.fixture
def variables(folder: Path, redis_location: str) -> dict[str, str]:
    options = f'{{"location": "{folder}", "base_url": "https://example.com/media/"}}'
    backend = "django.core.files.storage.FileSystemStorage"
    return {
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        "STORAGES": f'{{"default": {{"BACKEND": "{backend}", "OPTIONS": {options}}}}}',
    }


def url_of(server: ThumbnailServer, number: int) -> str:
    spec = ThumbnailSpec(Source("storage", "default", "photos/dawn.jpg"), "300x200", {"version": number})
    return f"{server.url}/{Tokens([SECRET]).encrypt(spec)}.jpg"


def get(url: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", url, redirect=False, retries=False, timeout=60)


def test_a_flood(tmp_path: Path, variables: dict[str, str]) -> None:
    """100 visitors at one process of 32 threads: each is served, or told to come again."""
    variables |= {"THUMBNAIL_MAX_MAKING": "2", "THUMBNAIL_MAX_WAITING": "6"}
    with (
        running_thumbnail_server(tmp_path, variables, workers=1, threads=32) as server,
        ThreadPoolExecutor(100) as visitors,
    ):
        urls = [url_of(server, number) for number in range(100)]
        answers = list(visitors.map(get, urls))
        statuses = [answer.status for answer in answers]
        assert set(statuses) == {302, 503}, server.log.read_text()
        assert {answer.headers.get("Retry-After") for answer in answers if answer.status == 503} == {"10"}
        # Those who come again are served, and those who were are known.
        left = [url for url, status in zip(urls, statuses, strict=True) if status == 503]
        for _ in range(len(left)):
            left = [url for url in left if get(url).status != 302]
        assert left == []


@pytest.fixture
def busy(tmp_path: Path, variables: dict[str, str]) -> Iterator[ThumbnailServer]:
    with running_thumbnail_server(tmp_path, variables, workers=1, threads=2) as server:
        yield server


def test_clients_that_do_not_read_hold_no_thread(busy: ThumbnailServer) -> None:
    """An answer fits into what the kernel keeps for a connection."""
    path = url_of(busy, 0).removeprefix(busy.url)
    port = int(busy.url.rpartition(":")[2])
    with ExitStack() as clients:
        for _ in range(20):
            client = clients.enter_context(socket.create_connection((HOST, port)))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert get(url_of(busy, 0)).status == 302
        assert get(url_of(busy, 1)).status == 302
