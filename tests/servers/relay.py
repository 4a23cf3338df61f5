"""A relay before a server, which hands on each of its answers late."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.servers.process import HOST


@dataclass
class Relay:
    """port: of its own; target: the server's; seconds: how late answers are."""

    port: int
    target: int
    seconds: float = 0.0
    _never: threading.Event = field(default_factory=threading.Event)

    def delay(self) -> None:
        self._never.wait(self.seconds)


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
            for one, other, late in ((client, server, False), (server, client, True)):
                threading.Thread(target=_hand_on, args=(one, other, relay, late), daemon=True).start()


def _hand_on(one: socket.socket, other: socket.socket, relay: Relay, late: bool) -> None:
    with suppress(OSError):  # when either end is closed
        while data := one.recv(65536):
            if late:
                relay.delay()
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
