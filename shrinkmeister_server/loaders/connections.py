"""HTTP connections to the hosts of sources by URL: to checked addresses alone, with bounded headers.

urllib3 speaks HTTP. This module decides what a connection connects to, and how much it reads before a body.
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
from types import SimpleNamespace
from typing import Any

from urllib3 import HTTPResponse as UrllibResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url
from urllib3.util.response import assert_header_parsing
from urllib3.util.ssl_ import create_urllib3_context

from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister.exceptions import StorageError
from shrinkmeister_server.loaders.host_check import resolve_checked
from shrinkmeister_server.loaders.limits import deadline

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
    try:
        parsed = parse_url(url)
        connector = Connector(private)
        kind = _SecureConnection if parsed.scheme == "https" else _Connection
        with (
            closing(connector),
            deadline(seconds, connector.shut, "the source's host"),
            closing(kind(connector, str(parsed.host), parsed.port)) as connection,
        ):
            connection.request("GET", parsed.request_uri, preload_content=False)
            with closing(connection.getresponse()) as response:
                yield response
    except (HTTPError, HTTPException, OSError, UnicodeError) as error:
        raise StorageError(f"the source's host: {type(error).__name__}") from error


class Connector:
    """Opens the connection for one request. Another thread can shut the connection at any time."""

    def __init__(self, private: bool) -> None:
        self._private = private
        self._lock = Lock()
        self._handle: socket.socket | None = None
        self._is_shut = False

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first address that answers. Raises OSError and the errors of `resolve_checked`."""
        failure = OSError("the host has no address")
        for family, address in resolve_checked(host, port, self._private):
            try:
                return self._connect(family, address)
            except OSError as error:
                failure = error
        raise failure

    def _connect(self, family: int, address: Any) -> socket.socket:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_SECONDS)
            # `shut` needs the handle before the connection exists, because connecting takes time too.
            self._keep_handle(connection)
            connection.connect(address)
            if self._is_shut:
                # `shut` may have found a socket without a connection.
                raise TimeoutError("shut while connecting")
        except BaseException:
            connection.close()
            raise
        return connection

    def _keep_handle(self, connection: socket.socket) -> None:
        self.close()
        with self._lock:
            if self._is_shut:
                raise TimeoutError("shut before connecting")
            # TLS empties the socket object that it gets. Shutting a duplicate shuts the connection as well.
            self._handle = connection.dup()

    def shut(self) -> None:
        """Make a thread that waits for the connection stop waiting."""
        with self._lock:
            self._is_shut = True
            if self._handle:
                try:
                    self._handle.shutdown(socket.SHUT_RDWR)
                except OSError as error:
                    # The host may have closed the connection first.
                    if error.errno != errno.ENOTCONN:
                        raise

    def close(self) -> None:
        with self._lock:
            if self._handle:
                self._handle.close()
                self._handle = None


class _BoundedReader(io.BufferedReader):
    """Reads from a connection. http.client limits each line of a header, but not their sum."""

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
    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        self._reader = _BoundedReader(sock.makefile("rb", buffering=0))
        # http.client gets its reader from the socket.
        opened: Any = SimpleNamespace(makefile=lambda mode: self._reader)
        super().__init__(opened, *args, **options)

    def begin(self, **options: Any) -> None:
        super().begin(**options)
        self._reader.left = math.inf
        # urllib3 would log a broken header together with the URL.
        assert_header_parsing(self.headers)


class _Connection(HTTPConnection):
    response_class = _Response

    def __init__(self, connector: Connector, host: str, port: int | None) -> None:
        # The deadline alone limits reading: a second timeout with the same end could fail first.
        super().__init__(host, port, timeout=None)
        self._connector = connector
        # `self.host` has no dot at its end, which makes a name absolute.
        self._name = host

    def connect(self) -> None:
        self.sock = self._connector.connect(self._name, self.port)


class _SecureConnection(_Connection):
    default_port = 443

    def connect(self) -> None:
        super().connect()
        self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host)


@reset_on_setting_change
def _tls() -> ssl.SSLContext:
    """Return a context that verifies hosts, as urllib3 does. Reading all certificates takes 20 ms."""
    context = create_urllib3_context()
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context
