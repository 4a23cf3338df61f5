"""Serve HTTP by waitress, within bounds that hold whatever clients send and however slowly.

waitress reads whole requests, and writes answers, in one loop, so that no client holds a thread. Its own
timeout begins again with each byte. Here a client has CLIENT_SECONDS to take an answer and to send its next
request.
"""

import sys
import time
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher
from waitress.wasyncore import dispatcher, loop

CLIENT_SECONDS = 30
# How often it is looked for clients whose time is over.
LOOK_SECONDS = 1
# The usual limit of open files is 1,024, and each thread needs some for cache and bucket.
MAX_CONNECTIONS = 500
# A URL has up to 3,900 characters.
MAX_HEADER_BYTES = 32_768


class Connection(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """answers: how many requests a thread has begun to answer"""

    answers = 0

    def service(self) -> None:
        self.answers += 1
        with self.requests_lock:
            # A client that sends hundreds at once has the first one answered, and has to come again.
            if len(self.requests) > 1:
                self.requests[0].headers["CONNECTION"] = "close"
        super().service()


class Server(TcpWSGIServer):  # type: ignore[misc]
    """waitress with a time for clients. Where all connections are in use, the slowest client makes room."""

    channel_class = Connection

    def __init__(self, application: Any, address: str, threads: int, max_body: int) -> None:
        """address: "host:port"; max_body: bytes"""
        settings = Adjustments(
            listen=address,
            connection_limit=MAX_CONNECTIONS,
            max_request_header_size=MAX_HEADER_BYTES,
            # waitress refuses a body of this size.
            max_request_body_size=max_body + 1,
            # Beyond this a thread would wait until its client reads.
            outbuf_high_watermark=sys.maxsize,
            # A client that goes away is no error of the server.
            log_socket_errors=False,
            # SECURE_PROXY_SSL_HEADER says which header of a proxy counts.
            clear_untrusted_proxy_headers=False,
        )
        workers = ThreadedTaskDispatcher()
        workers.set_thread_count(threads)
        self._stopping = False
        self._next_look = 0.0
        # Since when each connection waits for its client, by the answers that it has had.
        self._waiting: dict[tuple[Connection, int], float] = {}
        super().__init__(application, dispatcher=workers, adj=settings, sockinfo=settings.listen[0])

    def run(self) -> None:
        """Return after `stop`, when all requests that have come have their answers."""
        while self.accepting or self.active_channels:
            loop(timeout=1, use_poll=True, map=self._map, count=1)
            if self._stopping and self.accepting:
                dispatcher.close(self)
            self._look_at_clients(time.monotonic())

    def stop(self, *args: Any) -> None:
        """Let `run` end. May be called by a signal at any time."""
        self._stopping = True
        self.pull_trigger()

    def maintenance(self, now: float) -> None:
        """Replace waitress' own, which cannot close a connection whose client reads nothing."""

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
