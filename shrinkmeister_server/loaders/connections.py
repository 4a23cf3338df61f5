"""The hosts of sources by URL: their answers, from addresses that may be read, within bounds.

urllib3 speaks HTTP. What a connection is connected to, and how much of a header it takes, is decided here.
"""

import errno
import io
import math
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException, HTTPResponse
from threading import Lock
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util import parse_url
from urllib3.util.response import assert_header_parsing
from urllib3.util.ssl_ import create_urllib3_context

from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister.exceptions import StorageError
from shrinkmeister_server.loaders.addresses import judged_addresses
from shrinkmeister_server.loaders.limits import deadline

# Seconds, for each address of a host.
CONNECT_TIMEOUT = 5
# Bytes of an answer before its body, with all that stands before the answer itself (1xx); and of each line
# between the chunks of a body.
MAX_HEADER = 65_536


@contextmanager
def answer_of(url: str, private: bool, seconds: float) -> Iterator[BaseHTTPResponse]:
    """The answer of a URL's host, whatever its status, for a block that reads its body. No redirects.

    private  whether the host may have a private or a loopback address
    seconds  for connecting, header and the block together; not for DNS, which nothing can interrupt

    Raises SourceNotAllowedError for an address that may not be read, and StorageError for what a host
    does wrong, before the block or in it.
    """
    # The deadline alone bounds reading: of two clocks with the same end either could be first.
    timeout = Timeout(connect=CONNECT_TIMEOUT, read=None)
    try:
        parsed = parse_url(url)
        with closing(Line(private)) as line, deadline(seconds, line.shut, "the source's host"):
            pool = POOLS[str(parsed.scheme)](str(parsed.host), parsed.port, line=line)
            answer = pool.urlopen(
                "GET",
                parsed.request_uri,
                timeout=timeout,
                redirect=False,
                retries=False,
                preload_content=False,
            )
            with closing(answer):
                yield answer
    except HTTPError as error:
        raise StorageError(f"the source's host: {type(error).__name__}") from error


class Line:
    """The one connection of a fetch, in the hands of whoever may have to end it."""

    def __init__(self, private: bool) -> None:
        self._private = private
        self._lock = Lock()
        self._handle: socket.socket | None = None
        self._shut = False

    def connect(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """timeout: seconds, for each address. Raises what `judged_addresses` does, and OSError."""
        failure = OSError("the host has no address")
        for family, address in judged_addresses(host, port, self._private):
            try:
                return self._connected(family, address, timeout)
            except OSError as error:
                failure = error
        raise failure

    def _connected(self, family: int, address: Any, timeout: float | None) -> socket.socket:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            self._hold(connection)
            connection.connect(address)
            if self._shut:
                # Perhaps when there was nothing yet to shut.
                raise TimeoutError("shut while it was connected")
        except BaseException:
            connection.close()
            raise
        return connection

    def _hold(self, connection: socket.socket) -> None:
        """Before it is connected, since that takes time too."""
        self.close()
        with self._lock:
            if self._shut:
                raise TimeoutError("shut before it was connected")
            # TLS takes a socket out of the object that it is given, but shutting is for all copies.
            self._handle = connection.dup()

    def shut(self) -> None:
        """Whoever waits for the connection, in another thread, waits no longer."""
        with self._lock:
            self._shut = True
            if self._handle:
                try:
                    self._handle.shutdown(socket.SHUT_RDWR)
                except OSError as error:
                    # The host has been faster.
                    if error.errno != errno.ENOTCONN:
                        raise

    def close(self) -> None:
        with self._lock:
            if self._handle:
                self._handle.close()
                self._handle = None


class _Received(io.BufferedReader):
    """What a connection receives. http.client bounds the lines of a header, and not their sum."""

    left: float = MAX_HEADER

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(MAX_HEADER + 1 if size is None or size < 0 else size)
        self.left -= len(line)
        if self.left < 0 or len(line) > MAX_HEADER:
            raise HTTPException(f"more than {MAX_HEADER} bytes before the body, or in a line")
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        # Of a chunk with a negative length: of -1 it would be all that ever comes.
        if size is None or size < 0:
            raise HTTPException("a chunk of a negative length")
        return super().read(size)


class _Answer(HTTPResponse):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fp: _Received = _Received(self.fp.detach())

    def begin(self, **options: Any) -> None:
        super().begin(**options)
        self.fp.left = math.inf
        # urllib3 would log it, with the URL.
        assert_header_parsing(self.headers)


class _Connection(HTTPConnection):
    response_class = _Answer

    def __init__(self, *args: Any, line: Line, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line = line

    def _new_conn(self) -> socket.socket:
        try:
            return self._line.connect(self._dns_host, self.port, self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, "no connection") from error


@reset_on_setting_change
def _tls() -> ssl.SSLContext:
    """Verifies hosts, as urllib3 does. Reading all certificates takes 20 ms."""
    context = create_urllib3_context()
    context.load_default_certs()
    return context


class _SecureConnection(_Connection, HTTPSConnection):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, ssl_context=_tls(), **options)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}
