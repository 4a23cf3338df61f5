"""A proxy before an HTTP server, which does to requests what networks and servers do to them.

What it does not harm it passes on, header by header, so that what is signed stays signed. Each request has
a connection of its own. A fault is a function of an Exchange.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from tests.servers.process import HOST

# For a request that is not harmed.
UPSTREAM_SECONDS = 30


@dataclass(frozen=True)
class Request:
    """path: with the query, not encoded"""

    method: str
    path: str


@dataclass(frozen=True)
class Answer:
    """head: to the empty line, with it"""

    head: bytes
    body: bytes


@dataclass(frozen=True)
class Exchange:
    """One request, and the connection on which an answer is awaited.

    over  set when the fault ends
    """

    proxy: "FaultyProxy"
    handler: BaseHTTPRequestHandler
    over: Event

    @property
    def length(self) -> int:
        """Bytes of the request's body."""
        return int(self.handler.headers.get("Content-Length", 0))

    def forwarded(self) -> Answer:
        """What the server answers to the whole request."""
        handler, connection = self.handler, self._connection()
        try:
            connection.endheaders(handler.rfile.read(self.length))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        # A HEAD tells the length of what it does not have.
        length = answer.headers["Content-Length"] or len(body)
        lines = [
            f"HTTP/1.1 {answer.status} {answer.reason}",
            "Connection: close",
            f"Content-Length: {length}",
        ]
        own = ("connection", "content-length", "transfer-encoding")
        lines += [f"{name}: {value}" for name, value in answer.getheaders() if name.lower() not in own]
        return Answer("\r\n".join([*lines, "", ""]).encode("latin-1"), body)

    def forward_half(self) -> None:
        """Half of the request's body reaches the server, then both connections break."""
        connection = self._connection()
        connection.endheaders(self.handler.rfile.read(self.length // 2))
        connection.close()

    def discard(self) -> None:
        """The request is read, and goes nowhere."""
        self.handler.rfile.read(self.length)

    def send(self, data: bytes) -> None:
        self.handler.wfile.write(data)

    def withhold(self) -> None:
        """Until the fault ends, no answer comes."""
        self.proxy.kept_waiting.add(self.handler.client_address)
        self.over.wait()

    def _connection(self) -> HTTPConnection:
        handler = self.handler
        upstream = self.proxy.upstream
        kind = HTTPSConnection if upstream.scheme == "https" else HTTPConnection
        connection = kind(upstream.netloc, timeout=UPSTREAM_SECONDS)
        connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            if name.lower() != "expect":  # we have told it to continue
                connection.putheader(name, value)
        return connection


Fault = Callable[[Exchange], None]
Picks = Callable[[Request], bool]


def slow(exchange: Exchange) -> None:
    """The server does what it is asked to, and answers when nobody waits any more."""
    answer = exchange.forwarded()
    exchange.withhold()
    exchange.send(answer.head + answer.body)


def black_hole(exchange: Exchange) -> None:
    exchange.discard()
    exchange.withhold()


def dribbling(exchange: Exchange) -> None:
    """A byte now and then."""
    answer = exchange.forwarded()
    exchange.send(answer.head)
    for number in range(len(answer.body)):
        exchange.send(answer.body[number : number + 1])
        if exchange.over.wait(0.05):
            return


def refused(exchange: Exchange) -> None:
    """From now on the port is closed."""
    exchange.proxy.close_port()


def cut_request(exchange: Exchange) -> None:
    exchange.forward_half()


def cut_answer(exchange: Exchange) -> None:
    """In the middle of its body; one without a body does not come at all."""
    answer = exchange.forwarded()
    if answer.body:
        exchange.send(answer.head + answer.body[: len(answer.body) // 2])


def garbage(exchange: Exchange) -> None:
    """What a gateway says that knows better."""
    _answer(exchange, "200 OK", b"<html><body>Please log in.<br></body></html>")


def s3_error(status: int, code: str) -> Fault:
    def fault(exchange: Exchange) -> None:
        body = f"<Error><Code>{code}</Code><Message>No.</Message></Error>"
        _answer(exchange, f"{status} {code}", body.encode())

    fault.__name__ = code
    return fault


def _answer(exchange: Exchange, status: str, body: bytes) -> None:
    exchange.discard()
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    exchange.send(head.encode() + (b"" if exchange.handler.command == "HEAD" else body))


@dataclass
class _Injected:
    """left: requests that it still harms; None for all"""

    fault: Fault
    picks: Picks
    left: int | None
    over: Event = field(default_factory=Event)


class FaultyProxy:
    """requests      all that it has seen, in order
    kept_waiting  the addresses of clients whose requests it has read, and does not answer
    """

    def __init__(self, upstream: SplitResult) -> None:
        self.upstream = upstream
        self.requests: list[Request] = []
        self.kept_waiting: set[Any] = set()
        self._lock = Lock()
        self._injected: _Injected | None = None
        self._server: _Server | None = None
        self.port = 0
        self._open_port()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def inject(self, fault: Fault, picks: Picks, times: int | None = None) -> None:
        """From now on a fault happens to those requests; to so many of them, if that is said."""
        self.mend()
        self._injected = _Injected(fault, picks, times)

    def mend(self) -> None:
        """Nothing is wrong any more."""
        with self._lock:
            injected, self._injected = self._injected, None
        if injected:
            injected.over.set()
        if self._server is None:
            self._open_port()

    def count(self, picks: Picks) -> int:
        return sum(map(picks, self.requests))

    def close_port(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        request = Request(handler.command, unquote(handler.path))
        with self._lock:
            self.requests.append(request)
            injected = self._injected
            if injected and injected.picks(request) and injected.left != 0:
                if injected.left is not None:
                    injected.left -= 1
            else:
                injected = None
        if injected:
            injected.fault(Exchange(self, handler, injected.over))
        else:
            _passed_on(Exchange(self, handler, Event()))

    def _open_port(self) -> None:
        server = _Server(self, self.port)
        self._server, self.port = server, server.server_port
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()


def _passed_on(exchange: Exchange) -> None:
    answer = exchange.forwarded()
    exchange.send(answer.head + answer.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultyProxy, port: int) -> None:
        self.proxy = proxy
        super().__init__((HOST, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    # Of which a client expects to be told to continue.
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        assert isinstance(self.server, _Server)
        self.close_connection = True
        with suppress(ConnectionError):  # the client waits no more
            self.server.proxy.handle(self)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - names of http.server

    def log_message(self, format: str, *args: object) -> None:
        """It says nothing: tests look at `requests`."""


@contextmanager
def running_faulty(url: str) -> Iterator[FaultyProxy]:
    """A proxy before the server of a URL."""
    proxy = FaultyProxy(urlsplit(url))
    try:
        yield proxy
    finally:
        proxy.mend()
        proxy.close_port()
