"""Start a server for tests, know when it answers, and stop it for certain."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import TypeVar

from tests.servers.descendants import watch

HOST = "127.0.0.1"
READY_SECONDS = 60
PORT_ATTEMPTS = 5

Server = TypeVar("Server")


class MissingServer(Exception):  # noqa: N818 - an absence, not a mistake
    """A program is not installed; the message says which one, and how to get it."""


class ServerDied(Exception):  # noqa: N818 - an event, and usually tried again
    """A server ended before it answered, most likely because its port was taken."""


def find_program(name: str, debian_package: str) -> str:
    # Debian has what is for root in the second one, which is not on everybody's PATH.
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        raise MissingServer(f"{name} (Debian package {debian_package})")
    return path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def retried(
    start: Callable[[Path], AbstractContextManager[Server]],
) -> Callable[[Path], AbstractContextManager[Server]]:
    """Start again, on other ports, when a server dies at once.

    Between choosing a free port and binding it, another process may take it.
    """

    @wraps(start)
    @contextmanager
    def retrying(directory: Path) -> Iterator[Server]:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            fresh = Path(tempfile.mkdtemp(dir=directory))
            with ExitStack() as stack:
                try:
                    server = stack.enter_context(start(fresh))
                except ServerDied:
                    if attempt == PORT_ATTEMPTS:
                        raise
                    continue
                yield server
                return

    return retrying


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server. It and what it has started end with this block, or when this process is killed.

    environment: the whole of it; None for ours.
    """
    watch()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the tests: they stop their servers themselves, in the right order.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # Killed, not terminated: there is nothing to save, and Ceph takes its time. Workers of nginx and
        # gunicorn are in the group of the process that started them, and may outlive it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(command: Sequence[str], timeout: float = 60) -> str:
    """The output of a command which ends by itself and must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def ask(port: int, question: bytes, timeout: float = READY_SECONDS) -> bytes:
    """The first bytes that a server sends back, or none when it does not answer.

    timeout: of a server that starts, as long as it may take. Asked again, it would answer both questions,
    one of them in the middle of a test that counts.
    """
    try:
        with socket.create_connection((HOST, port), timeout) as connection:
            connection.sendall(question)
            return connection.recv(4096)
    except OSError:
        return b""


def wait_for_answer(
    process: subprocess.Popen[bytes],
    port: int,
    question: bytes,
    answer: bytes,
    log: Path,
    timeout: float = READY_SECONDS,
) -> None:
    def answers() -> bool:
        # Asked first, judged second: the answer may be that of a stranger who took the port.
        answered = ask(port, question).startswith(answer)
        if process.poll() is not None:
            output = log.read_text(errors="replace")[-2000:]
            raise ServerDied(f"{process.args!r} ended with {process.returncode}: {output}")
        return answered

    wait_until(answers, f"{log.stem} to answer on port {port}", timeout)


def wait_until(condition: Callable[[], bool], what: str, timeout: float) -> None:
    """Wait for what another process does.

    It cannot notify us, so this asks again and again. Tests sleep nowhere else.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(0.02)
