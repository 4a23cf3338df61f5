"""A cheap HTTP client, and what /proc says of a server: what measurements of servers need.

    with ProcessPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(ask, [Request(8001, "/a.jpg")] * 1000, chunksize=250))

Each process of the pool is one client with one connection to each server. It is so plain because it shares
the cores with what it measures: a request costs it a tenth of a millisecond.
"""

import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers.process import HOST

TICK = os.sysconf("SC_CLK_TCK")
# Longer than a server that is overloaded needs for one thumbnail.
TIMEOUT = 60


@dataclass(frozen=True)
class Request:
    """GET of a path; follow: whether a redirect is followed, as a browser does."""

    port: int
    path: str
    follow: bool = False


@dataclass(frozen=True)
class Answer:
    """statuses: of each answer, in their order; seconds: until the last one was read"""

    statuses: tuple[int, ...]
    seconds: float
    body: bytes


def ask(request: Request) -> Answer:
    start = time.perf_counter()
    status, location, body = _get(request.port, request.path)
    statuses = [status]
    if request.follow and location:
        target = urlsplit(location)
        assert target.port
        status, _, body = _get(target.port, target.path)
        statuses.append(status)
    return Answer(tuple(statuses), time.perf_counter() - start, body)


def ask_briefly(request: Request) -> Answer:
    """Without the body, which the client's processes would have to send to whoever counts answers."""
    answer = ask(request)
    return Answer(answer.statuses, answer.seconds, b"")


def cpu_seconds(pid: int) -> float:
    """Of a process and all those that it has started and that still live."""
    ticks = 0
    for one in family(pid):
        # The name, in parentheses, may hold spaces.
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def megabytes(pid: int, figure: str) -> float:
    """The largest VmRSS, or VmHWM (its peak), among a process and those that it has started."""
    return max(_kilobytes(one, figure) for one in family(pid)) / 1024


def megabytes_of_all(pid: int, figure: str) -> float:
    """The sum of VmRSS or VmHWM of a process and those that it has started. Shared pages count in each."""
    return sum(_kilobytes(one, figure) for one in family(pid)) / 1024


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    parents = dict(_parents())
    members = [pid]
    for member in members:  # which grows meanwhile
        members += [child for child, parent in parents.items() if parent == member]
    return members


_connections: dict[int, socket.socket] = {}


def _get(port: int, path: str) -> tuple[int, str, bytes]:
    """Status, Location and body."""
    question = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nAccept: image/*\r\n\r\n".encode()
    connection = _connections.pop(port, None)
    if connection is not None:
        try:
            return _exchange(connection, port, question)
        except ConnectionError:
            # The server has closed it meanwhile, as servers may at any time.
            connection.close()
    connection = socket.create_connection((HOST, port), TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _exchange(connection, port, question)


def _exchange(connection: socket.socket, port: int, question: bytes) -> tuple[int, str, bytes]:
    connection.sendall(question)
    data = _more(connection)
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _more(connection)
    head = data[:end].decode("latin-1")
    length = _header(head, "Content-Length")
    if not length:
        raise ValueError(f"an answer without a length: {head}")
    body = [data[end + 4 :]]
    missing = int(length) - len(body[0])
    while missing > 0:
        body.append(_more(connection))
        missing -= len(body[-1])
    if _header(head, "Connection").lower() == "close":
        connection.close()
    else:
        _connections[port] = connection
    return int(head.split(" ", 2)[1]), _header(head, "Location"), b"".join(body)


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError("the server closed the connection before its answer ended")
    return data


def _header(head: str, name: str) -> str:
    found = re.search(rf"\r\n{name}: *([^\r]*)", head, re.IGNORECASE)
    return found[1].strip() if found else ""


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it has ended meanwhile
            yield int(entry.name), int(stat.rpartition(")")[2].split()[1])


def _kilobytes(pid: int, figure: str) -> int:
    found = re.search(rf"(?m)^{figure}:\s*(\d+) kB$", Path(f"/proc/{pid}/status").read_text())
    # What has ended and not been waited for has no memory.
    return int(found[1]) if found else 0
