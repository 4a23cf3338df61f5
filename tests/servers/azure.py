"""Azure's blob storage: Azurite, Microsoft's own emulator, which npm installs once.

It checks signatures, and what a container lets anybody read.
"""

import os
import secrets
import shutil
import sys
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.process import (
    HOST,
    find_program,
    free_port,
    retried,
    run,
    running,
    wait_for_answer,
)

PACKAGE = "azurite@3.35.0"
ACCOUNT = "testaccount"
# Node loads a thousand files first.
READY_SECONDS = 120


@dataclass(frozen=True)
class AzureServer:
    connection_string: str

    def storage_options(self, container: str) -> dict[str, Any]:
        """OPTIONS of django-storages' AzureStorage."""
        return {"connection_string": self.connection_string, "azure_container": container}

    def service(self) -> Any:
        from azure.storage.blob import BlobServiceClient  # here, since few tests need it

        return BlobServiceClient.from_connection_string(self.connection_string)

    def make_container(self) -> str:
        """Anybody may read its blobs, and not list them."""
        name = f"test-{uuid.uuid4().hex}"
        with self.service() as service:
            service.create_container(name, public_access="blob")
        return name


def find_azurite() -> list[str]:
    """The command; npm installs it into the environment that runs the tests, where it is not there yet."""
    node, npm = find_program("node", "nodejs"), find_program("npm", "npm")
    folder = Path(sys.prefix) / "azurite" / PACKAGE
    program = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not program.exists():
        # Beside it first: an installation that was stopped in the middle is not mistaken for one.
        part = folder.with_name(f"part-{secrets.token_hex(8)}")
        part.mkdir(parents=True)
        try:
            run([npm, "install", "--no-audit", "--no-fund", "--prefix", str(part), PACKAGE], timeout=1800)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return [node, str(program)]


@retried
@contextmanager
def running_azure(directory: Path) -> Iterator[AzureServer]:
    port, log = free_port(), directory / "azurite.log"
    key = b64encode(secrets.token_bytes(32)).decode()
    command = [*find_azurite(), "--blobHost", HOST, "--blobPort", str(port), "--inMemoryPersistence"]
    # The client's library may be newer than it; it says no to what it does not know.
    command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    with running(command, log, environment) as process:
        question = b"GET / HTTP/1.0\r\n\r\n"
        wait_for_answer(process, port, question, b"HTTP/1.1 ", log, READY_SECONDS)
        endpoint = f"http://{HOST}:{port}/{ACCOUNT}"
        yield AzureServer(
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};"
        )
