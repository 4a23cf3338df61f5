"""A relay before a server, which delays answers, and loses connections as networks lose them."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.servers.process import HOST

# Closing such a socket sends a reset: https://man7.org/linux/man-pages/man7/socket.7.html, SO_LINGER.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """One connection of a client, and that of the relay to the server.

    lost       whether the relay drops what either side sends, as firewalls do that forget a connection
    used       whether either side has sent something since then
    forgotten  whether the relay answers what the client sends with a reset, as load balancers do
    """

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.lost = self.used = self.forgotten = False
        self._is_reset = False
        self._client, self._server = client, server
        self._threads: list[threading.Thread] = []

    def start(self, relay: "Relay") -> None:
        for one, other, late in ((self._client, self._server, False), (self._server, self._client, True)):
            thread = threading.Thread(target=self._hand_on, args=(one, other, relay, late), daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def is_open(self) -> bool:
        return any(thread.is_alive() for thread in self._threads) and not (self.lost or self.forgotten)

    def reset(self) -> None:
        """Send the client a reset. It arrives before this returns: both are on this machine."""
        self._is_reset = True
        for connection, how in ((self._client, socket.SHUT_RD), (self._server, socket.SHUT_RDWR)):
            with suppress(OSError):  # one that is closed already
                connection.shutdown(how)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._client.close()
        self._server.close()

    def _hand_on(self, one: socket.socket, other: socket.socket, relay: "Relay", late: bool) -> None:
        with suppress(OSError):  # when either end is closed
            while data := one.recv(65536):
                if late:
                    relay.delay()
                if self.forgotten and one is self._client:
                    self.reset()
                elif self.lost:
                    self.used = True
                else:
                    other.sendall(data)
        if not (self.lost or self._is_reset):
            with suppress(OSError):
                other.shutdown(socket.SHUT_WR)


@dataclass
class Relay:
    """port: of its own; target: the server's, for new connections; seconds: how late answers are."""

    port: int
    target: int
    seconds: float = 0.0
    links: list[Link] = field(default_factory=list)
    _never: threading.Event = field(default_factory=threading.Event)

    def delay(self) -> None:
        self._never.wait(self.seconds)

    def lose(self) -> int:
        """Lose all open connections, of which neither side hears. Return how many those are."""
        links = self._open()
        for link in links:
            link.lost = True
        return len(links)

    def forget(self) -> int:
        """Reset all open connections as soon as their client sends something. Return how many those are."""
        links = self._open()
        for link in links:
            link.forgotten = True
        return len(links)

    def reset(self) -> int:
        """Reset all open connections now, and return how many those are."""
        links = self._open()
        for link in links:
            link.reset()
        return len(links)

    def _open(self) -> list[Link]:
        return [link for link in self.links if link.is_open]


@contextmanager
def running_relay(port: int) -> Iterator[Relay]:
    """port: the server's, on this machine"""
    with socket.create_server((HOST, 0)) as listener:
        relay = Relay(listener.getsockname()[1], port)
        threading.Thread(target=_accept, args=(listener, relay), daemon=True).start()
        try:
            yield relay
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, relay: Relay) -> None:
    with suppress(OSError):  # when it is shut
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection((HOST, relay.target))
            except OSError:
                client.close()
                continue
            for connection in (client, server):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(client, server)
            relay.links.append(link)
            link.start(relay)
