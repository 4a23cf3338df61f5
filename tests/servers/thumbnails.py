"""The thumbnail server as it is deployed, configured by environment variables alone."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT
from tests.servers.process import HOST, free_port, retried, running, wait_for_answer

# A machine that is busy with tests is no cache that has failed.
PATIENT = {"THUMBNAIL_CACHE_WAIT_SECONDS": "5"}


@dataclass(frozen=True)
class ThumbnailServer:
    url: str
    log: Path
    process: subprocess.Popen[bytes]


def running_thumbnail_server(
    directory: Path, variables: Mapping[str, str], workers: int = 2, threads: int = 2
) -> AbstractContextManager[ThumbnailServer]:
    """gunicorn. variables: its whole environment, but for PATH, ALLOWED_HOST and its patience."""

    def command(port: int) -> list[str]:
        gunicorn = [
            "gunicorn",
            "--bind",
            f"{HOST}:{port}",
            "--workers",
            str(workers),
            "--threads",
            str(threads),
        ]
        place = ["--chdir", str(ROOT), "--no-control-socket"]
        return [*gunicorn, *place, "shrinkmeister_server.wsgi"]

    return _running(directory, variables, command)


def running_waitress(
    directory: Path, variables: Mapping[str, str], threads: int | None = None
) -> AbstractContextManager[ThumbnailServer]:
    """The command `serve`. variables: as for gunicorn."""

    def command(port: int) -> list[str]:
        given = [] if threads is None else ["--threads", str(threads)]
        return ["shrinkmeister_server", "serve", f"{HOST}:{port}", *given]

    return _running(directory, variables, command)


def _running(
    directory: Path, variables: Mapping[str, str], command: Callable[[int], list[str]]
) -> AbstractContextManager[ThumbnailServer]:
    """command: what stands behind `python -m`, for a port"""

    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[ThumbnailServer]:
        port = free_port()
        log = directory / "thumbnails.log"
        environment = {"PATH": os.environ["PATH"], "ALLOWED_HOST": HOST, **PATIENT, **variables}
        with running([sys.executable, "-m", *command(port)], log, environment) as process:
            question = f"GET /nothing HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
            wait_for_answer(process, port, question, b"HTTP/1.", log)
            yield ThumbnailServer(f"http://{HOST}:{port}", log, process)

    return start(directory)
