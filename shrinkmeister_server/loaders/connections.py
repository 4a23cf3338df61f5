"""HTTP connections to the hosts of sources by URL: checked addresses, bounded headers, and a time limit.

urllib3 speaks HTTP. This module decides what a connection connects to, and how much it reads before a body.
"""

import io
import math
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPException, HTTPResponse
from types import SimpleNamespace
from typing import Any

from urllib3 import HTTPResponse as UrllibResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url
from urllib3.util.response import assert_header_parsing
from urllib3.util.ssl_ import create_urllib3_context

from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister.exceptions import StorageError
from shrinkmeister_server.loaders.host_check import resolve_checked
from shrinkmeister_server.loaders.limits import late

# For each address of a host.
CONNECT_SECONDS = 5
# Bytes before a body, including interim responses (1xx), and bytes of each line between the body's chunks.
MAX_HEADER = 65_536


@contextmanager
def open_url(url: str, private: bool, seconds: float) -> Iterator[UrllibResponse]:
    """Yield the response to a GET, whatever its status, without following redirects.

    private  whether the host may have private and loopback addresses
    seconds  for connecting, the header and the block together; not for DNS, which nothing can interrupt

    Raises SourceNotAllowedError for an address that is not allowed. Raises StorageError if the host fails,
    before the block or in it.
    """
    end = time.monotonic() + seconds
    try:
        parsed = parse_url(url)
        kind = _SecureConnection if parsed.scheme == "https" else _Connection
        with closing(kind(str(parsed.host), parsed.port, private, end)) as connection:
            connection.request("GET", parsed.request_uri, preload_content=False)
            with closing(connection.getresponse()) as response:
                yield response
    except (HTTPError, HTTPException, OSError, UnicodeError) as error:
        if time.monotonic() >= end:
            raise late("the source's host", seconds) from error
        raise StorageError(f"the source's host: {type(error).__name__}") from error


def _seconds_left(end: float) -> float:
    if (left := end - time.monotonic()) <= 0:
        raise TimeoutError
    return left


class _Stream(io.RawIOBase):
    """What a connection receives. Each wait ends with the time of the whole response."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        self._socket, self._end = sock, end
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_seconds_left(self._end))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _BoundedReader(io.BufferedReader):
    """Bounds a header. http.client limits each of its lines, but not their sum."""

    left: float = MAX_HEADER

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(MAX_HEADER + 1 if size is None or size < 0 else size)
        self.left -= len(line)
        if self.left < 0 or len(line) > MAX_HEADER:
            raise HTTPException(f"more than {MAX_HEADER} bytes before the body, or in a line")
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        # For a chunk of the length -1, http.client would read all that the host ever sends.
        if size is None or size < 0:
            raise HTTPException("a chunk with a negative length")
        return super().read(size)


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, end: float, **options: Any) -> None:
        self._reader = _BoundedReader(_Stream(sock, end))
        # http.client gets its reader from the socket.
        opened: Any = SimpleNamespace(makefile=lambda mode: self._reader)
        super().__init__(opened, *args, **options)

    def begin(self, **options: Any) -> None:
        super().begin(**options)
        self._reader.left = math.inf
        # urllib3 would log a broken header together with the URL.
        assert_header_parsing(self.headers)


class _Connection(HTTPConnection):
    def __init__(self, host: str, port: int | None, private: bool, end: float) -> None:
        super().__init__(host, port, timeout=None)
        # `self.host` lacks the dot at its end that makes a name absolute.
        self._name, self._private, self._end = host, private, end
        self.response_class: Any = partial(_Response, end=end)

    def connect(self) -> None:
        """Connect to the first address of the host that answers."""
        failure = OSError("the host has no address")
        for family, address in resolve_checked(self._name, self.port, self._private):
            try:
                self.sock = self._connected(family, address)
                return
            except OSError as error:
                failure = error
        raise failure

    def _connected(self, family: int, address: Any) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(CONNECT_SECONDS, _seconds_left(self._end)))
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock


class _SecureConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        # A handshake keeps to the timeout as a whole.
        self.sock.settimeout(_seconds_left(self._end))
        self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host)


@reset_on_setting_change
def _tls() -> ssl.SSLContext:
    """Return a context that verifies hosts, as urllib3 does. Reading all certificates takes 20 ms."""
    context = create_urllib3_context()
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context
