"""A Redis server for tests, which keeps nothing on disk."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import HOST, find_program, free_port, retried, running, wait_for_answer


@dataclass(frozen=True)
class RedisServer:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"


def running_redis(directory: Path, *options: str) -> AbstractContextManager[RedisServer]:
    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[RedisServer]:
        port = free_port()
        log = directory / "redis.log"
        command = [find_program("redis-server", "redis-server"), "--port", str(port), "--bind", HOST]
        command += ["--dir", str(directory), "--save", "", "--appendonly", "no", *options]
        with running(command, log) as process:
            wait_for_answer(process, port, b"PING\r\n", b"+PONG", log)
            yield RedisServer(port, process)

    return start(directory)
