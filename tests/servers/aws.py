"""An imitation of AWS, moto, for what cannot run here: Lambda's, IAM's and CloudFormation's interfaces.

It takes any signature, and runs no function; what it has received, a test runs itself.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.process import HOST, free_port, retried, running, wait_for_answer

REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "anything"}


@dataclass(frozen=True)
class AwsServer:
    endpoint_url: str

    @property
    def variables(self) -> dict[str, str]:
        """With which boto3 in another process asks it, and nobody else."""
        return {"AWS_ENDPOINT_URL": self.endpoint_url, "AWS_DEFAULT_REGION": REGION, **CREDENTIALS}

    def client(self, service: str) -> Any:
        import boto3  # here, since it takes a quarter of a second and few tests need it

        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )


@retried
@contextmanager
def running_aws(directory: Path) -> Iterator[AwsServer]:
    port = free_port()
    log = directory / "moto.log"
    with running([sys.executable, "-m", "tests.servers.moto_server", HOST, str(port)], log) as process:
        question = b"GET /moto-api/data.json HTTP/1.0\r\n\r\n"
        wait_for_answer(process, port, question, b"HTTP/1.", log)
        yield AwsServer(f"http://{HOST}:{port}")
