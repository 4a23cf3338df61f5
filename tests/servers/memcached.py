"""A memcached server for tests."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import HOST, find_program, free_port, retried, running, wait_for_answer


@dataclass(frozen=True)
class MemcachedServer:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def location(self) -> str:
        return f"{HOST}:{self.port}"


def running_memcached(directory: Path, *options: str) -> AbstractContextManager[MemcachedServer]:
    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[MemcachedServer]:
        port = free_port()
        log = directory / "memcached.log"
        command = [find_program("memcached", "memcached"), "-l", HOST, "-p", str(port), "-U", "0", *options]
        if os.getuid() == 0:
            # As root it insists on a user to run as.
            command += ["-u", "root"]
        with running(command, log) as process:
            wait_for_answer(process, port, b"version\r\n", b"VERSION ", log)
            yield MemcachedServer(port, process)

    return start(directory)
