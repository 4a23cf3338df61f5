"""The thumbnail server as it is deployed: gunicorn, configured by environment variables alone."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import HOST, free_port, retried, running, wait_for_answer

# A machine that is busy with tests is no cache that has failed.
PATIENT = {"THUMBNAIL_CACHE_TIMEOUT": "5"}


@dataclass(frozen=True)
class ThumbnailServer:
    url: str
    log: Path
    process: subprocess.Popen[bytes]


def running_thumbnail_server(
    directory: Path, variables: Mapping[str, str], workers: int = 2, threads: int = 2
) -> AbstractContextManager[ThumbnailServer]:
    """variables: its whole environment, but for PATH, ALLOWED_HOST and a patience with its cache."""

    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[ThumbnailServer]:
        port = free_port()
        log = directory / "thumbnails.log"
        environment = {"PATH": os.environ["PATH"], "ALLOWED_HOST": HOST, **PATIENT, **variables}
        command = [sys.executable, "-m", "gunicorn", "--bind", f"{HOST}:{port}"]
        command += ["--workers", str(workers), "--threads", str(threads)]
        command += ["--chdir", str(Path(__file__).parents[2])]
        command += ["--no-control-socket"]
        command += ["shrinkmeister_server.wsgi"]
        with running(command, log, environment) as process:
            question = f"GET /nothing HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
            wait_for_answer(process, port, question, b"HTTP/1.", log)
            yield ThumbnailServer(f"http://{HOST}:{port}", log, process)

    return start(directory)
