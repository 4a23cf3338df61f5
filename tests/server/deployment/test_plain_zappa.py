"""`zappa init` in a checkout, variables, `zappa deploy`, ALLOWED_HOST, `zappa update`."""

import json
import os
import shutil
import subprocess
import zipfile
from ast import literal_eval
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server.deployment.policy import policy_of
from tests import ROOT
from tests.server.deployment.test_zappa import CONDITIONS, conditions, try_all
from tests.servers.lambda_runtime import HANDLER
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import PATIENT
from tests.support import events
from tests.support.deployments import SECRET, STAGE, Deployment, uploaded
from tests.support.pictures import picture

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails, pytest.mark.deploys]

FUNCTION = f"plain-{STAGE}"
BUCKET = "zappa-plain"
CACHE = "rediss://:password@my-cache.example.com:6379/0"
# Lambda's runtime has them, and `zappa init` leaves them out.
RUNTIME = ("boto3", "botocore", "s3transfer", "dateutil")


@dataclass(frozen=True)
class Flow:
    """asked      what `zappa init` has printed
    stage      what it has written, with the variables of the documentation
    deployed   and updated: what Zappa has printed, and the packages
    """

    asked: str
    stage: dict[str, Any]
    deployed: str
    first: Path
    updated: str
    second: Path


@pytest.fixture(scope="module")
def flow(deployment: Deployment, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    directory = tmp_path_factory.mktemp("plain")
    checkout = directory / "plain"
    left_out = (".*", "*.egg-info", "__pycache__", "build", "var", "node_modules", "vendor")
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=shutil.ignore_patterns(*left_out))
    environment = deployment.folder / ".venv"

    def zappa(*arguments: str, typed: str = "") -> str:
        done = subprocess.run(
            [str(environment / "bin" / "zappa"), *arguments],
            cwd=checkout,
            env={
                "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "VIRTUAL_ENV": str(environment),
                "HOME": str(checkout),
                **deployment.aws.variables,
            },
            input=typed,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    asked = zappa("init", typed=f"{STAGE}\n{BUCKET}\n\n\ny\n")
    file = checkout / "zappa_settings.json"
    stage = json.loads(file.read_text())[STAGE]
    stage |= {
        "aws_region": "eu-central-1",
        "callbacks": {"settings": "shrinkmeister_server.deployment.callbacks.settings"},
        "environment_variables": {
            "ALLOWED_HOST": "",
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_CACHE_LOCATION": CACHE,
            "THUMBNAIL_BUCKET": deployment.bucket,
            "THUMBNAIL_SOURCES": f"s3://{deployment.photos}",
            "AWS_S3_ENDPOINT_URL": s3_server.endpoint_url,
            "AWS_S3_REGION_NAME": s3_server.region,
            "AWS_S3_ADDRESSING_STYLE": "path",
            **PATIENT,
        },
    }
    file.write_text(json.dumps({STAGE: stage}))
    s3 = deployment.aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": stage["aws_region"]})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    def package(name: str) -> Path:
        function = deployment.aws.client("lambda").get_function(FunctionName=FUNCTION)
        with zipfile.ZipFile(
            BytesIO(uploaded(s3, BUCKET, function["Configuration"]["CodeSha256"]))
        ) as zipped:
            zipped.extractall(directory / name)
        return directory / name

    deployed = zappa("deploy", STAGE)
    first = package("first")
    stage["environment_variables"]["ALLOWED_HOST"] = events.URL_HOST
    file.write_text(json.dumps({STAGE: stage}))
    updated = zappa("update", STAGE)
    return Flow(asked, stage, deployed, first, updated, package("second"))


def test_it_proposes_the_servers_settings_alone(flow: Flow) -> None:
    assert flow.stage["django_settings"] == "shrinkmeister_server.settings"
    assert "tests." not in flow.asked


def test_zappa_prints_the_address_and_what_to_fill_in(flow: Flow, deployment: Deployment) -> None:
    client = deployment.aws.client("lambda")
    url = client.get_function_url_config(FunctionName=FUNCTION)["FunctionUrl"]
    assert url in flow.deployed
    assert "ALLOWED_HOST" in flow.deployed
    assert "ALLOWED_HOST" not in flow.updated
    assert SECRET not in flow.deployed + flow.updated
    assert "password" not in flow.deployed + flow.updated


def test_the_function_is_as_our_own_init_makes_it(flow: Flow, deployment: Deployment) -> None:
    client = deployment.aws.client("lambda")
    function = client.get_function_configuration(FunctionName=FUNCTION)
    assert function["Handler"] == HANDLER
    variables = function["Environment"]["Variables"]
    assert (variables["THUMBNAIL_SECRET_KEY"], variables["THUMBNAIL_CACHE_LOCATION"]) == (SECRET, CACHE)
    assert conditions(client, FUNCTION) == CONDITIONS
    role = function["Role"].rpartition("/")[2]
    policy = deployment.aws.client("iam").get_role_policy(RoleName=role, PolicyName="zappa-permissions")
    assert policy["PolicyDocument"] == policy_of(STAGE, flow.stage)
    assert "s3:*" not in json.dumps(policy["PolicyDocument"])


def test_the_package_has_the_server_alone(flow: Flow) -> None:
    for package in (flow.first, flow.second):
        names = {path.name for path in package.iterdir()}
        assert not names & {"tests", "clients", "docs", "bench", "example_project", "deploy", "drivers"}
        assert not [name for name in names if name.startswith((".", "zappa_settings.json"))]
        for file in package.rglob("*"):
            if file.is_file():
                assert not [one for one in (SECRET, CACHE) if one.encode() in file.read_bytes()], file


def test_the_first_deployment_says_what_is_missing_and_the_second_makes_thumbnails(
    flow: Flow,
    deployment: Deployment,
    s3_server: S3Server,
    redis_server: RedisServer,
    tmp_path: Path,
) -> None:
    for name in RUNTIME:
        (tmp_path / name).symlink_to(deployment.package / name)
    s3_server.client().put_object(Bucket=deployment.photos, Key="plain.jpg", Body=picture((800, 600)))
    spec = ThumbnailSpec(Source("s3", deployment.photos, "plain.jpg"), "300x200", {"crop": "center"})
    path = f"/{Tokens([SECRET]).encrypt(spec)}.jpg"
    requests = {"/": events.function_url("/"), "thumbnail": events.function_url(path)}
    statuses = []
    for package in (flow.first, flow.second):
        variables = {
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_CACHE_LOCATION": redis_server.url,
            "AWS_ACCESS_KEY_ID": s3_server.access_key,
            "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
            "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
            "LAMBDA_TASK_ROOT": str(package),
            "PYTHONPATH": str(tmp_path),
        }
        outcomes, _ = try_all(package, variables, HANDLER, requests)
        statuses.append([literal_eval(outcome)["statusCode"] for outcome in outcomes.values()])
    assert statuses == [[404, 503], [404, 302]]
