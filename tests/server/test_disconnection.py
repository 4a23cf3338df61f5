"""If a client closes its connection, the server stops making its thumbnail, and remembers no failure."""

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server.disconnection import client_watch, is_closed
from tests.server.test_in_flight import SECONDS, SPEC, Stage, wait_for_followers
from tests.server.test_in_flight import stage as stage  # a fixture
from tests.servers.canned import answering
from tests.servers.process import HOST, wait_until
from tests.servers.thumbnails import ThumbnailServer, running_thumbnail_server, running_waitress
from tests.support.pictures import picture

pytestmark = pytest.mark.skipif(
    not hasattr(select, "POLLRDHUP"), reason="only Linux shows that a client has closed its connection"
)

Ends = tuple[socket.socket, socket.socket]
LOG = "shrinkmeister_server.observability.access_log"


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The server's end of a connection, and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


class TestConnection:
    @pytest.mark.parametrize("timeout", [None, 0, 60])
    def test_it_is_open_until_the_client_closes_it(self, ends: Ends, timeout: float | None) -> None:
        ours, theirs = ends
        ours.settimeout(timeout)
        assert not is_closed(ours)
        theirs.sendall(b"GET / HTTP/1.1")
        assert not is_closed(ours)
        theirs.close()
        assert is_closed(ours)
        # What the client has sent is still there.
        assert ours.recv(3) == b"GET"

    def test_a_socket_that_the_server_has_closed(self, ends: Ends) -> None:
        ends[0].close()
        assert is_closed(ends[0])

    def test_gunicorn_shows_the_socket(self, ends: Ends) -> None:
        is_gone = client_watch({"gunicorn.socket": ends[0]})
        assert not is_gone()
        ends[1].close()
        assert is_gone()

    @pytest.mark.parametrize("gone", [True, False])
    def test_waitress_shows_a_function(self, gone: bool) -> None:
        assert client_watch({"waitress.client_disconnected": lambda: gone})() is gone

    def test_other_servers_show_nothing(self) -> None:
        assert not client_watch({})()


@pytest.mark.makes_thumbnails
class TestRequest:
    def test_nothing_is_made_for_a_client_that_is_gone(
        self, stage: Stage, ends: Ends, caplog: pytest.LogCaptureFixture
    ) -> None:
        stage.leave.set()
        ends[1].close()
        with caplog.at_level("INFO", LOG):
            assert stage.visit(**{"gunicorn.socket": ends[0]}).result().status_code == 499
        assert stage.loads == []
        (record,) = [one for one in caplog.records if one.name == LOG]
        line = vars(record)["request_log"]
        assert (line["status"], line["outcome"], line["code"]) == (499, "ClientGoneError", "client-gone")
        assert record.levelname == "INFO"
        state = get_shared_cache().coordination.look_up(SPEC)
        assert (state.record, state.failure) == (None, None)
        # The lock is free.
        assert stage.visit().result().status_code == 302

    def test_a_source_is_not_decoded_for_a_client_that_left_while_it_was_read(
        self, stage: Stage, ends: Ends, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage.before_load = ends[1].close
        assert stage.visit(**{"gunicorn.socket": ends[0]}).result().status_code == 499
        assert stage.loads == [False]
        assert not stage.entered.is_set()

    def test_what_is_recorded_is_answered_without_a_look(self, stage: Stage, ends: Ends) -> None:
        stage.leave.set()
        assert stage.visit().result().status_code == 302
        ends[1].close()
        assert stage.visit(**{"gunicorn.socket": ends[0]}).result().status_code == 302

    def test_others_get_what_the_client_has_left(self, stage: Stage, ends: Ends) -> None:
        """The leader's client closes its connection while the source is read, and another one waits."""
        second: list[Any] = []

        def leave() -> None:
            if not second:
                second.append(stage.visit())
                wait_for_followers(1)
                ends[1].close()

        stage.before_load = leave
        stage.leave.set()
        first = stage.visit(**{"gunicorn.socket": ends[0]})
        assert first.result(SECONDS).status_code == 302
        assert second[0].result(SECONDS).status_code == 302
        assert stage.loads == [False]

    def test_one_that_waits_and_leaves(self, stage: Stage, ends: Ends) -> None:
        first = stage.visit()
        assert stage.entered.wait(SECONDS)
        second = stage.visit(**{"gunicorn.socket": ends[0]})
        wait_for_followers(1)
        ends[1].close()
        assert second.result(SECONDS).status_code == 499
        stage.leave.set()
        assert first.result().status_code == 302

    def test_a_batch(self, stage: Stage, ends: Ends) -> None:
        ends[1].close()
        answer = stage.post({"gunicorn.socket": ends[0]}).result()
        (entry,) = answer.json()["thumbnails"]
        assert (entry["status"], entry["code"]) == (499, "client-gone")
        assert stage.loads == []


class Host:
    """A web server of one picture, which it holds back until `leave` is set."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()


@contextmanager
def running_host() -> Iterator[tuple[str, Host]]:
    host, data = Host(), picture((400, 300))

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        host.entered.set()
        assert host.leave.wait(SECONDS)
        return 200, {}, data

    with answering(answer) as url:
        try:
            yield url.removeprefix("http://"), host
        finally:
            host.leave.set()


Running = Callable[[Path, dict[str, str]], AbstractContextManager[ThumbnailServer]]


@pytest.mark.outside
@pytest.mark.makes_thumbnails
@pytest.mark.parametrize("running", [running_thumbnail_server, running_waitress])
def test_servers_notice_it(running: Running, tmp_path: Path, redis_location: str) -> None:
    secret = "the secret of a server whose clients leave, long enough"
    folder = {"location": str(tmp_path / "media"), "base_url": "https://example.com/media/"}
    backend = "django.core.files.storage.FileSystemStorage"
    with running_host() as (address, host):
        variables = {
            "THUMBNAIL_SECRET_KEY": secret,
            "THUMBNAIL_CACHE_LOCATION": redis_location,
            "STORAGES": json.dumps({"default": {"BACKEND": backend, "OPTIONS": folder}}),
            "THUMBNAIL_SOURCES": f"http://{address}",
            "THUMBNAIL_PRIVATE_HOSTS": address,
        }
        spec = ThumbnailSpec(Source("http", address, "dawn.jpg"), "100x80", {"crop": "center"})
        path = f"/{Tokens([secret]).encrypt(spec)}.jpg"
        with running(tmp_path, variables) as server:
            port = int(server.url.rpartition(":")[2])
            with socket.create_connection((HOST, port)) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                assert host.entered.wait(SECONDS)
            host.leave.set()
            wait_until(lambda: "499 ClientGoneError" in server.log.read_text(), "the log", SECONDS)
            line = next(one for one in server.log.read_text().splitlines() if "499" in one)
            assert "fetch=" in line
            assert "resize=" not in line
