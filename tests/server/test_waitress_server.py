"""`python -m shrinkmeister_server serve`: no client holds a thread, and none a connection for long."""

import json
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.wasyncore import close_all, loop

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server import waitress_server
from shrinkmeister_server.waitress_server import (
    CLIENT_SECONDS,
    LOOK_SECONDS,
    MAX_HEADER_BYTES,
    Connection,
    Server,
)
from tests.conf.test_environment import manage
from tests.servers.faulty import Request, running_faulty, slow
from tests.servers.process import HOST, wait_until
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import ThumbnailServer, running_waitress
from tests.support.pictures import picture

pytestmark = pytest.mark.outside

SECRET = "the secret of a server of slow clients, long enough"
NAME = "thumbs.example.com"
HEADER = f"Host: {NAME}\r\n"
POST = f"POST /thumbnails HTTP/1.1\r\n{HEADER}"
GET = f"GET /nothing HTTP/1.1\r\n{HEADER}"


@dataclass(frozen=True)
class Slow:
    """A client that sends `first`, has the answer to it if there is one, and then sends `more` for ever."""

    first: str
    more: bytes = b""
    answered: bool = False


SLOW = {
    "nothing": Slow(""),
    "half a header": Slow(f"{GET}X: ", b"x"),
    "half a body": Slow(f"{POST}Content-Length: 900\r\n\r\n", b" "),
    "half a chunk": Slow(f"{POST}Transfer-Encoding: chunked\r\n\r\n300\r\n", b" "),
    "chunks": Slow(f"{POST}Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body for a GET": Slow(f"{GET}Content-Length: 900\r\n\r\n", b"x"),
    "a body to be asked for": Slow(f"{POST}Expect: 100-continue\r\nContent-Length: 900\r\n\r\n", b" "),
    "half of the next request": Slow(f"{GET}\r\n", b"X", answered=True),
    "no other request": Slow(f"{GET}\r\n", answered=True),
}
# More than kernels keep for a connection.
LARGE = 32_000_000
# What the application waits for at /held.
HELD = threading.Event()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/held":
        assert HELD.wait(60)
    body = b"x" * (LARGE if environ["PATH_INFO"] == "/large" else 1)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def readable(connection: Any) -> bool:
    """Whether the server has not read all that has come."""
    return bool(select.select([connection.socket], [], [], 0)[0])


class Driven:
    """A server in this thread, whose loop and whose clock the test moves."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.now = 0.0

    def connect(self, sent: str = "") -> socket.socket:
        before = {*self.server.active_channels.values()}
        client = socket.create_connection((HOST, int(self.server.effective_port)), 60)
        client.sendall(sent.encode())
        self.until(lambda: before < {*self.server.active_channels.values()})
        return client

    def until(self, condition: Callable[[], bool]) -> None:
        def moved() -> bool:
            loop(timeout=0, use_poll=True, map=self.server._map, count=1)
            return condition()

        wait_until(moved, "what a client does", 60)

    def received(self, client: socket.socket, least: int = 1) -> bytes:
        data = b""
        client.setblocking(False)

        def some() -> bool:
            nonlocal data
            try:
                more = client.recv(65536)
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
            data += more
            return not more or len(data) >= least

        self.until(some)
        return data

    def answered(self, client: socket.socket) -> bool:
        """Whether the application's one byte came; the server may send it after its header, by itself."""
        answer = self.received(client)
        while answer and not answer.endswith(b"\r\n\r\nx"):
            more = self.received(client)
            if not more:
                return False
            answer += more
        return answer.startswith(b"HTTP/1.1 200")

    def later(self, seconds: float) -> None:
        """So much time passes, in which the server looks at its clients as often as it does."""
        for _ in range(int(seconds / LOOK_SECONDS)):
            self.now += LOOK_SECONDS
            self.server._look_at_clients(self.now)

    @property
    def connections(self) -> int:
        return len(self.server.active_channels)


@contextmanager
def driven() -> Iterator[Driven]:
    server = Server(application, f"{HOST}:0", 1, 1000)
    try:
        yield Driven(server)
    finally:
        server.task_dispatcher.shutdown()
        close_all(server._map)


@pytest.fixture
def driver() -> Iterator[Driven]:
    with driven() as driver:
        yield driver


def test_waitress_has_what_serving_uses(driver: Driven) -> None:
    """The names that its documentation does not list."""
    overridden = (HTTPChannel.service, HTTPChannel.check_client_disconnected)
    for method in (*overridden, TcpWSGIServer.maintenance, TcpWSGIServer.run):
        assert callable(method)
    assert issubclass(TcpWSGIServer.channel_class, HTTPChannel)
    server = driver.server
    with driver.connect():
        (connection,) = server.active_channels.values()
        assert isinstance(connection, Connection)
        assert (connection.requests, connection.total_outbufs_len) == ([], 0)
        with connection.requests_lock:
            assert isinstance(HTTPRequestParser(Adjustments()).headers, dict)
        assert connection in server._map.values()
        assert server.accepting
        assert callable(server.pull_trigger)
        connection.handle_close()
        assert not server.active_channels


class TestTime:
    """The time of a client ends, whatever it sends meanwhile."""

    @pytest.mark.parametrize("kind", SLOW.values(), ids=SLOW)
    def test_of_sending(self, driver: Driven, kind: Slow) -> None:
        with driver.connect() as client:
            (connection,) = driver.server.active_channels.values()
            client.sendall(kind.first.encode())
            if kind.answered:
                assert driver.answered(client)
                driver.until(lambda: not connection.requests)
            for _ in range(CLIENT_SECONDS):
                driver.later(1)
                assert driver.connections == 1
                if kind.more:
                    client.sendall(kind.more)
                    driver.until(lambda: not readable(connection))
            driver.later(2)
            assert driver.connections == 0

    def test_of_taking_an_answer(self, driver: Driven) -> None:
        with driver.connect(f"GET /large HTTP/1.1\r\n{HEADER}\r\n") as client:
            (connection,) = driver.server.active_channels.values()
            driver.until(lambda: connection.total_outbufs_len > 0 and not connection.requests)
            for _ in range(CLIENT_SECONDS):
                # It takes some all the time.
                assert len(client.recv(1000)) > 0
                driver.later(1)
                assert driver.connections == 1
            assert connection.total_outbufs_len > 0
            driver.later(2)
            assert driver.connections == 0

    def test_begins_anew_with_each_answer(self, driver: Driven) -> None:
        with driver.connect() as client:
            for _ in range(3):
                driver.later(CLIENT_SECONDS)
                client.setblocking(True)
                client.sendall(f"GET / HTTP/1.1\r\n{HEADER}\r\n".encode())
                assert driver.answered(client)
                (connection,) = driver.server.active_channels.values()
                driver.until(lambda: not connection.requests)  # noqa: B023 - called here
            driver.later(CLIENT_SECONDS + 2)
            assert driver.connections == 0


def test_the_slowest_clients_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    # With the socket that listens and waitress' own.
    monkeypatch.setattr(waitress_server, "MAX_CONNECTIONS", 7)
    with driven() as driver, ExitStack() as clients:
        slow_ones = []
        for _ in range(20):
            slow_ones.append(clients.enter_context(driver.connect("GET / HTTP/1.1\r\nX:")))
            driver.later(LOOK_SECONDS)
            assert driver.connections < 6
        quick = clients.enter_context(driver.connect(f"GET / HTTP/1.1\r\n{HEADER}\r\n"))
        assert driver.answered(quick)
        # The first ones are closed, the last ones are not.
        assert slow_ones[0].recv(1) == b""
        slow_ones[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            slow_ones[-1].recv(1)


def test_the_end(driver: Driven) -> None:
    """What its thread does, and what waits for that, is answered; half of a request is not waited for."""
    with ExitStack() as clients:
        half = clients.enter_context(driver.connect("GET / HTTP/1.1\r\nX:"))
        whole = [clients.enter_context(driver.connect(f"GET /held HTTP/1.1\r\n{HEADER}\r\n")) for _ in "ab"]
        channels = driver.server.active_channels
        driver.until(lambda: sum(len(one.requests) for one in channels.values()) == 2)
        driver.server.stop()
        HELD.set()
        driver.server.run()
        assert driver.connections == 0
        assert [client.recv(12) for client in whole] == [b"HTTP/1.1 200"] * 2
        assert half.recv(12) == b""
        assert refuses(int(driver.server.effective_port))


class TestSizes:
    @pytest.mark.parametrize(("length", "status"), [(1000, b"200"), (1001, b"413"), (10**12, b"413")])
    def test_a_body_is_refused_by_its_length(self, driver: Driven, length: int, status: bytes) -> None:
        request = f"POST / HTTP/1.1\r\n{HEADER}Content-Length: {length}\r\n\r\n" + "x" * min(length, 1000)
        with driver.connect(request) as client:
            assert driver.received(client, 12)[9:12] == status

    def test_a_body_in_chunks_is_refused_at_its_limit(self, driver: Driven) -> None:
        chunks = "ff\r\n" + "x" * 255 + "\r\n"
        request = f"POST / HTTP/1.1\r\n{HEADER}Transfer-Encoding: chunked\r\n\r\n" + chunks * 5
        with driver.connect(request) as client:
            assert driver.received(client, 12)[9:12] == b"413"

    def test_a_header_is_refused_at_its_limit(self, driver: Driven) -> None:
        request = f"GET / HTTP/1.1\r\n{HEADER}X: " + "x" * MAX_HEADER_BYTES
        with driver.connect(request) as client:
            assert driver.received(client, 12)[9:12] == b"431"

    def test_of_many_at_once_one_is_answered(self, driver: Driven) -> None:
        """Or a client could queue hundreds, and read the answers of none."""
        with driver.connect(f"GET / HTTP/1.1\r\n{HEADER}\r\n" * 100) as client:
            answers = driver.received(client, LARGE)
            assert answers.count(b"HTTP/1.1 200") == 1
            assert b"Connection: close" in answers


def tokens_of(server: ThumbnailServer, bucket: str, geometry: str = "300x200") -> str:
    spec = ThumbnailSpec(Source("s3", bucket, "dawn.jpg"), geometry, {"crop": "center"})
    return f"{server.url}/{Tokens([SECRET]).encrypt(spec)}.jpg"


def get(url: str, **headers: str) -> urllib3.BaseHTTPResponse:
    given = {"Host": NAME, **headers}
    return urllib3.request("GET", url, headers=given, redirect=False, retries=False, timeout=600)


@pytest.fixture
def variables(
    s3_server: S3Server, s3_bucket: Callable[..., str], photos: str, redis_location: str
) -> dict[str, str]:
    return {
        "ALLOWED_HOST": NAME,
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        "THUMBNAIL_BUCKET": s3_bucket(public=True),
        "THUMBNAIL_SOURCES": f"s3://{photos}",
        **s3_server.variables,
    }


@pytest.mark.makes_thumbnails
@pytest.mark.survives("floods and slow clients")
class TestServer:
    """The command itself, with two threads."""

    @pytest.fixture
    def server(self, tmp_path: Path, variables: dict[str, str]) -> Iterator[ThumbnailServer]:
        with running_waitress(tmp_path, variables, threads=2) as server:
            yield server

    def test_slow_clients_hold_no_thread(self, server: ThumbnailServer, photos: str) -> None:
        assert f"{server.url}/" in server.log.read_text()
        url = tokens_of(server, photos)
        assert get(url).status == 302, server.log.read_text()
        with ExitStack() as clients:
            for kind in [*SLOW.values(), Slow(f"{GET}\r\n" * 150)]:
                for _ in range(10):
                    address = (HOST, urlsplit(server.url).port)
                    client = clients.enter_context(socket.create_connection(address, 60))
                    client.sendall(kind.first.encode())
            assert get(f"{server.url}/livez").status == 200
            recorded = get(url)
            assert (recorded.status, recorded.headers["Server-Timing"].split(";")[0]) == (302, "lookup")
            assert get(tokens_of(server, photos, "30x20")).status == 302

    def test_a_page_of_thumbnails(self, server: ThumbnailServer, photos: str) -> None:
        """The largest body that there can be; with a length, or in chunks."""
        texts = [f"https://{NAME}/" + "A" * 3800 + ".jpg" for _ in range(99)]
        body = json.dumps({"thumbnails": [tokens_of(server, photos), *texts]}).encode()
        for sent, more in (
            (body, {}),
            (iter([body[:9000], body[9000:]]), {"Transfer-Encoding": "chunked"}),
        ):
            answer = urllib3.request(
                "POST", f"{server.url}/thumbnails", body=sent, headers={"Host": NAME, **more}, timeout=60
            )
            assert [one.get("status") for one in answer.json()["thumbnails"]] == [None, *[403] * 99]
        assert get(f"{server.url}/livez").status == 200

    def test_nothing_of_waitress_is_in_the_log(self, server: ThumbnailServer, photos: str) -> None:
        """It would name paths, and has a line for each request that waits for a thread."""
        with ThreadPoolExecutor(20) as visitors:
            urls = [tokens_of(server, photos, f"{width}x20") for width in range(30, 50)]
            assert {answer.status for answer in visitors.map(get, urls)} == {302}
        assert "waitress" not in server.log.read_text()


def refuses(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 60).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # the port was closed while the connection waited there
    return False


@pytest.mark.makes_thumbnails
def test_what_has_come_is_answered_before_the_end(
    tmp_path: Path, variables: dict[str, str], photos: str, s3_server: S3Server
) -> None:
    """SIGTERM while a thumbnail is made, and a slow client has sent half of a request."""

    def picks(request: Request) -> bool:
        return request.method == "GET" and request.path.endswith("/dawn.jpg")

    with running_faulty(s3_server.endpoint_url) as before_s3, ThreadPoolExecutor(2) as visitors:
        variables["AWS_S3_ENDPOINT_URL"] = before_s3.url
        with running_waitress(tmp_path, variables, threads=1) as server, ExitStack() as clients:
            port = int(urlsplit(server.url).port or 0)
            clients.enter_context(socket.create_connection((HOST, port))).sendall(b"GET / HTTP/1.1\r\n")
            before_s3.inject(slow, picks)
            first = visitors.submit(get, tokens_of(server, photos))
            wait_until(lambda: before_s3.count(picks) > 0, "the source to be read", 60)
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: refuses(port), "the port to close", 60)
            before_s3.mend()
            assert first.result().status == 302, server.log.read_text()
            assert server.process.wait(60) == 0


@pytest.mark.makes_thumbnails
@pytest.mark.survives("floods and slow clients")
def test_threads_are_left_while_all_others_wait(
    tmp_path: Path,
    variables: dict[str, str],
    photos: str,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
) -> None:
    """A probe that waited for thumbnails would have a busy container replaced."""
    bucket = s3_bucket(public=True)
    s3_server.client().put_object(Bucket=bucket, Key="dusk.jpg", Body=picture((800, 600)))
    with running_faulty(s3_server.endpoint_url) as host, ThreadPoolExecutor(12) as visitors:
        place = urlsplit(host.url).netloc
        # None of these times ends in this test: a source by URL may be as slow as it is let.
        variables |= {
            "THUMBNAIL_MAX_MAKING": "1",
            "THUMBNAIL_MAX_WAITING": "2",
            "THUMBNAIL_WAIT_SECONDS": "3000",
            "THUMBNAIL_SOURCE_SECONDS": "3000",
            "THUMBNAIL_SOURCES": f"s3://{photos},{host.url}",
            "THUMBNAIL_PRIVATE_HOSTS": place,
        }
        with running_waitress(tmp_path, variables) as server:

            def url(number: int) -> str:
                spec = ThumbnailSpec(
                    Source("http", place, f"{bucket}/dusk.jpg"), "30x20", {"version": number}
                )
                return f"{server.url}/{Tokens([SECRET]).encrypt(spec)}.jpg"

            recorded = tokens_of(server, photos)
            assert get(recorded).status == 302, server.log.read_text()
            host.inject(slow, lambda request: True)
            answers = [visitors.submit(get, url(number)) for number in range(12)]
            # All but the one that makes it and the two that wait.
            wait_until(lambda: sum(one.done() for one in answers) >= 9, "the others to be sent away", 300)
            assert get(f"{server.url}/livez").status == 200
            assert get(recorded).status == 302
            host.mend()
            statuses = [one.result().status for one in answers]
            assert (statuses.count(503), statuses.count(302)) == (9, 3), server.log.read_text()


@pytest.mark.makes_thumbnails
def test_a_proxy_says_which_scheme_it_is(tmp_path: Path, variables: dict[str, str], photos: str) -> None:
    header = "HTTP_X_FORWARDED_PROTO,https"
    variables |= {"SECURE_SSL_REDIRECT": "true", "SECURE_PROXY_SSL_HEADER": header}
    with running_waitress(tmp_path, variables) as server:
        url = tokens_of(server, photos)
        assert get(url).status == 301
        assert get(url, **{"X-Forwarded-Proto": "https"}).status == 302


NEEDED = {
    "ALLOWED_HOST": NAME,
    "THUMBNAIL_SECRET_KEY": SECRET,
    "THUMBNAIL_BUCKET": "thumbs",
    "THUMBNAIL_CACHE_LOCATION": "redis://127.0.0.1:1/0",
}


class TestCommand:
    @pytest.mark.parametrize("address", ["8001", ":8001", "host:", "host:x", "host:65536", "host:-1"])
    def test_what_is_no_address(self, address: str) -> None:
        status, output = manage("serve", address, **NEEDED)
        assert status == 2, output
        assert repr(address) in output

    def test_a_port_that_is_taken(self) -> None:
        with socket.create_server((HOST, 0)) as taken:
            port = str(taken.getsockname()[1])
            status, output = manage("serve", f"{HOST}:{port}", **NEEDED)
            assert (status, f"{HOST}:{port}" in output) == (1, True), output
            # Hosts that set PORT reach it by another address.
            status, output = manage("serve", **NEEDED, PORT=port)
            assert (status, f"0.0.0.0:{port}" in output) == (1, True), output

    def test_settings_that_are_wrong(self) -> None:
        status, output = manage("serve", **{**NEEDED, "THUMBNAIL_SECRET_KEY": "short"})
        assert status == 1, output
        assert "THUMBNAIL_SECRET_KEY" in output
