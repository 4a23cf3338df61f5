"""An instance of a Lambda function: AWS's runtime client, under AWS's emulator of the runtime's interface.

The emulator (https://github.com/aws/aws-lambda-runtime-interface-emulator) is built with Go; the client
(awslambdaric) comes from PyPI. As on Lambda, an instance starts with its first request, and answers one at
a time.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from tests.servers.process import (
    HOST,
    MissingServer,
    free_port,
    retried,
    run,
    running,
    wait_for_answer,
)

# Lambda's runtimes that the server runs in.
PYTHONS = ("3.13", "3.12")
CLIENT = "awslambdaric==4.2.2"
EMULATOR = "aws-lambda-rie"
EMULATOR_SOURCE = (
    "github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie"
    "@v0.0.0-20261030222936-bef5c4ba774d"
)
HANDLER = "shrinkmeister_server.lambda_handler.handler"
INVOCATIONS = "/2015-03-31/functions/function/invocations"


@dataclass(frozen=True)
class LambdaInstance:
    url: str
    log: Path
    emulator: subprocess.Popen[bytes]

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the handler returns; where it fails, what Lambda makes of that: `errorMessage` and more."""
        answer = urllib3.request(
            "POST", self.url, body=json.dumps(event), timeout=60, retries=False, headers={"Accept": "*/*"}
        )
        return dict(json.loads(answer.data))

    @property
    def runtime(self) -> int:
        """The number of its process, once it has been invoked."""
        children = Path(f"/proc/{self.emulator.pid}/task").glob("*/children")
        (pid,) = {int(pid) for file in children for pid in file.read_text().split()}
        return pid


def find_lambda_python() -> str:
    """An interpreter of one of Lambda's runtimes."""
    from noxfile import interpreter  # here, since it looks for all interpreters

    for version in PYTHONS:
        if path := interpreter(version):
            return path
    raise MissingServer(f"Python {' or '.join(PYTHONS)}, for Lambda's runtimes")


def find_emulator() -> str:
    """Builds it into the environment that runs the tests, where it is not there yet."""
    built = Path(sys.prefix) / "bin" / EMULATOR
    if path := shutil.which(EMULATOR) or (str(built) if built.exists() else None):
        return path
    go = shutil.which("go")
    if go is None:
        raise MissingServer(f"{EMULATOR} (or Go, which builds it)")
    environment = {**os.environ, "GOBIN": str(built.parent), "GOFLAGS": "-trimpath"}
    subprocess.run([go, "install", EMULATOR_SOURCE], env=environment, check=True)
    return str(built)


def make_runtime(directory: Path, python: str) -> Path:
    """An interpreter with the package that Lambda's has; boto3, which that has too, is in the zip."""
    run([python, "-m", "venv", str(directory)])
    made = directory / "bin" / "python"
    run([str(made), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", CLIENT], timeout=300)
    return made


def running_lambda(
    directory: Path, python: Path, package: Path, variables: Mapping[str, str], handler: str = HANDLER
) -> AbstractContextManager[LambdaInstance]:
    """python: of `make_runtime`; package: the unpacked zip; variables and handler: the function's."""

    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[LambdaInstance]:
        port, runtime_port = free_port(), free_port()
        log = directory / "lambda.log"
        environment = {
            "PATH": os.environ["PATH"],
            "LAMBDA_TASK_ROOT": str(package),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
            # Nothing is written beside the package there, and nowhere here.
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables,
        }
        command = [find_emulator(), "--runtime-interface-emulator-address", f"{HOST}:{port}"]
        command += ["--runtime-api-address", f"{HOST}:{runtime_port}"]
        # In the package's folder, as there.
        command += ["sh", "-c", f'cd "{package}" && exec "{python}" -m awslambdaric {handler}']
        with running(command, log, environment) as emulator:
            try:
                wait_for_answer(emulator, port, b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.", log)
                yield LambdaInstance(f"http://{HOST}:{port}{INVOCATIONS}", log, emulator)
            finally:
                # Not killed, as other servers are: it stops its runtime.
                emulator.terminate()
                emulator.wait(20)

    return start(directory)
