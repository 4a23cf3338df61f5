"""On AWS Lambda with Zappa: what it has deployed answers, in a process that has nothing else.

The interfaces of AWS for deploying are imitated (moto); sources, thumbnails and records are on a real S3
server and a real Redis.
"""

import json
import os
import re
import shutil
import subprocess
import zipfile
from ast import literal_eval
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import time
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from botocore.stub import Stubber
from click import ClickException

from shrinkmeister.doctor.messages import EXAMINE, REMOVE, MessageCipher, Question
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server.deployment.callbacks import restrict
from tests.servers.lambda_runtime import HANDLER, find_lambda_python
from tests.servers.process import ask
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server
from tests.support import events
from tests.support.deployments import NAME, SECRET, STAGE, Deployment, Workshop
from tests.support.pictures import picture, size_of

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails, pytest.mark.deploys]

INVOKE = """
import json, sys
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.path.insert(0, "")
from shrinkmeister_server.lambda_handler import handler
answers = [handler(event, None) for event in json.load(sys.stdin)]
files = [getattr(module, "__file__", None) or "" for module in sys.modules.values()]
foreign = [file for file in files if "site-packages" in file]
print("ANSWERS", json.dumps([answers, foreign]))
"""


@pytest.fixture
def deployed(deployment: Deployment, redis_server: RedisServer) -> Deployment:
    """With an empty shared cache."""
    assert ask(redis_server.port, b"FLUSHALL\r\n") == b"+OK\r\n"
    return deployment


@pytest.fixture
def photo(deployment: Deployment, s3_server: S3Server) -> Callable[..., ThumbnailSpec]:
    """Uploads a source and returns the spec of a thumbnail of it."""

    def upload(name: str, size: tuple[int, int] = (800, 600)) -> ThumbnailSpec:
        s3_server.client().put_object(Bucket=deployment.photos, Key=name, Body=picture(size))
        return ThumbnailSpec(Source("s3", deployment.photos, name), "300x200", {"crop": "center"})

    return upload


def path_of(spec: ThumbnailSpec, resolution: str = "") -> str:
    return f"/{Tokens([SECRET]).encrypt(spec)}{resolution}.{spec.extension}"


def invoke(deployment: Deployment, *requests: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """The function's handler from the unpacked zip, in a clean process: answers, and lines of its log."""
    done = subprocess.run(
        [find_lambda_python(), "-c", INVOKE],
        cwd=deployment.package,
        input=json.dumps(requests),
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **deployment.variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS ")]
    answers, foreign = json.loads(line.removeprefix("ANSWERS "))
    assert foreign == []
    return answers, (done.stdout.replace(line, "") + done.stderr).splitlines()


def test_zappa_tells_the_site_its_settings(deployment: Deployment) -> None:
    config = deployment.aws.client("lambda").get_function_url_config(FunctionName=NAME)
    line = f'THUMBNAIL_SERVER_URL = "{config["FunctionUrl"].rstrip("/")}"'
    for output in (deployment.deployed, deployment.updated):
        assert line in output
        assert f'THUMBNAIL_BUCKET = "{deployment.bucket}"' in output
        assert "python manage.py shrinkmeister doctor" in output
        assert SECRET not in output
    assert "Deployment complete" in deployment.deployed
    assert "Your updated Zappa deployment is live" in deployment.updated


def test_the_function_is_as_the_settings_say(deployment: Deployment) -> None:
    stage = json.loads((deployment.folder / "zappa_settings.json").read_text())[STAGE]
    function = deployment.aws.client("lambda").get_function_configuration(FunctionName=NAME)
    assert function["Runtime"] == stage["runtime"]
    assert function["Architectures"] == ["x86_64"]
    assert (function["MemorySize"], function["Timeout"]) == (stage["memory_size"], stage["timeout_seconds"])
    assert function["Handler"] == stage["lambda_handler"] == HANDLER
    assert function["Environment"]["Variables"] == stage["aws_environment_variables"]


def test_everybody_may_ask_its_url_and_nothing_else(deployment: Deployment) -> None:
    client = deployment.aws.client("lambda")
    assert client.get_function_url_config(FunctionName=NAME)["AuthType"] == "NONE"
    # Both, since October 2025: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    assert conditions(client) == CONDITIONS


CONDITIONS = {
    ("*", "lambda:InvokeFunctionUrl"): {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
    ("*", "lambda:InvokeFunction"): {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
}


def conditions(client: Any, function: str = NAME) -> dict[tuple[str, str], Any]:
    """Who may do what under which condition, by the function's policy."""
    policy = json.loads(client.get_policy(FunctionName=function)["Policy"])
    return {
        (
            one["Principal"] if isinstance(one["Principal"], str) else one["Principal"]["Service"],
            one["Action"],
        ): one.get("Condition")
        for one in policy["Statement"]
    }


@pytest.fixture
def cli(deployment: Deployment) -> Any:
    """What `restrict` needs of Zappa's."""
    return SimpleNamespace(
        use_function_url=True,
        function_url_config={"authorizer": "NONE"},
        lambda_name=NAME,
        zappa=SimpleNamespace(lambda_client=deployment.aws.client("lambda")),
    )


def test_what_zappa_has_allowed_is_narrowed_and_all_else_stays(cli: Any) -> None:
    client = cli.zappa.lambda_client
    # Of a CDN, as docs/how-to/cdn.md adds it, and what Zappa adds.
    cdn = {"Principal": "cloudfront.amazonaws.com", "SourceArn": "arn:aws:cloudfront::1:distribution/E1"}
    client.add_permission(FunctionName=NAME, StatementId="cdn", Action="lambda:InvokeFunctionUrl", **cdn)
    sid = "FunctionURLAllowPublicAccessInvoke"
    client.remove_permission(FunctionName=NAME, StatementId=sid)
    client.add_permission(FunctionName=NAME, StatementId=sid, Action="lambda:InvokeFunction", Principal="*")
    try:
        before = conditions(client)
        assert before["*", "lambda:InvokeFunction"] is None
        restrict(cli)
        assert conditions(client) == {**before, **CONDITIONS}
    finally:
        client.remove_permission(FunctionName=NAME, StatementId="cdn")


def test_a_policy_that_is_narrow_is_not_touched(cli: Any) -> None:
    """So that no browser is refused meanwhile."""
    client = cli.zappa.lambda_client
    before = client.get_policy(FunctionName=NAME)
    restrict(cli)
    assert client.get_policy(FunctionName=NAME)["RevisionId"] == before["RevisionId"]


def test_the_right_that_is_missing_is_named(cli: Any) -> None:
    with Stubber(cli.zappa.lambda_client) as stubber:
        stubber.add_client_error("get_policy", "AccessDeniedException")
        with pytest.raises(ClickException) as refused:
            restrict(cli)
    assert "AccessDeniedException" in refused.value.message
    assert "lambda:RemovePermission" in refused.value.message


@pytest.mark.parametrize(
    "changes", [{"use_function_url": False}, {"function_url_config": {"authorizer": "AWS_IAM"}}]
)
def test_a_function_without_a_public_url_is_left_alone(cli: Any, changes: dict[str, Any]) -> None:
    vars(cli).update(changes, zappa=None)
    restrict(cli)


TRY = """
import importlib, json, sys
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.path.insert(0, "")
module, _, name = sys.argv[1].rpartition(".")
handle = getattr(importlib.import_module(module), name)
outcomes = {}
for kind, event in json.load(sys.stdin).items():
    try:
        outcomes[kind] = repr(handle(event, None))
    except BaseException as error:
        outcomes[kind] = f"{type(error).__name__}: {error}"
print("ANSWERS", json.dumps(outcomes))
"""
REFUSED = "EventError: This function answers only HTTP requests."


def try_all(
    package: Path, variables: dict[str, str], handler: str, requests: dict[str, Any]
) -> tuple[dict[str, str], str]:
    """Each event's answer or error, and the log."""
    done = subprocess.run(
        [find_lambda_python(), "-c", TRY, handler],
        cwd=package,
        input=json.dumps(requests),
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS ")]
    return json.loads(line.removeprefix("ANSWERS ")), done.stdout.replace(line, "") + done.stderr


@pytest.mark.parametrize("handler", [HANDLER, "handler.lambda_handler"])
def test_no_other_event_gets_through(deployed: Deployment, tmp_path: Path, handler: str) -> None:
    """Zappa's own handler, which `zappa init` leaves in place, has to refuse them too."""
    proof = tmp_path / "proof"
    requests = events.other_events(f"open({str(proof)!r}, 'w').write('run')")
    outcomes, log = try_all(deployed.package, deployed.variables, handler, requests)
    assert outcomes == dict.fromkeys(requests, REFUSED)
    assert not proof.exists()
    for hidden in (SECRET, "diffsettings", str(proof), "os.getcwd"):
        assert hidden not in log


def test_no_event_gets_through_to_a_server_that_does_not_start(
    deployed: Deployment, tmp_path: Path
) -> None:
    """Zappa's handler, asked again after it has failed to load the server, goes on without it."""
    proof = tmp_path / "proof"
    event = {"raw_command": f"open({str(proof)!r}, 'w')"}
    variables = {**deployed.variables, "THUMBNAIL_SECRET_KEY": ""}
    del variables["INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT"]
    outcomes, _ = try_all(
        deployed.package, variables, "handler.lambda_handler", {"first": event, "second": event}
    )
    assert "THUMBNAIL_SECRET_KEY" in outcomes["first"]
    assert outcomes["second"] == REFUSED
    assert not proof.exists()


@pytest.fixture
def plain(deployment: Deployment, tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """A package as Zappa's defaults make it, for some environment_variables."""

    def make(variables: dict[str, str]) -> Path:
        package = tmp_path / "task"
        shutil.copytree(deployment.package, package, copy_function=os.link)
        shutil.rmtree(package / "__pycache__")
        module = package / "zappa_settings.py"
        lines = module.read_text().splitlines()
        module.unlink()
        ours = next(line for line in lines if line.startswith("ENVIRONMENT_VARIABLES="))
        kept = literal_eval(ours.partition("=")[2])
        kept.pop("ALLOWED_HOST")
        changed = {"ENVIRONMENT_VARIABLES": kept | variables, "DEBUG": True, "LOG_LEVEL": "DEBUG"}
        lines = [line for line in lines if line.partition("=")[0] not in changed]
        lines += [f"{name}={value!r}" for name, value in changed.items()]
        module.write_text("\n".join(lines))
        return package

    return make


def on_lambda(deployment: Deployment, package: Path) -> dict[str, str]:
    """The variables of a function, as Zappa's defaults leave them."""
    variables = {**deployment.variables, "LAMBDA_TASK_ROOT": str(package)}
    del variables["INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT"]
    return {**variables, "AWS_LAMBDA_FUNCTION_NAME": NAME}


def test_the_first_deployment_needs_no_host(
    deployed: Deployment, plain: Callable[[dict[str, str]], Path], photo: Callable[..., ThumbnailSpec]
) -> None:
    package, path = plain({"ALLOWED_HOST": ""}), path_of(photo("first.jpg"))
    odd = events.function_url(path)
    odd["headers"]["host"] = "<script>.example.com"
    requests = {
        "touch": events.rest("/"),
        "health": events.function_url("/healthz"),
        "thumbnail": events.function_url(path),
        "odd": odd,
    }
    outcomes, log = try_all(package, on_lambda(deployed, package), "handler.lambda_handler", requests)
    answers = {kind: literal_eval(outcome) for kind, outcome in outcomes.items()}
    # `zappa deploy` asks for "/", and prints no address where that fails.
    statuses = {"touch": 404, "health": 200, "thumbnail": 503, "odd": 503}
    assert {kind: answer["statusCode"] for kind, answer in answers.items()} == statuses
    assert events.URL_HOST in answers["thumbnail"]["body"]
    assert "ALLOWED_HOST" in answers["thumbnail"]["body"]
    assert "script" not in answers["odd"]["body"]
    assert events.header(answers["thumbnail"], "Cache-Control") == "no-store"
    assert events.URL_HOST in log
    assert path[1:40] not in log


def test_no_token_is_in_the_log_of_zappas_defaults(
    deployed: Deployment, plain: Callable[[dict[str, str]], Path], photo: Callable[..., ThumbnailSpec]
) -> None:
    """DEBUG=True and LOG_LEVEL='DEBUG', with which Zappa logs whole events."""
    package, path = plain({"ALLOWED_HOST": events.URL_HOST}), path_of(photo("debug.jpg"))
    requests = {"thumbnail": events.function_url(path), "broken": events.function_url(path) | {"body": 1}}
    outcomes, log = try_all(package, on_lambda(deployed, package), "handler.lambda_handler", requests)
    assert literal_eval(outcomes["thumbnail"])["statusCode"] == 302
    assert '"level": "INFO"' in log
    for hidden in (path[1:40], "DEBUG", SECRET):
        assert hidden not in log


@pytest.mark.parametrize("file", ["zappa_settings.py", "zappa_settings.json", "zappa_settings.yml"])
def test_a_package_that_contains_a_secret_makes_nothing(
    deployed: Deployment,
    plain: Callable[[dict[str, str]], Path],
    photo: Callable[..., ThumbnailSpec],
    file: str,
) -> None:
    packaged = {"THUMBNAIL_SECRET_KEY": SECRET} if file.endswith(".py") else {}
    package = plain({"ALLOWED_HOST": events.URL_HOST, **packaged})
    if not packaged:
        (package / file).write_text(json.dumps({STAGE: {"environment_variables": {"A": SECRET}}}))
    requests = {"thumbnail": events.function_url(path_of(photo("secret.jpg")))}
    outcomes, log = try_all(package, on_lambda(deployed, package), "handler.lambda_handler", requests)
    answer = literal_eval(outcomes["thumbnail"])
    assert answer["statusCode"] == 503
    assert file not in answer["body"]
    assert file in log
    assert SECRET not in log


def test_its_role_has_the_rights_that_it_needs(deployment: Deployment) -> None:
    function = deployment.aws.client("lambda").get_function_configuration(FunctionName=NAME)
    role = function["Role"].rpartition("/")[2]
    iam = deployment.aws.client("iam")
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["zappa-permissions"]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    policy = iam.get_role_policy(RoleName=role, PolicyName="zappa-permissions")["PolicyDocument"]
    assert policy == json.loads((deployment.folder / "iam_policy.json").read_text())
    told = json.dumps(policy)
    assert f"arn:aws:s3:::{deployment.photos}/*" in told
    assert f"arn:aws:s3:::{deployment.bucket}/cache/*" in told
    assert '"*"' not in told


def test_the_package_has_no_secret(deployment: Deployment) -> None:
    for file in deployment.package.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file
            assert file.name not in ("zappa_settings.json", "iam_policy.json")


def test_the_package_is_small(deployment: Deployment) -> None:
    """Megabytes of the issue's; Lambda itself takes 50 and 250."""
    unpacked = sum(file.stat().st_size for file in deployment.package.rglob("*") if file.is_file())
    assert len(deployment.zip) < 50e6
    assert unpacked < 150e6


def test_the_package_has_what_the_server_needs_alone(deployment: Deployment) -> None:
    names = {path.name for path in deployment.package.iterdir()}
    assert {
        "shrinkmeister",
        "shrinkmeister_server",
        "django",
        "PIL",
        "boto3",
        "zappa",
        "handler.py",
    } <= names
    assert not names & {
        *("tests", "drivers", "example_project", "bench", "docs", ".venv"),
        *("pip", "setuptools", "troposphere", "elftools", "moto", "pytest", "playwright"),
    }
    services = {path.name for path in (deployment.package / "botocore" / "data").iterdir() if path.is_dir()}
    assert services == {"s3", "sts"}


def test_each_module_of_the_package_is_compiled_for_good(deployment: Deployment) -> None:
    """Unchecked, since a zip does not keep the times that Python compares: PEP 552."""
    bytecode = list((deployment.package / "shrinkmeister_server").rglob("*.pyc"))
    sources = list((deployment.package / "shrinkmeister_server").rglob("*.py"))
    assert len(bytecode) == len(sources) > 20
    for file in deployment.package.rglob("*.pyc"):
        assert file.read_bytes()[4:8] == b"\x01\0\0\0", file


def libraries(names_and_data: Iterator[tuple[str, bytes]]) -> dict[str, tuple[int, int]]:
    """Name of a library -> its machine, and the newest glibc that is named anywhere in it: 2.n."""
    found = {}
    for name, data in names_and_data:
        if data.startswith(b"\x7fELF"):
            versions = [int(minor) for minor in re.findall(rb"GLIBC_2\.([0-9]+)", data)]
            found[name] = (int.from_bytes(data[18:20], "little"), max(versions, default=0))
    return found


def test_its_libraries_are_for_lambdas_processor_and_c_library(deployment: Deployment) -> None:
    """By their bytes alone: 62 is x86_64, and Amazon Linux 2023 has glibc 2.34."""
    files = (file for file in deployment.package.rglob("*") if file.is_file())
    found = libraries((file.name, file.read_bytes()) for file in files)
    assert len(found) > 10
    assert {machine for machine, _ in found.values()} == {62}
    assert max(glibc for _, glibc in found.values()) <= 34


def test_a_package_for_arm64_is_made_on_another_machine(deployment: Deployment) -> None:
    settings = json.loads((deployment.folder / "zappa_settings.json").read_text())
    settings[STAGE]["architecture"] = "arm64"
    (deployment.folder / "arm64.json").write_text(json.dumps(settings))
    package = ("zappa", "package", STAGE, "--settings_file", "arm64.json", "--output", "arm64.zip")
    Workshop(deployment.folder).run(*package, **deployment.aws.variables)
    with zipfile.ZipFile(deployment.folder / "arm64.zip") as archive:
        found = libraries((name, archive.read(name)) for name in archive.namelist())
    (deployment.folder / "arm64.zip").unlink()
    x86 = libraries((file.name, file.read_bytes()) for file in deployment.package.rglob("*.so"))
    assert {machine for machine, _ in found.values()} == {183}
    assert max(glibc for _, glibc in found.values()) <= 34
    assert len([name for name in found if name.endswith(".so")]) == len(x86)


@pytest.mark.parametrize("way", events.WAYS.values(), ids=events.WAYS)
def test_each_way_in_front_of_it_gets_real_thumbnails(
    way: Callable[..., dict[str, Any]],
    deployed: Deployment,
    photo: Callable[..., ThumbnailSpec],
) -> None:
    spec = photo(f"Zürich/{way.__name__} ☃.jpg")
    path = path_of(spec)
    answers, lines = invoke(
        deployed,
        way(path),
        way(path, "HEAD"),
        way(path, query={"utm_source": "a%2Fb"}),
        way(path_of(spec, "@2x")),
        way(path_of(spec, "@3x")),
        way(f"/A{path[1:]}"),
        way("/robots.txt"),
        way(path, "POST"),
        way("/thumbnails", "POST", body=json.dumps({"thumbnails": [path[1:], "AAAA.jpg"]})),
        way("/healthz"),
    )
    made, head, queried, resolution, unlisted, refused, nothing, posted, batch, health = answers
    location = events.header(made, "Location")
    assert location
    assert location.startswith("http")
    for answer in (made, head, queried):
        assert answer["statusCode"] == 302
        assert events.header(answer, "Location") == location
        assert events.header(answer, "Cache-Control") == "public, max-age=300"
        assert not answer.get("body")
    for answer, size in ((made, (300, 200)), (resolution, (600, 400))):
        stored = urllib3.request("GET", str(events.header(answer, "Location")), timeout=60)
        assert stored.status == 200
        assert stored.headers["Content-Type"] == "image/jpeg"
        assert size_of(stored.data) == size
    assert [answer["statusCode"] for answer in (unlisted, refused, nothing, posted)] == [404, 403, 404, 405]
    for answer in (unlisted, refused, nothing, posted):
        assert not answer.get("isBase64Encoded")
        assert answer["body"].endswith("\n")
        assert events.header(answer, "Cache-Control") == "no-store"
    entries = json.loads(batch["body"])["thumbnails"]
    assert (entries[0]["url"], entries[0]["width"], entries[1]["status"]) == (location, 300, 403)
    assert health["statusCode"] == 200
    assert json.loads(health["body"]) == {"cache": "ok", "bucket": "ok", "engine": "ok"}
    told = [json.loads(line) for line in lines if line.startswith("{")]
    assert [one["outcome"] for one in told if "_aws" in one][:4] == ["made", "found", "found", "found"]
    # Nor do Zappa's own lines have the path.
    assert not [line for line in lines if path[1:40] in line]


def test_a_record_is_in_the_shared_cache_that_pages_ask(
    deployed: Deployment, photo: Callable[..., ThumbnailSpec], redis_server: RedisServer
) -> None:
    spec = photo("recorded.jpg")
    invoke(deployed, events.function_url(path_of(spec)))
    import redis

    from shrinkmeister.protocol.keys import record_key

    record = redis.Redis(port=redis_server.port).get(f"shrinkmeister:{record_key(spec)}")
    assert isinstance(record, bytes)
    assert json.loads(record)["w"] == 300


def test_the_doctor_is_answered(deployed: Deployment) -> None:
    cipher = MessageCipher([SECRET])
    question = Question(EXAMINE, "pDFAQ5JAnVgOyp2EiK8zfw", int(time()))
    answers, _ = invoke(deployed, events.rest(f"/doctor/{cipher.encrypt_question(question)}"))
    answer = cipher.decrypt_answer(answers[0]["body"], question)
    assert answer.bucket_url
    assert answer.bucket_error is None
    assert answer.cache_error is None
    assert answer.facts["settings"]["THUMBNAIL_BUCKET"] == deployed.bucket
    removal, _ = invoke(
        deployed, events.rest(f"/doctor/{cipher.encrypt_question(replace(question, ask=REMOVE))}")
    )
    assert cipher.decrypt_answer(removal[0]["body"], question).bucket_error is None


def test_a_host_of_somebody_else_is_refused(
    deployed: Deployment, photo: Callable[..., ThumbnailSpec]
) -> None:
    event = events.function_url(path_of(photo("host.jpg")))
    event["headers"]["host"] = "evil.example.com"
    answers, _ = invoke(deployed, event)
    assert answers[0]["statusCode"] == 400
