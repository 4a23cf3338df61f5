"""Sources by URL, at hosts of the web: checked addresses, bounded headers, and a time limit.

urllib3 speaks HTTP. This module decides what a connection connects to, and how much it reads.
"""

import io
import math
import socket
import ssl
import time
from contextlib import closing
from functools import partial
from http.client import HTTPException, HTTPResponse
from types import SimpleNamespace
from typing import Any

from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url
from urllib3.util.response import assert_header_parsing
from urllib3.util.ssl_ import create_urllib3_context

from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister.exceptions import SourceMissingError, StorageError
from shrinkmeister.protocol.spec import Source
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.loaders.host_check import resolve_checked
from shrinkmeister_server.loaders.limits import check_size, late

# Values of Content-Encoding. Other ones, such as "identity", do not change the bytes.
COMPRESSIONS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}
# For each address of a host.
CONNECT_SECONDS = 5
# Bytes before a body, including interim responses (1xx), and bytes of each line between the body's chunks.
MAX_HEADER = 65_536


def load(source: Source, max_bytes: int) -> bytes:
    """Return the bytes of a source `https://host/path`. Follows no redirect.

    Raises SourceNotAllowedError for an address of the host that is not allowed.
    """
    config = get_server_config()
    # This limits connecting, header and body together, but not DNS, which nothing can interrupt.
    end = time.monotonic() + config.source_seconds
    is_private = source.container in config.private_hosts
    try:
        url = parse_url(str(source))
        kind = _SecureConnection if url.scheme == "https" else _Connection
        with closing(kind(str(url.host), url.port, is_private, end)) as connection:
            connection.request("GET", url.request_uri, preload_content=False)
            with closing(connection.getresponse()) as response:
                return _read(response, max_bytes)
    except (HTTPError, HTTPException, OSError, UnicodeError) as error:
        if time.monotonic() >= end:
            raise late("the source's host", config.source_seconds) from error
        raise StorageError(f"the source's host: {type(error).__name__}") from error


def _read(response: BaseHTTPResponse, max_bytes: int) -> bytes:
    if response.status in (404, 410):
        raise SourceMissingError("the source's host has no such file")
    # A redirect is an error too: the host that the allow-list names has to answer itself.
    if response.status != 200:
        raise StorageError(f"the source's host answered {response.status}")
    # The server did not ask for compression, and a few bytes may fill all memory when decompressed.
    codings = response.headers.get("Content-Encoding", "").lower().split(",")
    if COMPRESSIONS & {coding.strip() for coding in codings}:
        raise StorageError("the source's host has sent it compressed")
    check_size(response.length_remaining or 0, max_bytes)
    data = bytearray()
    for part in response.stream(65536, decode_content=False):
        data += part
        check_size(len(data), max_bytes)
    return bytes(data)


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
            self.sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                self.sock.settimeout(min(CONNECT_SECONDS, _seconds_left(self._end)))
                self.sock.connect(address)
                return
            except OSError as error:
                self.sock.close()
                failure = error
        raise failure


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
