"""Serve HTTP with waitress, with limits for clients that are slow or many.

waitress reads requests and writes answers in one loop, so that no client holds a thread. But its timeout
starts again with each byte. Here a client has CLIENT_SECONDS to read an answer and to send its next
request.

This is the only module that uses names of waitress that its documentation does not list. A test lists them.
"""

import sys
import time
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher
from waitress.wasyncore import dispatcher, loop

from shrinkmeister_server.disconnection import is_closed

CLIENT_SECONDS = 30
# How often the server looks for clients whose time is over.
LOOK_SECONDS = 1
# The usual limit of open files is 1,024, and each thread needs some of them for cache and bucket.
MAX_CONNECTIONS = 500
# A URL has up to 3,900 characters.
MAX_HEADER_BYTES = 32_768


class Connection(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A client's connection. answers: how many requests threads have begun to answer"""

    answers = 0

    def service(self) -> None:
        self.answers += 1
        with self.requests_lock:
            # The server answers only the first of several requests that a client sends at once.
            if len(self.requests) > 1:
                self.requests[0].headers["CONNECTION"] = "close"
        super().service()

    def check_client_disconnected(self) -> bool:
        """Return whether the client has gone, which waitress does not notice while a thread answers it."""
        return not self.connected or is_closed(self.socket)


class Server(TcpWSGIServer):  # type: ignore[misc]
    """waitress with a time limit for clients. If all connections are in use, it closes the slowest one."""

    channel_class = Connection

    def __init__(self, application: Any, address: str, threads: int, max_body: int) -> None:
        """address: "host:port"; max_body: bytes"""
        settings = Adjustments(
            listen=address,
            connection_limit=MAX_CONNECTIONS,
            max_request_header_size=MAX_HEADER_BYTES,
            # waitress refuses a body of this size.
            max_request_body_size=max_body + 1,
            # Above this limit a thread would wait until its client reads.
            outbuf_high_watermark=sys.maxsize,
            # A client that disconnects is not an error of the server.
            log_socket_errors=False,
            # SECURE_PROXY_SSL_HEADER names the trusted header of a proxy.
            clear_untrusted_proxy_headers=False,
        )
        workers = ThreadedTaskDispatcher()
        workers.set_thread_count(threads)
        self._stopping = False
        self._next_look = 0.0
        # When each connection began to wait for its client. The key has the number of its answers.
        self._waiting: dict[tuple[Connection, int], float] = {}
        super().__init__(application, dispatcher=workers, adj=settings, sockinfo=settings.listen[0])

    def run(self) -> None:
        """Serve until `stop`, and then until all received requests are answered."""
        while self.accepting or self.active_channels:
            loop(timeout=1, use_poll=True, map=self._map, count=1)
            if self._stopping and self.accepting:
                dispatcher.close(self)
            self._look_at_clients(time.monotonic())

    def stop(self, *args: Any) -> None:
        """Let `run` end. A signal handler may call it at any time."""
        self._stopping = True
        self.pull_trigger()

    def maintenance(self, now: float) -> None:
        """Replace waitress' method, which cannot close a connection whose client reads nothing."""

    def _look_at_clients(self, now: float) -> None:
        surplus = len(self._map) - MAX_CONNECTIONS + 1
        if now < self._next_look and surplus <= 0 and not self._stopping:
            return
        self._next_look = now + LOOK_SECONDS
        waiting = [(one, one.answers) for one in self.active_channels.values() if not one.requests]
        self._waiting = {key: self._waiting.get(key, now) for key in waiting}
        slowest_first = sorted(self._waiting.items(), key=lambda item: item[1])
        for place, ((connection, _), since) in enumerate(slowest_first):
            answered = self._stopping and not connection.total_outbufs_len
            if answered or place < surplus or now - since > CLIENT_SECONDS:
                connection.handle_close()
