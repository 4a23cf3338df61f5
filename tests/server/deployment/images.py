"""Builds the images of deploy/ with buildah, runs what they run, and gets a thumbnail from each.

    python -m tests.server.deployment.images [options of `buildah build`]

No part of `make test`: it needs buildah and the base images, which it pulls unless `--pull=never` is said.
As root without a container engine: BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import urllib3

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests import ROOT
from tests.servers.process import HOST, find_program, free_port, running, wait_for_answer
from tests.servers.redis import running_redis
from tests.servers.s3 import make_bucket, running_s3
from tests.support.pictures import picture, size_of

SECRET = "the secret of the images, which is long enough"
BUILD_SECONDS = 600


def main(options: list[str]) -> None:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "redis").mkdir()
        (directory / "s3").mkdir()
        redis = stack.enter_context(running_redis(directory / "redis"))
        s3 = stack.enter_context(running_s3(directory / "s3"))
        for bucket in ("photos", "thumbs"):
            make_bucket(s3, bucket, public=bucket == "thumbs")
        s3.client().put_object(Bucket="photos", Key="dawn.jpg", Body=picture((800, 600)))
        variables = {
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_BUCKET": "thumbs",
            "THUMBNAIL_SOURCES": "s3://photos",
            "THUMBNAIL_CACHE_LOCATION": redis.url,
            **s3.variables,
        }
        build("Dockerfile", ROOT, "shrinkmeister", options)
        with image("shrinkmeister") as container:
            check_server(container, {**variables, "ALLOWED_HOST": HOST}, directory)
        sources = directory / "sources"
        host = "abc123.lambda-url.eu-central-1.on.aws"
        copy_with_zappas_settings(sources, {**variables, "ALLOWED_HOST": host})
        build("Dockerfile.lambda", sources, "shrinkmeister-lambda", options)
        with image("shrinkmeister-lambda") as container:
            check_lambda(container, {**variables, "ALLOWED_HOST": host}, host, directory)


def buildah(*arguments: str) -> str:
    command = [find_program("buildah", "buildah"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout.strip()


def build(file: str, context: Path, tag: str, options: list[str]) -> None:
    # Docker's own format, since the other one has no HEALTHCHECK.
    command = ["build", "--format", "docker", *options, "--file", str(context / "deploy" / file)]
    buildah(*command, "--tag", tag, str(context))
    print(f"{file}: built")


class Container:
    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self._name = name
        self.command: list[str] = (config["Entrypoint"] or []) + config["Cmd"]
        self.health: list[str] = config.get("Healthcheck", {}).get("Test", [])[1:]

    def run(self, command: list[str], variables: dict[str, str]) -> list[str]:
        """The command on this machine."""
        given = [f"--env={name}={value}" for name, value in variables.items()]
        return [
            find_program("buildah", "buildah"),
            "run",
            "--network=host",
            *given,
            self._name,
            "--",
            *command,
        ]


@contextmanager
def image(tag: str) -> Iterator[Container]:
    config = json.loads(buildah("inspect", "--type", "image", tag))["Docker"]["config"]
    name = buildah("from", "--pull=never", f"localhost/{tag}")
    try:
        yield Container(name, config)
    finally:
        buildah("rm", name)


@contextmanager
def whole(started: AbstractContextManager[subprocess.Popen[bytes]]) -> Iterator[subprocess.Popen[bytes]]:
    """What buildah runs does not end with buildah, but is in its session."""
    with started as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def path_of(geometry: str) -> str:
    spec = ThumbnailSpec(Source("s3", "photos", "dawn.jpg"), geometry, {"crop": "center"})
    return f"/{Tokens([SECRET]).encrypt(spec)}.jpg"


def check_server(container: Container, variables: dict[str, str], directory: Path) -> None:
    port = free_port()
    variables = {**variables, "PORT": str(port)}
    log = directory / "server.log"
    with whole(running(container.run(container.command, variables), log)) as process:
        question = f"GET /nothing HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
        wait_for_answer(process, port, question, b"HTTP/1.", log)
        answer = urllib3.request("GET", f"http://{HOST}:{port}{path_of('300x200')}", timeout=60)
        assert answer.status == 200, log.read_text()
        assert size_of(answer.data) == (300, 200)
        subprocess.run(container.run(container.health, variables), check=True)
    said = log.read_text()
    assert "302 made" in said, said
    failed = subprocess.run(container.run(container.health, variables), stderr=subprocess.DEVNULL)
    assert failed.returncode == 1
    print("Dockerfile: a thumbnail, and its health check")


def copy_with_zappas_settings(directory: Path, variables: dict[str, str]) -> None:
    """The checkout, with Zappa's settings as docs/how-to/lambda.md has them: variables are Lambda's own."""
    directory.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", ".dockerignore"):
        shutil.copy(ROOT / name, directory)
    for name in ("shrinkmeister", "shrinkmeister_server", "deploy"):
        shutil.copytree(ROOT / name, directory / name)
    settings = json.loads((ROOT / "zappa_settings.json.example").read_text())
    stage = settings["production"]
    del stage["environment_variables"]
    stage["aws_environment_variables"] = variables
    (directory / "zappa_settings.json").write_text(json.dumps(settings))
    (directory / "iam_policy.json").write_text("{}")
    command = [str(Path(sys.executable).parent / "zappa"), "save-python-settings-file", "production"]
    environment = {**os.environ, "VIRTUAL_ENV": str(Path(sys.executable).parents[1])}
    subprocess.run(command, cwd=directory, env=environment, check=True, capture_output=True)
    assert SECRET not in (directory / "zappa_settings.py").read_text()


class RuntimeApi(ThreadingHTTPServer):
    """What Lambda is to an image: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html"""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), RuntimeApiHandler)
        self.events = Queue[Any]()
        self.answers = Queue[Any]()
        Thread(target=self.serve_forever, daemon=True).start()

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        self.events.put(event)
        return dict(self.answers.get(timeout=60))


class RuntimeApiHandler(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        event = json.dumps(self.server.events.get()).encode()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": "1",
            "Lambda-Runtime-Deadline-Ms": "4102444800000",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:1:function:thumbs",
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            "Content-Type": "application/json",
        }
        self._send(200, event, headers)

    def do_POST(self) -> None:
        # The answer, or what has failed.
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(202, b"{}", {})
        self.server.answers.put(json.loads(body))

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def check_lambda(container: Container, variables: dict[str, str], host: str, directory: Path) -> None:
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path_of("200x200"),
        "rawQueryString": "",
        "headers": {"host": host, "x-forwarded-proto": "https", "accept": "image/*"},
        "requestContext": {
            "domainName": host,
            "stage": "$default",
            "http": {"method": "GET", "path": path_of("200x200"), "sourceIp": "203.0.113.7"},
        },
        "isBase64Encoded": False,
    }
    api = RuntimeApi()
    variables = {**variables, "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{api.server_port}"}
    log = directory / "lambda.log"
    with whole(running(container.run(container.command, variables), log)):
        answer = api.invoke(event)
        assert answer.get("statusCode") == 302, (answer, log.read_text())
        thumbnail = urllib3.request("GET", answer["headers"]["Location"], timeout=60)
        assert size_of(thumbnail.data) == (200, 200)
    print("Dockerfile.lambda: a thumbnail")


if __name__ == "__main__":
    main(sys.argv[1:])
