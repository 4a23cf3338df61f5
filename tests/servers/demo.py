"""The example project as a newcomer starts it: one command, which runs the site and its server."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT
from tests.servers.process import HOST, ServerDied, ask, free_port, retried, running, wait_until

MANAGE = ROOT / "example_project" / "manage.py"
# Sixty photographs are painted first.
SECONDS = 300


@dataclass(frozen=True)
class Demo:
    url: str
    server_url: str
    log: Path
    process: subprocess.Popen[bytes]


def running_demo(
    directory: Path, photos: int, variables: Mapping[str, str] | None = None
) -> AbstractContextManager[Demo]:
    """variables: added to its environment; without any it is on its embedded defaults."""

    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[Demo]:
        port, server_port = free_port(), free_port()
        log = directory / "demo.log"
        environment = {"PATH": os.environ["PATH"], "DEMO_VAR": str(directory / "var"), **(variables or {})}
        command = [sys.executable, str(MANAGE), "demo", "--photos", str(photos)]
        command += ["--port", str(port), "--server-port", str(server_port)]
        with running(command, log, environment) as process:
            request = f"GET /upload HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()

            def answers() -> bool:
                if process.poll() is not None:
                    raise ServerDied(log.read_text(errors="replace")[-2000:])
                return ask(port, request).startswith(b"HTTP/1.")

            try:
                wait_until(answers, "the demo to answer", SECONDS)
                yield Demo(f"http://{HOST}:{port}", f"http://{HOST}:{server_port}", log, process)
            finally:
                # Not killed, as other servers are: it stops its own two, which have groups of their own.
                process.terminate()
                process.wait(20)

    return start(directory)
