"""The server as it is deployed on Lambda: packaged and uploaded by Zappa, to an imitation of AWS."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import pytest

from tests import ROOT
from tests.servers.aws import AwsServer, running_aws
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server, make_bucket, remove_bucket
from tests.servers.thumbnails import PATIENT
from tests.support import events

EXAMPLE = ROOT / "zappa_settings.json.example"
STAGE = events.STAGE
NAME = f"shrinkmeister-{STAGE}"
SECRET = "the secret of site and server, which is long enough"


@dataclass(frozen=True)
class Deployment:
    """package    what the function got, unpacked
    zip        and as it got it
    bucket     of the sources, private, and of the thumbnails, public; both on the real S3 server
    variables  of the function, and what Lambda adds: the rights of its role; with this machine's Redis
    output     of `zappa deploy` and of `zappa update`
    """

    aws: AwsServer
    folder: Path
    package: Path
    zip: bytes
    photos: str
    bucket: str
    variables: dict[str, str]
    deployed: str
    updated: str


@dataclass(frozen=True)
class Workshop:
    """The folder from which Zappa deploys, with a virtual environment of the server and nothing else."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, python: str, wheel: Path) -> Self:
        folder.mkdir()
        subprocess.run([python, "-m", "venv", str(folder / ".venv")], check=True)
        pip("install", f"{wheel}[server,redis,zappa]", python=str(folder / ".venv" / "bin" / "python"))
        return cls(folder)

    def run(self, *command: str, **variables: str) -> str:
        """What a command of the activated environment says; it must succeed."""
        environment = {
            "PATH": f"{self.folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(self.folder / ".venv"),
            "HOME": str(self.folder),
            **variables,
        }
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def build_wheel(directory: Path) -> Path:
    """From a copy, so that the checkout stays clean."""
    copied = shutil.ignore_patterns(
        ".*", "*.egg-info", "__pycache__", "var", "build", "tests", "node_modules"
    )
    shutil.copytree(ROOT, directory / "source", symlinks=True, ignore=copied)
    pip("wheel", "--no-deps", "--wheel-dir", str(directory), str(directory / "source"))
    (wheel,) = directory.glob("*.whl")
    return wheel


def pip(*arguments: str, python: str = sys.executable) -> None:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def deployment(
    lambda_python: str,
    wheel: Path,
    s3_server: S3Server,
    redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """As docs/how-to/lambda.md says it, with the example settings and values of this machine."""
    directory = tmp_path_factory.mktemp("deployment")
    workshop = Workshop.made(directory / "thumbnails", lambda_python, wheel)

    photos, bucket = f"test-{uuid.uuid4().hex}", f"test-{uuid.uuid4().hex}"
    stage = example_stage(lambda_python, s3_server, photos, bucket)
    stage["environment_variables"] |= {
        "ALLOWED_HOST": ",".join(events.HOSTS),
        **PATIENT,
    }
    stage["aws_environment_variables"] |= {
        "THUMBNAIL_SECRET_KEY": SECRET,
        # Where a function could reach one.
        "THUMBNAIL_CACHE_LOCATION": "redis://my-cache.example.com:6379/0",
    }
    (workshop.folder / "zappa_settings.json").write_text(json.dumps({STAGE: stage}))

    with ExitStack() as stack:
        aws = stack.enter_context(running_aws(directory))
        for name, public in ((photos, False), (bucket, True)):
            make_bucket(s3_server, name, public)
            stack.callback(remove_bucket, s3_server, name)
        # Zappa deletes what it has uploaded; versions keep it.
        s3 = aws.client("s3")
        s3.create_bucket(
            Bucket=stage["s3_bucket"], CreateBucketConfiguration={"LocationConstraint": stage["aws_region"]}
        )
        s3.put_bucket_versioning(Bucket=stage["s3_bucket"], VersioningConfiguration={"Status": "Enabled"})

        workshop.run("python", "-m", "shrinkmeister_server", "policy")
        deployed = workshop.run("zappa", "deploy", STAGE, **aws.variables)
        updated = workshop.run("zappa", "update", STAGE, **aws.variables)

        function = aws.client("lambda").get_function(FunctionName=NAME)
        received = uploaded(s3, stage["s3_bucket"], function["Configuration"]["CodeSha256"])
        package = directory / "task"
        with zipfile.ZipFile(BytesIO(received)) as archive:
            archive.extractall(package)
        variables = {
            **function["Configuration"]["Environment"]["Variables"],
            "THUMBNAIL_CACHE_LOCATION": redis_server.url,
            "AWS_ACCESS_KEY_ID": s3_server.access_key,
            "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
        }
        yield Deployment(
            aws, workshop.folder, package, received, photos, bucket, variables, deployed, updated
        )


def example_stage(python: str, s3: S3Server, photos: str, bucket: str) -> dict[str, Any]:
    """The example settings for an interpreter and two buckets of that S3 server."""
    stage: dict[str, Any] = json.loads(EXAMPLE.read_text())[STAGE]
    stage["runtime"] = runtime_of(python)
    stage["environment_variables"] |= {
        "THUMBNAIL_BUCKET": bucket,
        "THUMBNAIL_SOURCES": f"s3://{photos}",
        "AWS_S3_ENDPOINT_URL": s3.endpoint_url,
        "AWS_S3_REGION_NAME": s3.region,
        "AWS_S3_ADDRESSING_STYLE": "path",
    }
    return stage


def runtime_of(python: str) -> str:
    script = "import sys; print('python{}.{}'.format(*sys.version_info))"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def uploaded(s3: Any, bucket: str, digest: str) -> bytes:
    """The object that has that digest, as Lambda tells it: SHA-256 in base64."""
    for version in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
        body: bytes = s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])[
            "Body"
        ].read()
        if b64encode(hashlib.sha256(body).digest()).decode() == digest:
            return body
    raise AssertionError("the function's code is none of what was uploaded")
