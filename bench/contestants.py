"""The servers that bench/server.py compares: two processes each, or one of Go, which uses all cores.

Those that cannot be had on this machine raise MissingPeer, which says why. imgproxy and imagor are not
installed here: the variables IMGPROXY and IMAGOR name the programs.
"""

import base64
import hashlib
import hmac
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers import MissingPeer, node_packages, thumbor_python
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests.servers.process import HOST, free_port, retried, running, wait_for_answer
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server, make_bucket
from tests.servers.thumbnails import running_thumbnail_server

WORKERS = 2
REPEATS = 1000
# Of a server that takes a hundred times as long, as for one that makes the thumbnail again.
FEW_REPEATS = 120
SECRET = "the secret of the measurements, long enough"
PILLOW = "shrinkmeister_server.engines.pillow.Engine"
VIPS = "shrinkmeister_server.engines.vips.Engine"


@dataclass(frozen=True)
class Server:
    """A running server.

    path     makes the path of the thumbnail of a source, of that width and height
    repeats  how many of them a round has
    """

    name: str
    port: int
    pid: int
    path: Callable[[str, int, int], str]
    redirects: bool
    repeats: int = REPEATS


@contextmanager
def shrinkmeister(
    directory: Path,
    redis: RedisServer,
    s3: S3Server,
    name: str,
    bucket: str,
    engine: str | None = None,
    workers: int = WORKERS,
) -> Iterator[Server]:
    """Ours, as its README deploys it. engine: a dotted path; None for its default"""
    make_bucket(s3, bucket, public=True)
    variables = {
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_LOCATION": redis.url,
        "THUMBNAIL_CACHE_KEY_PREFIX": f"{bucket}:",
        "THUMBNAIL_BUCKET": bucket,
        "THUMBNAIL_SOURCES": "s3://photos",
        **s3.variables,
        **({"THUMBNAIL_ENGINE": engine} if engine else {}),
    }
    tokens = Tokens([SECRET])

    def path(source: str, width: int, height: int) -> str:
        spec = ThumbnailSpec(Source("s3", "photos", source), f"{width}x{height}", {"crop": "center"})
        return f"/{tokens.encrypt(spec)}.jpg"

    with running_thumbnail_server(directory, variables, workers) as server:
        port = int(server.url.rpartition(":")[2])
        yield Server(name, port, server.process.pid, path, redirects=True)


def thumbor_on_s3(directory: Path, s3: S3Server) -> AbstractContextManager[Server]:
    account = {
        "REGION_NAME": s3.region,
        "S3_ACCESS_KEY_ID": s3.access_key,
        "S3_SECRET_ACCESS_KEY": s3.secret_key,
        "S3_ENDPOINT_URL": s3.endpoint_url,
        "BUCKET_NAME": "photos",
        "S3_ACL": None,
    }
    settings = {
        "LOADER": "thumbor_aws.loader",
        "RESULT_STORAGE": "thumbor_aws.result_storage",
        # thumbor-aws looks at those of STORAGE too, which is not used.
        **{
            f"AWS_{part}_{name}": value
            for part in ("LOADER", "RESULT_STORAGE", "STORAGE")
            for name, value in account.items()
        },
        "AWS_LOADER_ROOT_PATH": "",
        "AWS_RESULT_STORAGE_BUCKET_NAME": "thumbs-thumbor",
    }
    return _thumbor(directory, "thumbor, S3", settings, "", FEW_REPEATS)


def thumbor_on_files(directory: Path, s3: S3Server) -> AbstractContextManager[Server]:
    """thumbor at its fastest: without a client of S3, and with a disk that other hosts do not see."""
    settings = {
        "LOADER": "thumbor.loaders.http_loader",
        "RESULT_STORAGE": "thumbor.result_storages.file_storage",
        "RESULT_STORAGE_FILE_STORAGE_ROOT_PATH": str(directory / "thumbor-results"),
    }
    address = s3.endpoint_url.removeprefix("http://")
    return _thumbor(directory, "thumbor, HTTP and files", settings, f"{address}/photos/")


def _thumbor(
    directory: Path, name: str, settings: Mapping[str, object], prefix: str, repeats: int = REPEATS
) -> AbstractContextManager[Server]:
    """prefix: before the name of a source"""
    python = thumbor_python()
    common = {
        "SECURITY_KEY": SECRET,
        "ALLOW_UNSAFE_URL": False,
        "QUALITY": 95,
        # Sources are not kept: no other contestant does.
        "STORAGE": "thumbor.storages.no_storage",
        "HTTP_LOADER_MAX_CLIENTS": 100,
    }

    def path(source: str, width: int, height: int) -> str:
        wanted = f"{width}x{height}/filters:format(jpeg)/{prefix}{source}"
        signature = hmac.digest(SECRET.encode(), wanted.encode(), "sha1")
        return f"/{base64.urlsafe_b64encode(signature).decode()}/{wanted}"

    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[Server]:
        port = free_port()
        log, config = directory / "thumbor.log", directory / "thumbor.conf"
        lines = [f"{key} = {value!r}\n" for key, value in {**common, **settings}.items()]
        config.write_text("".join(lines))
        command = [str(python), "-m", "thumbor.server", "--ip", HOST, "--port", str(port)]
        command += ["--conf", str(config), "--processes", str(WORKERS)]
        with running(command, log, {"PATH": os.environ["PATH"]}) as process:
            try:
                question = f"GET /healthcheck HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
                wait_for_answer(process, port, question, b"HTTP/1.", log)
                yield Server(name, port, process.pid, path, False, repeats)
            finally:
                # Its children do not notice that it ends. It leads a session of its own.
                os.killpg(process.pid, signal.SIGKILL)

    return start(directory)


def node(
    directory: Path,
    s3: S3Server,
    name: str,
    bucket: str,
    redis: RedisServer | None = None,
    fast_shrink: bool = True,
) -> AbstractContextManager[Server]:
    """bench/node/server.js. redis: where it notes what it has made; None to ask S3 each time."""
    program = node_packages() / "server.js"
    variables = {
        "PATH": os.environ["PATH"],
        "NODE_ENV": "production",
        "SECRET": SECRET,
        "SOURCES": "photos",
        "THUMBS": bucket,
        "S3_ENDPOINT": s3.endpoint_url,
        "S3_REGION": s3.region,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        **({"REDIS_PORT": str(redis.port)} if redis else {}),
        **({} if fast_shrink else {"FAST_SHRINK": "false"}),
    }

    def path(source: str, width: int, height: int) -> str:
        wanted = f"{width}x{height}/{source}"
        return f"/{_signature(SECRET.encode(), wanted.encode())}/{wanted}"

    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[Server]:
        port = free_port()
        log = directory / "node.log"
        with running(["node", str(program)], log, {**variables, "PORT": str(port)}) as process:
            question = f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
            wait_for_answer(process, port, question, b"HTTP/1.", log)
            yield Server(name, port, process.pid, path, redirects=True)

    return start(directory)


def _signature(key: bytes, message: bytes) -> str:
    """HMAC with SHA-256, in base64 for URLs without padding."""
    return base64.urlsafe_b64encode(hmac.digest(key, message, hashlib.sha256)).rstrip(b"=").decode()


def imgproxy(directory: Path, s3: S3Server) -> AbstractContextManager[Server]:
    """imgproxy, which stores no thumbnail: a repeat makes it again."""
    key, salt = SECRET.encode(), b"the salt of the measurements"
    variables = {
        "IMGPROXY_KEY": key.hex(),
        "IMGPROXY_SALT": salt.hex(),
        "IMGPROXY_QUALITY": "95",
        "IMGPROXY_USE_S3": "true",
        "IMGPROXY_S3_REGION": s3.region,
        "IMGPROXY_S3_ENDPOINT": s3.endpoint_url,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
    }

    def path(source: str, width: int, height: int) -> str:
        # Of the middle, all others take one row further up.
        wanted = f"/rs:fill:{width}:{height}/g:ce:0:-1/plain/s3://photos/{source}@jpg"
        return f"/{_signature(key, salt + wanted.encode())}{wanted}"

    def bind(port: int) -> dict[str, str]:
        return {**variables, "IMGPROXY_BIND": f"{HOST}:{port}"}

    return _program(directory, "imgproxy", "IMGPROXY", bind, path, FEW_REPEATS)


def imagor(directory: Path, s3: S3Server, bucket: str) -> AbstractContextManager[Server]:
    """imagor, which sends each thumbnail itself, and stores it after that."""
    variables = {
        "IMAGOR_SECRET": SECRET,
        "AWS_REGION": s3.region,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "S3_ENDPOINT": s3.endpoint_url,
        "S3_FORCE_PATH_STYLE": "1",
        "S3_LOADER_BUCKET": "photos",
        "S3_RESULT_STORAGE_BUCKET": bucket,
    }

    def path(source: str, width: int, height: int) -> str:
        wanted = f"{width}x{height}/filters:format(jpeg):quality(95)/{source}"
        signature = hmac.digest(SECRET.encode(), wanted.encode(), hashlib.sha1)
        return f"/{base64.urlsafe_b64encode(signature).decode()}/{wanted}"

    def bind(port: int) -> dict[str, str]:
        return {**variables, "BIND": f"{HOST}:{port}"}

    return _program(directory, "imagor", "IMAGOR", bind, path)


def installed_versions() -> list[str]:
    """ "imgproxy 4.0.12", "imagor 1.9.5", of the programs that the variables name."""
    found = []
    for variable in ("IMGPROXY", "IMAGOR"):
        if program := shutil.which(os.environ.get(variable, "")):
            found.append(f"{variable.lower()} {_version(variable, program)}")
    return found


def _version(variable: str, program: str) -> str:
    # Without the dash, imagor starts to serve.
    argument = "-version" if variable == "IMAGOR" else "version"
    return subprocess.run([program, argument], capture_output=True, text=True, check=True).stdout.strip()


def _program(
    directory: Path,
    name: str,
    variable: str,
    bind: Callable[[int], Mapping[str, str]],
    path: Callable[[str, int, int], str],
    repeats: int = REPEATS,
) -> AbstractContextManager[Server]:
    """A program that a variable names. bind: the program's environment for a port"""
    program = shutil.which(os.environ.get(variable, ""))
    if program is None:
        raise MissingPeer(f"{name}: the variable {variable} names no program")

    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[Server]:
        port = free_port()
        log = directory / f"{name}.log"
        with running([program], log, {"PATH": os.environ["PATH"], **bind(port)}) as process:
            question = f"GET /health HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
            wait_for_answer(process, port, question, b"HTTP/1.", log)
            yield Server(name, port, process.pid, path, False, repeats)

    return start(directory)
