"""The example project as a newcomer starts it: one command runs the site and its thumbnail server."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT
from tests.servers.process import HOST, ServerDied, free_port, retried, running, wait_until

MANAGE = ROOT / "example_project" / "manage.py"
START_SECONDS = 120


@dataclass(frozen=True)
class Demo:
    url: str
    server_url: str
    log: Path
    process: subprocess.Popen[bytes]


def running_demo(
    directory: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> AbstractContextManager[Demo]:
    """Run `manage.py demo` with its files in the directory.

    variables: added to its environment. Without any, it uses its own defaults.
    """

    @retried
    @contextmanager
    def start(fresh: Path) -> Iterator[Demo]:
        port, server_port = free_port(), free_port()
        log = fresh / "demo.log"
        environment = {"PATH": os.environ["PATH"], "DEMO_VAR": str(directory / "var"), **(variables or {})}
        command = [sys.executable, str(MANAGE), "demo", *arguments]
        command += ["--port", str(port), "--server-port", str(server_port)]
        with running(command, log, environment) as process:

            def is_ready() -> bool:
                if process.poll() is not None:
                    raise ServerDied(log.read_text(errors="replace")[-2000:])
                return f"open http://{HOST}:{port}/" in log.read_text(errors="replace")

            try:
                wait_until(is_ready, "the demo to be ready", START_SECONDS)
                yield Demo(f"http://{HOST}:{port}", f"http://{HOST}:{server_port}", log, process)
            finally:
                # Other servers are killed. The demo has to stop its own two servers first.
                process.terminate()
                process.wait(30)

    return start(directory)
