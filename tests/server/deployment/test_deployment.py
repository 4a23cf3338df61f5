"""What stands before and after Zappa: settings, rights, the site's side, and the finished package."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click import ClickException
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from shrinkmeister.conf import Config, get_config
from shrinkmeister.doctor.messages import facts_of
from shrinkmeister.environment import NAMES, SECRET, TEXT
from shrinkmeister_server.conf import VARIABLES
from shrinkmeister_server.deployment.command import main
from shrinkmeister_server.deployment.package import finish
from shrinkmeister_server.deployment.plausibility import check, doubtful, impossible
from shrinkmeister_server.deployment.policy import function_name, policy_of
from shrinkmeister_server.deployment.site import SHARED, site_settings
from shrinkmeister_server.deployment.stage import (
    DEFAULTS,
    HANDLER,
    RUNTIMES,
    SECRETS,
    StageError,
    complete,
    make_stage,
    variables_of,
)
from tests import ROOT

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails]

EXAMPLE = json.loads((ROOT / "zappa_settings.json.example").read_text())["production"]
SITES_SECRET = "the secret that the site has had before the server"
ANSWERS: dict[str, Any] = {
    "name": "shrinkmeister",
    "region": "eu-central-1",
    "bucket": "my-thumbnails",
    "deployments": "my-thumbnails-deployments",
    "sources": "s3://my-photos",
    "cache": "redis://my-cache.example.com:6379/0",
    "secret": "the secret of the tests, which is long enough",
    "resolutions": "2",
}
EXAMPLES_SECRET = EXAMPLE["aws_environment_variables"]["THUMBNAIL_SECRET_KEY"]
# Of which not every text is a value.
TYPED = (
    *("THUMBNAIL_ALTERNATIVE_RESOLUTIONS", "THUMBNAIL_TTL", "THUMBNAIL_CHECK_TTL"),
    "THUMBNAIL_EXPIRE_DAYS",
)
RUNNING = f"python{sys.version_info.major}.{sys.version_info.minor}"
# `init` refuses a Python that Lambda lacks, unless it is told another one.
RUNTIME = () if RUNNING in RUNTIMES else ("--runtime", "python3.13")
INIT = [
    *("init", "--region", "eu-central-1", "--bucket", "my-thumbnails", "--sources", "s3://my-photos"),
    *("--cache", "redis://user:password@my-cache.example.com:6379/0", "--resolutions", "1.5,2"),
    *RUNTIME,
]


def command(
    directory: Path, *arguments: str, variables: dict[str, str] | None = None, input: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shrinkmeister_server", *arguments],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **(variables or {})},
        input=input,
        capture_output=True,
        text=True,
    )


def stage_of(**changes: str) -> dict[str, Any]:
    """Return what `init` writes for ANSWERS with these changes."""
    return make_stage(**{**ANSWERS, **changes})


# The example, and what `init` writes.


def test_the_example_has_every_variable_of_the_server() -> None:
    given = {*EXAMPLE["environment_variables"], *EXAMPLE["aws_environment_variables"]}
    # Lambda has no port.
    assert given - {"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT"} == {row.name for row in VARIABLES} - {"PORT"}


def test_the_example_keeps_secrets_out_of_the_package() -> None:
    assert not set(SECRETS) & EXAMPLE["environment_variables"].keys()
    assert set(SECRETS) <= EXAMPLE["aws_environment_variables"].keys()


@pytest.mark.parametrize(
    "name",
    ["zappa_settings.json", "zappa_settings.json~", ".zappa_settings.json.swp", ".env", ".env.local"],
)
def test_the_example_keeps_files_with_secrets_out_of_the_package(name: str) -> None:
    assert any(fnmatchcase(name, pattern) for pattern in EXAMPLE["exclude_glob"])


def test_nobody_deploys_the_secret_that_everybody_can_read() -> None:
    with pytest.raises(StageError, match=r"shrinkmeister\.E001"):
        check(EXAMPLE)


def test_the_example_is_what_init_writes_with_defaults_spelled_out() -> None:
    written = stage_of(secret=EXAMPLES_SECRET)
    for key in ("environment_variables", "aws_environment_variables"):
        assert written.pop(key).items() <= EXAMPLE[key].items()
    written["runtime"] = EXAMPLE["runtime"]
    assert written == {key: value for key, value in EXAMPLE.items() if not key.endswith("_variables")}


def test_the_worst_request_ends_before_lambda_ends_it() -> None:
    """A thumbnail that a batch begins at its end; and S3 may take some seconds."""
    settings = server_settings(variables_of(stage_of()))
    steps = ("BATCH", "WAIT", "SOURCE", "MAX")
    assert (
        sum(settings[f"THUMBNAIL_{step}_SECONDS"] or 60 for step in steps)
        <= DEFAULTS["timeout_seconds"] - 4
    )


def server_settings(variables: dict[str, str]) -> dict[str, Any]:
    script = (
        "import json; from shrinkmeister_server import settings as s;"
        "names = [n for n in dir(s) if n.startswith(('THUMBNAIL_', 'AWS_', 'LOG_'))];"
        "print(json.dumps({n: getattr(s, n) for n in names}, default=lambda one: one.reveal()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=variables, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def test_the_defaults_that_the_example_spells_out_are_the_defaults() -> None:
    spelled_out = server_settings(variables_of(EXAMPLE))
    left_out = server_settings(variables_of(stage_of(secret=EXAMPLES_SECRET)))
    assert spelled_out == left_out


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_zappa_loads_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from zappa.cli import ZappaCLI

    shutil.copy(ROOT / "zappa_settings.json.example", tmp_path / "zappa_settings.json")
    monkeypatch.chdir(tmp_path)
    assert command(tmp_path, "policy").returncode == 0
    cli: Any = ZappaCLI()
    cli.api_stage = "production"
    cli.load_settings("zappa_settings.json", session=boto3.Session(region_name="eu-central-1"))
    assert cli.lambda_name == "shrinkmeister-production"
    assert cli.django_settings == "shrinkmeister_server.settings"
    assert cli.function_url_config == {"authorizer": "NONE", "cors": False}
    assert json.loads(cli.zappa.attach_policy) == policy_of("production", EXAMPLE)


# The command.


def test_init_writes_settings_that_only_their_owner_reads(tmp_path: Path) -> None:
    done = command(tmp_path, *INIT)
    assert done.returncode == 0, done.stderr
    file = tmp_path / "zappa_settings.json"
    assert file.stat().st_mode & 0o777 == 0o600
    stage = json.loads(file.read_text())["production"]
    secret = stage["aws_environment_variables"]["THUMBNAIL_SECRET_KEY"]
    assert len(secret) >= 64
    assert json.loads((tmp_path / "iam_policy.json").read_text()) == policy_of("production", stage)
    for hidden in (secret, "password"):
        assert hidden not in done.stdout + done.stderr


def test_a_file_that_others_read_is_theirs_no_more(tmp_path: Path) -> None:
    file = tmp_path / "zappa_settings.json"
    file.write_text("{}")
    file.chmod(0o644)
    assert command(tmp_path, *INIT, "--force").returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600


def test_each_init_makes_another_secret_or_takes_the_sites(tmp_path: Path) -> None:
    made = []
    for variables in ({}, {}, {"THUMBNAIL_SECRET_KEY": SITES_SECRET}):
        assert command(tmp_path, *INIT, "--force", variables=variables).returncode == 0
        stage = json.loads((tmp_path / "zappa_settings.json").read_text())["production"]
        made.append(stage["aws_environment_variables"]["THUMBNAIL_SECRET_KEY"])
    assert len(set(made)) == 3
    assert made[2] == SITES_SECRET


def test_init_refuses_a_secret_that_can_be_guessed(tmp_path: Path) -> None:
    refused = command(tmp_path, *INIT, variables={"THUMBNAIL_SECRET_KEY": "abcdefgh" * 5})
    assert refused.returncode == 1
    assert "shrinkmeister.E001" in refused.stderr
    assert "abcdefgh" not in refused.stdout + refused.stderr
    assert list(tmp_path.glob("*.json")) == []


def test_a_rotation_away_from_a_secret_that_can_be_guessed_is_deployed() -> None:
    stage = stage_of()
    stage["aws_environment_variables"]["THUMBNAIL_SECRET_KEY_FALLBACKS"] = (
        f"{'abcdefgh' * 5}, {SITES_SECRET}"
    )
    check(stage)
    stage["aws_environment_variables"]["THUMBNAIL_SECRET_KEY_FALLBACKS"] = "short"
    with pytest.raises(StageError, match=r"shrinkmeister\.E001"):
        check(stage)


@pytest.mark.parametrize("bucket", ["my-thumbnails", f"{'a' * 41}.{'b' * 21}"])
def test_nobody_can_guess_where_the_package_lies(tmp_path: Path, bucket: str) -> None:
    names = set()
    for _ in range(2):
        assert command(tmp_path, *INIT, "--bucket", bucket, "--force").returncode == 0
        names.add(json.loads((tmp_path / "zappa_settings.json").read_text())["production"]["s3_bucket"])
    assert len(names) == 2
    assert all(re.fullmatch(r"[a-z-]{1,41}-deployments-[0-9a-f]{8}", name) for name in names)


def test_init_replaces_nothing_by_itself(tmp_path: Path) -> None:
    (tmp_path / "zappa_settings.json").write_text("{}")
    done = command(tmp_path, *INIT)
    assert done.returncode == 1
    assert "--force" in done.stderr
    assert (tmp_path / "zappa_settings.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--sources", "s3:/my-photos"], "shrinkmeister.E007"),
        (["--bucket", "s3://my-thumbnails"], "The bucket is 's3://my-thumbnails'"),
        (["--cache-backend", "reddis"], "THUMBNAIL_CACHE_BACKEND is 'reddis'"),
        (["--resolutions", "2x"], "THUMBNAIL_ALTERNATIVE_RESOLUTIONS is '2x'"),
        (["--subnets", "subnet-1"], "--security-groups"),
        (["--bucket", "My_Thumbnails"], "The bucket is 'My_Thumbnails'"),
        (["--sources", "s3://My_photos"], "'My_photos'"),
        (["--hosts", "https://thumbs.example.com"], "ALLOWED_HOST"),
        (["--hosts", "thumbs..example.com"], "ALLOWED_HOST"),
        (["--cache", "redis://:password@127.0.0.1:6379/0"], "'127.0.0.1'"),
        (["--region", ""], "--region is missing"),
        (["--region", "Frankfurt"], "The region is 'Frankfurt'"),
        (["--name", "My Photos"], "The name is 'My Photos'"),
        (["--stage", "my-photos"], "The stage is 'my-photos'"),
    ],
)
def test_init_says_what_is_wrong_and_writes_nothing(tmp_path: Path, wrong: list[str], told: str) -> None:
    done = command(tmp_path, *INIT, *wrong, input="")
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def on_a_terminal(directory: Path, typed: bytes, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`init`, and what is typed there."""
    import pty

    terminal, ours = pty.openpty()
    os.write(terminal, typed)
    done = subprocess.run(
        [sys.executable, "-m", "shrinkmeister_server", "init", *RUNTIME, *arguments],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=ours,
        capture_output=True,
        text=True,
        timeout=60,
    )
    os.close(ours)
    os.close(terminal)
    return done


def test_a_cache_with_a_password_need_not_be_an_option(tmp_path: Path) -> None:
    location = "redis://:password@elsewhere.example.com:6379/0"
    without = [one for one in INIT if one != "--cache" and not one.startswith("redis:")]
    done = command(tmp_path, *without, variables={"THUMBNAIL_CACHE_LOCATION": location})
    assert done.returncode == 0, done.stderr
    stage = json.loads((tmp_path / "zappa_settings.json").read_text())["production"]
    assert stage["aws_environment_variables"]["THUMBNAIL_CACHE_LOCATION"] == location


def test_a_storage_whose_place_the_rights_do_not_know_is_told(tmp_path: Path) -> None:
    done = command(tmp_path, *INIT, "--sources", "s3://my-photos,storage://default")
    assert "storage://default" in done.stdout
    assert "storage://default" in command(tmp_path, "policy").stdout
    assert "storage://" not in command(tmp_path, *INIT, "--force").stdout


def test_help_names_what_is_for_lambda(tmp_path: Path) -> None:
    assert "For a server on AWS Lambda: init, policy, site" in command(tmp_path, "help").stdout


def test_init_asks_on_a_terminal_for_what_no_option_says(tmp_path: Path) -> None:
    done = on_a_terminal(
        tmp_path, b"eu-west-1\nthumbs\n\ns3://photos, s3://more/folder\nredis://cache:6379/0\n"
    )
    assert done.returncode == 0, done.stderr
    variables = json.loads((tmp_path / "zappa_settings.json").read_text())["production"][
        "environment_variables"
    ]
    assert variables["AWS_S3_REGION_NAME"] == "eu-west-1"
    assert variables["THUMBNAIL_BUCKET"] == "thumbs"
    assert variables["THUMBNAIL_SOURCES"] == "s3://photos,s3://more/folder"


def test_a_wrong_answer_does_not_lose_the_others(tmp_path: Path) -> None:
    """Nor one that was given by an option."""
    answers = b"thumbs\ns3://photos\nredis://cache:6379/0\n"
    done = on_a_terminal(
        tmp_path, answers + b"eu-west-1\n\nsss://a\n\n" + b"\n\ns3://more\n\n", "--region", "Rome"
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stderr.split("\nEnter keeps")[:2]
    assert "The region is 'Rome'" in first
    assert "shrinkmeister.E007" in second
    stage = json.loads((tmp_path / "zappa_settings.json").read_text())["production"]
    assert stage["aws_region"] == "eu-west-1"
    assert stage["environment_variables"]["THUMBNAIL_BUCKET"] == "thumbs"
    assert stage["environment_variables"]["THUMBNAIL_SOURCES"] == "s3://more"
    assert stage["aws_environment_variables"]["THUMBNAIL_CACHE_LOCATION"] == "redis://cache:6379/0"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--subnets", "subnet-1"], "--security-groups"),
        (["--name", "My Photos"], "The name is 'My Photos'"),
        (["--stage", "my-photos"], "The stage is 'my-photos'"),
    ],
)
def test_nothing_is_asked_where_no_answer_helps(tmp_path: Path, wrong: list[str], told: str) -> None:
    done = on_a_terminal(tmp_path, b"", *wrong)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


def test_the_same_answers_end_init(tmp_path: Path) -> None:
    """What is wrong is an option that nothing asks for."""
    answers = b"eu-west-1\nthumbs\ns3://photos\nredis://cache:6379/0\n"
    done = on_a_terminal(tmp_path, answers + b"\n\n\n\n", "--resolutions", "2x")
    assert done.returncode == 1
    assert "THUMBNAIL_ALTERNATIVE_RESOLUTIONS is '2x'" in done.stderr
    assert "No answer has changed" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_driver_of_ones_own_is_found_where_init_finds_it(tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "own.py").write_text("from shrinkmeister.drivers.redis import RedisDriver as Own")
    path = os.pathsep.join((str(ROOT), str(tmp_path / "path")))
    done = command(tmp_path, *INIT, "--cache-backend", "own.Own", variables={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr


def test_the_end_of_input_ends_init(tmp_path: Path) -> None:
    done = on_a_terminal(tmp_path, b"eu-west-1\n\x04")
    assert (done.returncode, done.stderr.strip()) == (1, "Stopped. No file was written.")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_or_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "zappa_settings.json").mkdir()
    for arguments in ([*INIT, "--force"], ["site"]):
        done = command(tmp_path, *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("zappa_settings.json ")
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["zappa_settings.json", "iam_policy.json"])
def test_init_that_cannot_write_keeps_the_secret_of_before(tmp_path: Path, name: str) -> None:
    other = ({"zappa_settings.json", "iam_policy.json"} - {name}).pop()
    (tmp_path / name).mkdir()
    (tmp_path / other).write_text("{}")
    done = command(tmp_path, *INIT, "--force")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name} ")
    assert "Traceback" not in done.stderr
    if other == "zappa_settings.json":
        assert (tmp_path / other).read_text() == "{}"


def test_init_refuses_a_python_that_lambda_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shrinkmeister_server.deployment.command.RUNNING", "python3.11")
    arguments = [one for one in INIT if one not in RUNTIME]
    message = main(arguments)
    assert message is not None
    assert all(one in message for one in ("python3.11", *RUNTIMES, "--runtime"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit) as refused:
        main([*arguments, "--runtime", "python3.11"])
    assert refused.value.code == 2
    assert main([*arguments, "--runtime", "python3.13"]) is None
    stage = json.loads((tmp_path / "zappa_settings.json").read_text())["production"]
    assert stage["runtime"] == "python3.13"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([1], "zappa_settings.json has to be"),
        ({"test": 1}, "zappa_settings.json has to be"),
        ({"test": {}}, "project_name of the stage 'test' is missing"),
        ({"test": {"environment_variables": {"THUMBNAIL_TTL": "abc"}}}, "THUMBNAIL_TTL is 'abc'"),
        ({"test": {"environment_variables": {"THUMBNAIL_TTL": 86400}}}, "THUMBNAIL_TTL is of type int"),
        ({"test": {"environment_variables": [1]}}, "environment_variables of zappa_settings.json"),
        ({"test": {"aws_environment_variables": "a"}}, "aws_environment_variables of zappa_settings"),
        ({"test": {"vpc_config": []}}, "vpc_config of zappa_settings.json"),
        ({"test": {"aws_region": None}}, "aws_region of zappa_settings.json"),
        ({}, "no stage"),
    ],
)
def test_settings_that_nothing_can_read_are_told(tmp_path: Path, settings: Any, told: str) -> None:
    (tmp_path / "zappa_settings.json").write_text(json.dumps(settings))
    done = command(tmp_path, "policy" if settings == {"test": {}} else "site")
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_policy_and_site_follow_a_change_of_the_settings(tmp_path: Path) -> None:
    assert command(tmp_path, *INIT).returncode == 0
    file = tmp_path / "zappa_settings.json"
    settings = json.loads(file.read_text())
    settings["production"]["environment_variables"] |= {"THUMBNAIL_SOURCES": "s3://others"}
    settings["production"]["environment_variables"] |= {"THUMBNAIL_PREFIX": "small/"}
    file.write_text(json.dumps(settings))
    assert command(tmp_path, "policy").returncode == 0
    policy = (tmp_path / "iam_policy.json").read_text()
    assert "arn:aws:s3:::others/*" in policy
    assert "arn:aws:s3:::my-thumbnails/small/*" in policy
    assert "my-photos" not in policy
    done = command(tmp_path, "site", "--server-url", "https://thumbs.example.com")
    assert 'THUMBNAIL_PREFIX = "small/"\n' in done.stdout
    assert 'THUMBNAIL_SERVER_URL = "https://thumbs.example.com"\n' in done.stdout


def test_a_stage_has_to_be_named_where_there_are_several(tmp_path: Path) -> None:
    assert "zappa_settings.json does not exist" in command(tmp_path, "site").stderr
    (tmp_path / "zappa_settings.json").write_text(json.dumps({"test": EXAMPLE, "production": EXAMPLE}))
    done = command(tmp_path, "site")
    assert (done.returncode, done.stderr) == (
        1,
        "zappa_settings.json has the stages test, production. Name one of them.\n",
    )
    assert command(tmp_path, "site", "test").returncode == 0
    unknown = command(tmp_path, "site", "tset")
    assert unknown.returncode == 1
    assert "'tset'" in unknown.stderr
    wrong = command(tmp_path, "site", "test", "--server-url", "thumbs")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("--server-url is 'thumbs'")
    (tmp_path / "zappa_settings.json").write_text("{")
    assert "is not JSON" in command(tmp_path, "site").stderr


# What cannot work on AWS.

SERVERLESS = "my-cache-abc123.serverless.euc1.cache.amazonaws.com"
CLUSTER = "clustercfg.my-cache.abc123.euc1.cache.amazonaws.com"
NODE = "my-cache.abc123.0001.euc1.cache.amazonaws.com"
READER = "my-cache-ro.abc123.ng.0001.euc1.cache.amazonaws.com"
DISCOVERY = "my-cache.abc123.cfg.euc1.cache.amazonaws.com"


def judged(
    judge: Callable[..., Any], network: Any = False, region: str = "eu-central-1", **variables: str
) -> list[str]:
    stage = stage_of(region=region, bucket="thumbs", sources="s3://photos")
    stage["s3_bucket"] = "deployments"
    if network:
        stage["vpc_config"] = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    stage["environment_variables"] |= {"THUMBNAIL_CACHE_LOCATION": "", **variables}
    return list(judge(stage))


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("redis://:password@127.0.0.1:6379/0", "127.0.0.1"),
        ("redis://127.0.0.2", "127.0.0.2"),
        ("redis://[::1]:6379/0", "::1"),
        ("redis://0.0.0.0:6379/0", "0.0.0.0"),
        ("redis://LocalHost:6379/0", "localhost"),
        ("redis://localhost.:6379/0", "localhost"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
        ("unix://:password@/run/redis.sock", "/run/redis.sock"),
        ("unix:/run/memcached.sock", "/run/memcached.sock"),
        ("redis://:pass,word,password,x@127.0.0.1:6379/0", "127.0.0.1"),
        ("/run/memcached.sock", "/run/memcached.sock"),
        (f"redis://{NODE}:6379/0", NODE),
        (f"rediss://:password@{SERVERLESS}:6379", SERVERLESS),
        ("redis://10.0.0.5:6379/0", "10.0.0.5"),
        ("redis://169.254.1.1:6379/0", "169.254.1.1"),
        ("redis://[fd00::1]:6379/0", "fd00::1"),
    ],
)
def test_a_cache_that_no_function_reaches_is_refused(location: str, host: str) -> None:
    (problem,) = judged(impossible, THUMBNAIL_CACHE_LOCATION=location)
    assert host in problem
    assert "password" not in problem


@pytest.mark.parametrize("location", [SERVERLESS, CLUSTER, READER, "127.0.0.1", "localhost"])
def test_no_network_helps_with_these(location: str) -> None:
    found = judged(impossible, network=True, THUMBNAIL_CACHE_LOCATION=f"rediss://{location}:6379/0")
    assert len(found) == 1


@pytest.mark.parametrize("location", [NODE, "10.0.0.5", "[fd00::1]", "cache.internal", "cache", DISCOVERY])
def test_a_network_reaches_these(location: str) -> None:
    found = judged(impossible, network=True, THUMBNAIL_CACHE_LOCATION=f"redis://{location}:6379/0")
    assert found == []


@pytest.mark.parametrize(
    "location",
    [
        "redis://cache.shop.io:6379/0",
        "rediss://:p@34.117.59.81:6379",
        "a.shop.io:11211,b.shop.io:11211",
        "",
    ],
)
def test_a_cache_on_the_internet_is_taken(location: str) -> None:
    assert judged(impossible, THUMBNAIL_CACHE_LOCATION=location) == []
    assert judged(doubtful, THUMBNAIL_CACHE_LOCATION=location) == []


def test_each_address_of_a_cache_is_looked_at() -> None:
    found = judged(
        impossible,
        THUMBNAIL_CACHE_BACKEND="memcached",
        THUMBNAIL_CACHE_LOCATION="a.shop.io:11211, 127.0.0.1:11211;localhost:11211",
    )
    assert [host for host in ("127.0.0.1", "localhost") if any(host in one for one in found)] == [
        *("127.0.0.1", "localhost"),
    ]
    assert len(found) == 2


def test_a_driver_of_ones_own_has_addresses_of_its_own() -> None:
    variables = {"THUMBNAIL_CACHE_BACKEND": "own.Driver", "THUMBNAIL_CACHE_LOCATION": "127.0.0.1"}
    assert judged(impossible, **variables) == []


@pytest.mark.parametrize("bucket", ["My_photos", "my_photos", "ab", "a..b", "192.168.0.1", "-ab", "x" * 64])
def test_a_bucket_that_s3_cannot_have_is_refused(bucket: str) -> None:
    assert len(judged(impossible, THUMBNAIL_BUCKET=bucket, THUMBNAIL_SOURCES=f"s3://{bucket}/a/")) == 2
    # Another store has other rules.
    elsewhere = {"AWS_S3_ENDPOINT_URL": "https://s3.example.com", "THUMBNAIL_BUCKET": bucket}
    assert judged(impossible, **elsewhere) == []


@pytest.mark.parametrize("source", ["s3://photos/*", "s3://photos/2026/*"])
def test_a_source_that_is_a_pattern_is_refused(source: str) -> None:
    (problem,) = judged(impossible, THUMBNAIL_SOURCES=source)
    assert source in problem


@pytest.mark.parametrize("region", ["eu-centrall-1", "eu-west-99"])
def test_a_region_that_does_not_exist_is_refused(region: str) -> None:
    (problem,) = judged(impossible, region=region)
    assert region in problem


@pytest.mark.parametrize("region", ["eu-central-1", "cn-north-1", "us-gov-west-1"])
def test_regions_of_each_partition_exist(region: str) -> None:
    assert judged(impossible, region=region) == []


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"THUMBNAIL_CACHE_LOCATION": "redis://cache:6379/0"}, "'cache'"),
        ({"THUMBNAIL_BUCKET": "thumbs.shop.io"}, "thumbs.shop.io"),
        ({"THUMBNAIL_SOURCES": "s3://deployments"}, "deployments"),
        ({"ALLOWED_HOST": "*"}, "ALLOWED_HOST"),
    ],
)
def test_what_may_not_work_is_doubted(variables: dict[str, str], told: str) -> None:
    assert judged(impossible, **variables) == []
    (doubt,) = judged(doubtful, **variables)
    assert told in doubt


def test_memcacheds_discovery_is_doubted() -> None:
    (doubt,) = judged(doubtful, network=True, THUMBNAIL_CACHE_LOCATION=f"{DISCOVERY}:11211")
    assert DISCOVERY in doubt


def test_init_notes_what_may_not_work(tmp_path: Path) -> None:
    done = command(tmp_path, *INIT, "--cache", "redis://:password@cache:6379/0")
    assert done.returncode == 0
    assert "'cache'" in done.stderr
    assert "password" not in done.stderr


# What `zappa init` writes, completed.

PLAIN: dict[str, Any] = {
    "aws_region": "eu-west-1",
    "django_settings": "shrinkmeister_server.settings",
    "exclude": ["boto3"],
    "project_name": "thumbs",
    "runtime": RUNNING,
    "s3_bucket": "zappa-abc",
    "callbacks": {"settings": "shrinkmeister_server.deployment.callbacks.settings"},
    "environment_variables": {
        "THUMBNAIL_SECRET_KEY": "y" * 40,
        "THUMBNAIL_CACHE_LOCATION": "redis://:p@cache.shop.io:6379/0",
        "THUMBNAIL_BUCKET": "thumbs",
        "THUMBNAIL_MAX_SECONDS": "4",
        "AWS_S3_SECRET_ACCESS_KEY": "z" * 40,
    },
}


def test_what_zappa_init_writes_becomes_what_our_init_writes() -> None:
    stage = complete(PLAIN)
    written = stage_of(region="eu-west-1")
    changed = {"environment_variables", "aws_environment_variables", "callbacks", *PLAIN}
    for key in written.keys() - changed - {"attach_policy", "architecture"}:
        assert stage[key] == written[key], key
    assert stage["callbacks"] == {**written["callbacks"], **PLAIN["callbacks"]}
    assert stage["exclude"] == ["boto3"]
    packaged, own = stage["environment_variables"], stage["aws_environment_variables"]
    assert not packaged.keys() & set(SECRETS)
    assert own["THUMBNAIL_SECRET_KEY"] == "y" * 40
    assert own["AWS_S3_SECRET_ACCESS_KEY"] == "z" * 40
    assert "AWS_S3_SECRET_ACCESS_KEY" not in packaged
    assert own["INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT"] == "true"
    assert packaged["THUMBNAIL_MAX_SECONDS"] == "4"
    assert packaged["AWS_S3_REGION_NAME"] == "eu-west-1"
    assert complete(stage) | {"exclude_glob": stage["exclude_glob"]} == stage


@pytest.mark.parametrize("key", ["apigateway_enabled", "function_url_enabled", "alb_enabled", "domain"])
def test_an_address_that_is_chosen_stays(key: str) -> None:
    stage = complete({**PLAIN, key: True})
    assert {"apigateway_enabled", "function_url_enabled"} & stage.keys() == {key} & {
        "apigateway_enabled",
        "function_url_enabled",
    }


def test_another_store_has_its_own_region() -> None:
    variables = {**PLAIN["environment_variables"], "AWS_S3_ENDPOINT_URL": "https://s3.example.com"}
    stage = complete({**PLAIN, "environment_variables": variables})
    assert not stage["environment_variables"].keys() & {"AWS_S3_REGION_NAME", "AWS_S3_ADDRESSING_STYLE"}


def test_zappa_init_in_the_checkout_proposes_the_servers_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from zappa.utilities import detect_django_settings

    monkeypatch.chdir(ROOT)
    # A build leaves copies.
    found = [one for one in detect_django_settings() if not one.startswith(("build.", "."))]
    assert found == ["shrinkmeister_server.settings"]


# The rights.


def statements(**changes: Any) -> dict[str, dict[str, Any]]:
    stage = stage_of(**changes)
    return {one["Sid"]: one for one in policy_of("production", stage)["Statement"]}


def test_the_rights_name_each_bucket_and_folder() -> None:
    of = statements(sources="s3://photos,s3://more/folder/,https://images.example.com")
    assert of["ReadSources"]["Action"] == ["s3:GetObject"]
    assert of["ReadSources"]["Resource"] == ["arn:aws:s3:::photos/*", "arn:aws:s3:::more/folder/*"]
    assert of["KeepThumbnails"]["Action"] == ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    assert of["KeepThumbnails"]["Resource"] == ["arn:aws:s3:::my-thumbnails/cache/*"]
    listed = ["arn:aws:s3:::photos", "arn:aws:s3:::more", "arn:aws:s3:::my-thumbnails"]
    assert of["TellWhatIsMissing"]["Resource"] == listed
    assert all("*" not in action for one in of.values() for action in one["Action"])


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        *(("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")),
        *(("us-iso-east-1", "aws-iso"), ("us-isob-east-1", "aws-iso-b"), ("eusc-de-east-1", "aws-eusc")),
    ],
)
def test_the_rights_are_of_the_regions_partition(region: str, partition: str) -> None:
    for one in statements(region=region).values():
        assert all(resource.startswith(f"arn:{partition}:") for resource in one["Resource"])


def test_a_network_of_its_own_needs_rights_of_its_own() -> None:
    assert "JoinNetwork" not in statements()
    assert statements(subnets="subnet-1", security_groups="sg-1")["JoinNetwork"]["Resource"] == ["*"]


def test_a_folder_is_no_pattern() -> None:
    of = statements(sources="s3://photos/*x?/,s3://photos/${aws:username}")
    assert of["ReadSources"]["Resource"] == [
        "arn:aws:s3:::photos/${*}x${?}/*",
        "arn:aws:s3:::photos/${$}{aws:username}/*",
    ]


@given(st.text("abCD01-_ .", min_size=1), st.text("abCD01_", min_size=1))
def test_the_log_is_of_the_function_as_zappa_calls_it(project: str, stage: str) -> None:
    from slugify import slugify

    assert function_name(project, stage) == slugify(f"{project}-{stage}")


def test_the_log_of_a_function_with_an_odd_name() -> None:
    (log, _) = statements(name="My_Thumbs")["WriteLog"]["Resource"]
    assert log.endswith(":log-group:/aws/lambda/my-thumbs-production")
    with pytest.raises(StageError, match="project_name and stage are 'bücher-production'"):
        statements(name="bücher")


# The site's side.


def configured(settings: dict[str, Any]) -> Config:
    with override_settings(CACHES={"default": {}}, **settings):
        return get_config()


def test_the_site_has_what_the_server_has(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = stage_of(resolutions="1.5,2")
    stage["environment_variables"] |= {
        "THUMBNAIL_PREFIX": "odd'name/",
        "THUMBNAIL_CACHE_KEY_PREFIX": "p:",
        "THUMBNAIL_TTL": "86400",
        "THUMBNAIL_CHECK_TTL": "3600",
        "THUMBNAIL_EXPIRE_DAYS": "90",
    }
    stage["aws_environment_variables"]["THUMBNAIL_SECRET_KEY_FALLBACKS"] = f"{'a' * 40},{'b' * 40}"
    variables = variables_of(stage)
    text = site_settings(variables, "https://thumbs.example.com")
    for secret in (ANSWERS["secret"], "a" * 40, "my-cache.example.com"):
        assert secret not in text
    for name in SECRETS:
        monkeypatch.setenv(name, variables.get(name, ""))
    site: dict[str, Any] = {"INSTALLED_APPS": [], "os": os}
    exec(text, site)
    pasted = {name: value for name, value in site.items() if name.startswith("THUMBNAIL_")}
    server = {n: v for n, v in server_settings(variables).items() if n in SHARED and v is not None}
    assert {name: pasted[name] for name in SHARED if name in pasted} == {
        n: server[n] for n in SHARED if n in pasted
    }
    ours = configured(pasted)
    theirs = configured({**server, "THUMBNAIL_SERVER_URL": "https://thumbs.example.com"})
    assert replace(ours, sources=()) == replace(theirs, sources=())
    assert site["INSTALLED_APPS"] == ["shrinkmeister"]


@given(
    st.dictionaries(st.sampled_from(sorted(SHARED.keys() - set(TYPED))), st.text(max_size=60)),
    st.text(),
)
def test_what_the_site_pastes_is_what_the_server_reads(variables: dict[str, str], url: str) -> None:
    site: dict[str, Any] = {"INSTALLED_APPS": [], "os": SimpleNamespace(environ=variables)}
    exec(site_settings(variables, url), site)
    assert site["THUMBNAIL_SERVER_URL"] == url
    for name, row in SHARED.items():
        # What is secret comes from an environment, and its spaces with it: the site's checks refuse those.
        if row.form is SECRET:
            assert site.get(name, "").strip() == TEXT.read(variables, name, "")
        else:
            form = NAMES if row.secret else row.form
            assert site.get(name) == form.read(variables, name, None)


def test_an_empty_variable_is_no_setting() -> None:
    assert "THUMBNAIL_EXPIRE_DAYS" not in site_settings({"THUMBNAIL_EXPIRE_DAYS": " "})


# The package.


def cli_of(path: Path, runtime: str = RUNNING, architecture: str = "x86_64") -> Any:
    return SimpleNamespace(
        zip_path=str(path),
        runtime=runtime,
        architecture=architecture,
        stage_config=stage_of(),
    )


OURS = ("shrinkmeister/__init__.py", "shrinkmeister_server/__init__.py")


def names_beside_ours(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if not name.startswith("shrinkmeister")}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, bytes]], Path]:
    """Makes a zip as Zappa's, and lets this Python be one of Lambda's."""
    monkeypatch.setattr("shrinkmeister_server.deployment.package.RUNTIMES", (RUNNING,))

    def make(files: dict[str, bytes]) -> Path:
        path = tmp_path / "package.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**dict.fromkeys(OURS, b""), **files}.items():
                archive.writestr(name, data)
        return path

    return make


def installed(name: str, version: str, tag: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """A distribution as pip has installed it."""
    info = f"{name}-{version}.dist-info"
    all_files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{file},,\n" for file in (*all_files, f"{info}/RECORD", "../../../bin/script"))
    return {**all_files, f"{info}/RECORD": record.encode()}


def library(needs: str = "GLIBC_2.17", machine: int = 62) -> bytes:
    """The smallest ELF that names a version of a symbol which it needs: section headers and two sections.

    machine: 62 is x86_64, 183 is AArch64
    """
    import struct

    strings = b"\0libc.so.6\0" + needs.encode() + b"\0"
    verneed = struct.pack("<HHIII", 1, 1, 1, 16, 0) + struct.pack("<IHHII", 0, 0, 2, 11, 0)
    names = b"\0.dynstr\0.gnu.version_r\0.shstrtab\0"
    body = strings + verneed + names
    start = 64

    def section(name: int, kind: int, offset: int, size: int, link: int = 0, info: int = 0) -> bytes:
        return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, offset, size, link, info, 1, 0)

    sections = [
        bytes(64),
        section(1, 3, start, len(strings)),
        section(9, 0x6FFFFFFE, start + len(strings), len(verneed), link=1, info=1),
        section(24, 3, start + len(strings) + len(verneed), len(names)),
    ]
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 0, start + len(body), 0, 64, 0, 0, 64, 4, 3)
    return header + body + b"".join(sections)


def test_what_only_zappas_command_line_needs_is_taken_out(package: Callable[..., Path]) -> None:
    path = package(
        {
            "app.py": b"answer = 42\n",
            "__pycache__/app.cpython-313.pyc": b"of before",
            "django/locale/de.po": b"",
            "django/locale/de.mo": b"",
            "botocore/data/s3/service-2.json.gz": b"",
            "botocore/data/ec2/service-2.json.gz": b"",
            "botocore/data/endpoints.json": b"",
            **installed("troposphere", "4.11.1", "py3-none-any", {"troposphere/s3.py": b""}),
            "troposphere/__init__.py": b"",
        }
    )
    finish(cli_of(path))
    with zipfile.ZipFile(path) as archive:
        names = names_beside_ours(path)
        tag = sys.implementation.cache_tag
        assert names == {
            *("app.py", f"__pycache__/app.{tag}.pyc", "django/locale/de.mo"),
            *("botocore/data/s3/service-2.json.gz", "botocore/data/endpoints.json"),
        }
        assert archive.read(f"__pycache__/app.{tag}.pyc")[4:8] == b"\x01\0\0\0"
        assert {entry.external_attr >> 16 & 0o777 for entry in archive.infolist()} == {0o755}


def test_nothing_outside_of_the_package_is_taken_out(
    package: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever RECORD names: what would be removed is written down, and stays."""
    removed: list[Path] = []
    monkeypatch.setattr(
        "shrinkmeister_server.deployment.package.shutil",
        SimpleNamespace(rmtree=lambda path, **_: removed.append(path)),
    )
    files = dict.fromkeys(("/etc/passwd", "//server/share", "../beside", "hjson/__init__.py"), b"")
    record = "".join(f"{file},,\n" for file in files)
    finish(
        cli_of(
            package(
                {
                    **installed("hjson", "3.1.0", "py3-none-any", {}),
                    "hjson-3.1.0.dist-info/RECORD": record.encode(),
                    # Of later Pythons a distribution has only files that are there.
                    "hjson/__init__.py": b"",
                }
            )
        )
    )
    assert {path.name for path in removed} == {"hjson"}


def test_what_a_broken_installation_has_left_is_shipped(package: Callable[..., Path]) -> None:
    path = package({"~nything-1.0.dist-info/RECORD": b"", "app.py": b""})
    finish(cli_of(path))
    assert "app.py" in zipfile.ZipFile(path).namelist()


def test_another_service_of_aws_can_be_kept(package: Callable[..., Path]) -> None:
    path = package({"boto3/data/dynamodb/resources-1.json": b"", "boto3/data/ec2/resources-1.json": b""})
    finish(cli_of(path), services=("s3", "dynamodb"))
    assert names_beside_ours(path) == {"boto3/data/dynamodb/resources-1.json"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (library("GLIBC_2.38"), "needs GLIBC 2.38; the runtime has 2.34"),
        (library("GLIBCXX_3.4.32"), "needs GLIBCXX 3.4.32; the runtime has 3.4.29"),
        (library(machine=183), "is for EM_AARCH64"),
        (library()[:100], "cannot be read"),
        (library()[:20], "cannot be read"),
        (b"\xcf\xfa\xed\xfe of a Mac", "is not a library for Linux"),
    ],
)
def test_a_library_that_would_not_load_is_refused(
    package: Callable[..., Path], data: bytes, told: str
) -> None:
    path = package({"fine.so": library("GLIBC_2.34"), "lib/bad.so": data})
    before = path.read_bytes()
    with pytest.raises(ClickException) as refused:
        finish(cli_of(path))
    assert f"lib/bad.so: {told}" in refused.value.message
    assert "fine.so" not in refused.value.message
    assert path.read_bytes() == before


def test_a_library_for_another_machine_is_replaced_by_its_projects_own_wheel(
    package: Callable[..., Path],
) -> None:
    """From the package index: MarkupSafe is small, and has libraries for all machines."""
    files = {"markupsafe/__init__.py": b"", "markupsafe/_speedups.so": library(), "markupsafe/old.py": b""}
    path = package(installed("MarkupSafe", "3.0.2", "cp313-cp313-macosx_11_0_arm64", files))
    finish(cli_of(path, architecture="arm64"))
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".so")]
        assert "aarch64-linux-gnu" in name
        from elftools.elf.elffile import ELFFile

        assert ELFFile(io.BytesIO(archive.read(name)))["e_machine"] == "EM_AARCH64"
        assert "markupsafe/old.py" not in archive.namelist()


@pytest.mark.parametrize(
    "tag", ["cp313-cp313-linux_x86_64", "cp313-cp313-macosx_11_0_arm64", "cp313-cp313-musllinux_1_2_x86_64"]
)
def test_what_is_of_no_index_is_not_replaced_by_what_an_index_has(
    package: Callable[..., Path], tag: str
) -> None:
    """MarkupSafe stands for a library of one's own, whose name somebody else has published."""
    files = {"markupsafe/_speedups.so": library(), "markupsafe-3.0.2.dist-info/direct_url.json": b"{}"}
    path = package(installed("markupsafe", "3.0.2", tag, files))
    finish(cli_of(path))
    assert zipfile.ZipFile(path).read("markupsafe/_speedups.so") == library()


@pytest.mark.parametrize("platform", ["manylinux_2_5_x86_64.manylinux1_x86_64", "manylinux2010_x86_64"])
def test_an_old_wheel_fits(package: Callable[..., Path], platform: str) -> None:
    path = package(installed("sorl-thumbnail", "0.0.1", f"cp313-cp313-{platform}", {"a.so": library()}))
    finish(cli_of(path))
    assert "a.so" in zipfile.ZipFile(path).namelist()


def test_a_folder_among_the_files_of_a_distribution(package: Callable[..., Path]) -> None:
    """And a tag that is none, of one that fits nowhere."""
    files = installed("MarkupSafe", "3.0.2", "cp313-cp313-macosx_11_0_arm64", {"markupsafe/old.py": b""})
    files["MarkupSafe-3.0.2.dist-info/RECORD"] += b"markupsafe,,\n"
    path = package({**files, **installed("another", "1", "any", {"another.py": b""})})
    finish(cli_of(path))
    names = zipfile.ZipFile(path).namelist()
    assert "markupsafe/old.py" not in names
    assert {"markupsafe/__init__.py", "another.py"} <= set(names)


def test_what_has_no_wheel_for_the_machine_is_named(package: Callable[..., Path]) -> None:
    path = package(installed("sorl-thumbnail", "0.0.1", "cp313-cp313-linux_x86_64", {"a.so": library()}))
    with pytest.raises(ClickException, match=r"sorl-thumbnail==0\.0\.1 is not installed as a wheel for"):
        finish(cli_of(path))


@pytest.mark.parametrize(
    ("runtime", "told"),
    [("python3.11", "python3.12"), ("python3.14", re.escape(RUNNING))],
)
def test_a_runtime_that_cannot_be_is_refused(tmp_path: Path, runtime: str, told: str) -> None:
    with pytest.raises(ClickException, match=told):
        finish(cli_of(tmp_path / "package.zip", runtime))


def test_a_package_that_lambda_would_not_take_is_refused(
    package: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shrinkmeister_server.deployment.package.MAX_BYTES", 1000)
    with pytest.raises(ClickException, match="Lambda takes 1,000"):
        finish(cli_of(package({"large": bytes(2000)})))


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"THUMBNAIL_MAX_SECOND": "5"}, "Did you mean THUMBNAIL_MAX_SECONDS?"),
        ({"THUMBNAIL_MAX_SECONDS": "eight"}, "THUMBNAIL_MAX_SECONDS is 'eight'"),
        ({"ALLOWED_HOST": "https://thumbs.example.com"}, "ALLOWED_HOST"),
        ({"THUMBNAIL_SOURCES": "s3://My_photos"}, "'My_photos'"),
        ({"THUMBNAIL_SECRET_KEY": "y" * 40}, "aws_environment_variables"),
        ({"CACHES": "{}"}, "aws_environment_variables"),
        ({"AWS_S3_SECRET_ACCESS_KEY": "y" * 40}, "aws_environment_variables"),
    ],
)
def test_variables_with_which_no_server_starts_are_refused(
    package: Callable[..., Path], variables: dict[str, str], told: str
) -> None:
    cli = cli_of(package({}))
    cli.stage_config["environment_variables"] |= variables
    with pytest.raises(ClickException) as refused:
        finish(cli)
    assert told in refused.value.message
    assert "Traceback" not in refused.value.message


def test_the_first_package_has_no_host(
    package: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    cli = cli_of(package({}))
    cli.stage_config["environment_variables"]["ALLOWED_HOST"] = ""
    finish(cli)
    assert "ALLOWED_HOST" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("lambda_handler", "handler.lambda_handler", HANDLER),
        ("lambda_handler", "zappa.handler.lambda_handler", HANDLER),
        ("lambda_handler", None, HANDLER),
    ],
)
def test_settings_of_a_former_version_are_refused(
    package: Callable[..., Path], key: str, value: Any, told: str
) -> None:
    cli = cli_of(package({}))
    cli.stage_config[key] = value
    if value is None:
        del cli.stage_config[key]
    with pytest.raises(ClickException) as refused:
        finish(cli)
    assert told in refused.value.message


def test_files_of_settings_are_taken_out(
    package: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["zappa_settings.json", "zappa_settings.yml", ".zappa_settings.json.swp", ".env", ".env.local"]
    path = package({**dict.fromkeys(files, b"secret"), "zappa_settings.py": b"", "app/.env": b""})
    finish(cli_of(path))
    names = {name for name in names_beside_ours(path) if not name.startswith("__pycache__")}
    assert names == {"zappa_settings.py", "app/.env"}
    said = capsys.readouterr().out
    assert all(name in said for name in files)


def test_variables_of_which_the_file_has_not_all_are_not_judged(package: Callable[..., Path]) -> None:
    cli = cli_of(package({}))
    cli.stage_config["aws_environment_variables"] = {}
    finish(cli)


@pytest.mark.parametrize("lacking", OURS)
def test_an_editable_install_is_refused(package: Callable[..., Path], lacking: str) -> None:
    path = package({})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(*next((name, b"") for name in OURS if name != lacking))
    with pytest.raises(ClickException, match="editable install"):
        finish(cli_of(path))


def test_a_slim_handler_is_refused(package: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ClickException, match="slim_handler is true"):
        finish(cli_of(tmp_path / "package.tar.gz"))


def test_the_site_is_told_what_the_doctor_compares() -> None:
    """And what is secret, or a name of the site's alone."""
    untold = {"THUMBNAIL_SECRET_KEY", "THUMBNAIL_SECRET_KEY_FALLBACKS"}
    untold |= {"THUMBNAIL_CACHE_LOCATION", "THUMBNAIL_CACHE_NAME"}
    with override_settings(THUMBNAIL_SECRET_KEY=ANSWERS["secret"]):
        assert SHARED.keys() == facts_of(get_config())["settings"].keys() | untold
