"""One stage of zappa_settings.json, made from a few answers. docs/lambda.md explains its keys."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shrinkmeister.conf.strength import MIN_LENGTH, weakness
from shrinkmeister.environment import as_names
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister_server.conf import VARIABLES as SERVER_VARIABLES
from shrinkmeister_server.deployment.plausibility import doubtful, impossible

FILE = Path("zappa_settings.json")
POLICY_FILE = Path("iam_policy.json")
ARCHITECTURES = ("x86_64", "arm64")
HANDLER = "shrinkmeister_server.lambda_handler.handler"
POST = "shrinkmeister_server.deployment.callbacks.post"
# These variables are set at the function. Its package, which is stored in buckets and on disks, lacks them.
SECRETS = tuple(row.name for row in SERVER_VARIABLES if row.secret)
# django-storages reads this one too. Lambda reserves the names without S3.
ALL_SECRETS = (*SECRETS, "AWS_S3_SECRET_ACCESS_KEY")
# Megabytes. With so many, Lambda gives the function a whole core. A request uses one thread.
MEMORY = 1769
# Seconds. The waits below and two slow answers of S3 have to fit into it.
TIMEOUT = 30
WAITS = {
    "THUMBNAIL_WAIT_SECONDS": "5",
    "THUMBNAIL_SOURCE_SECONDS": "8",
    "THUMBNAIL_MAX_SECONDS": "8",
    "THUMBNAIL_LOCK_SECONDS": "30",
    "THUMBNAIL_BATCH_SECONDS": "5",
}
# Keys that no answer changes.
DEFAULTS: dict[str, Any] = {
    "django_settings": "shrinkmeister_server.settings",
    "lambda_handler": HANDLER,
    "memory_size": MEMORY,
    "timeout_seconds": TIMEOUT,
    "binary_support": True,
    "slim_handler": False,
    "keep_warm": False,
    "touch": False,
    "debug": False,
    "log_level": "INFO",
    # With Zappa's own way, the package lacks the wheels that Zappa cannot download.
    "use_precompiled_packages": False,
    "callbacks": {"zip": "shrinkmeister_server.deployment.package.finish", "post": POST},
    # Files of this folder and of a checkout. The first pattern matches the file with the secret.
    "exclude_glob": [
        *(f"{FILE.name}*", ".*", POLICY_FILE.name, "*.md", "*.cfg", "*.toml", "*.egg-info"),
        *("noxfile.py", "Makefile", "LICENSE", "drivers", "tests", "example_project", "docs", "bench"),
        *("deploy", "clients", "build"),
        # Only Zappa's command line needs these, and they are so large that Zappa warns of the size.
        *("troposphere", "setuptools"),
    ],
}
# How browsers reach the function, if the stage has no other address.
ADDRESS: dict[str, Any] = {
    "function_url_enabled": True,
    # Otherwise Lambda answers other origins itself, with headers of its own beside the server's.
    "function_url_config": {"authorizer": "NONE", "cors": False},
    "apigateway_enabled": False,
}
OTHER_ADDRESSES = {"function_url_enabled", "apigateway_enabled", "use_apigateway", "alb_enabled", "domain"}
VARIABLES = {**WAITS, "LOG_FORMAT": "emf"}
# Zappa's own variable. Django is loaded before the first request, while Lambda gives a whole core.
FUNCTION_VARIABLES = {"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "true"}
NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# Zappa accepts these names.
STAGE = re.compile(r"[A-Za-z0-9_]+", re.ASCII)


class StageError(ShrinkmeisterError):
    """A stage cannot be used. The message says why, and what to do."""


@dataclass(frozen=True)
class Answers:
    """Answers of the person who runs `init`.

    name             the project's; function names consist of it and the stage
    bucket           for the thumbnails
    deployments      the bucket that Zappa makes for the package; attackers must not be able to guess it
    sources          entries of THUMBNAIL_SOURCES: s3://photos, s3://photos/folder/
    cache_location   address of the shared cache, for the driver `cache_backend`
    resolutions      entries of THUMBNAIL_ALTERNATIVE_RESOLUTIONS: "2", "1.5"
    hosts            names at which browsers reach the function, besides its own
    subnets          of the private network in which the shared cache is, with security_groups
    """

    name: str
    region: str
    bucket: str
    deployments: str
    sources: tuple[str, ...]
    cache_backend: str
    cache_location: str = field(repr=False)
    secret: str = field(repr=False)
    resolutions: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    architecture: str = "x86_64"
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()


def make_stage(answers: Answers) -> dict[str, Any]:
    """Return the content of zappa_settings.json under the stage's name."""
    network = {"SubnetIds": list(answers.subnets), "SecurityGroupIds": list(answers.security_groups)}
    return {
        "project_name": answers.name,
        "aws_region": answers.region,
        "s3_bucket": answers.deployments,
        "runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "architecture": answers.architecture,
        "attach_policy": POLICY_FILE.name,
        **({"vpc_config": network} if answers.subnets else {}),
        **DEFAULTS,
        **ADDRESS,
        "environment_variables": {
            "ALLOWED_HOST": ",".join((f".lambda-url.{answers.region}.on.aws", *answers.hosts)),
            "THUMBNAIL_BUCKET": answers.bucket,
            "THUMBNAIL_SOURCES": ",".join(answers.sources),
            "THUMBNAIL_CACHE_BACKEND": answers.cache_backend,
            "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": ",".join(answers.resolutions),
            **_bucket_variables(answers.region),
            **VARIABLES,
        },
        "aws_environment_variables": {
            "THUMBNAIL_SECRET_KEY": answers.secret,
            "THUMBNAIL_CACHE_LOCATION": answers.cache_location,
            **FUNCTION_VARIABLES,
        },
    }


def complete(stage: dict[str, Any]) -> dict[str, Any]:
    """Return a stage of `zappa init` with missing keys added as in `make_stage`. Raises StageError.

    Secrets move from `environment_variables`, which Zappa writes into the package, to the function.
    """
    variables_of(stage)
    given, own = (stage.get(key, {}) for key in ("environment_variables", "aws_environment_variables"))
    secrets = {name: value for name, value in given.items() if name in ALL_SECRETS}
    # Another endpoint has its own regions and addresses.
    bucket = {} if given.get("AWS_S3_ENDPOINT_URL") else _bucket_variables(region_of(stage))
    return {
        **DEFAULTS,
        **({} if stage.keys() & OTHER_ADDRESSES else ADDRESS),
        **stage,
        "function_url_config": {**ADDRESS["function_url_config"], **stage.get("function_url_config", {})},
        "callbacks": {**DEFAULTS["callbacks"], **stage.get("callbacks", {})},
        "exclude_glob": [*DEFAULTS["exclude_glob"], *stage.get("exclude_glob", [])],
        "environment_variables": {
            **bucket,
            **VARIABLES,
            **{name: value for name, value in given.items() if name not in secrets},
        },
        "aws_environment_variables": {**FUNCTION_VARIABLES, **own, **secrets},
    }


def _bucket_variables(region: str) -> dict[str, str]:
    # URLs name the bucket's region, because S3 redirects others as long as a bucket is new.
    return {"AWS_S3_REGION_NAME": region, "AWS_S3_ADDRESSING_STYLE": "virtual"}


def read_stage(name: str | None, file: Path = FILE) -> tuple[str, dict[str, Any]]:
    """Return the name and the content of a stage, without a name the only one. Raises StageError."""
    try:
        stages = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StageError(f"{file} does not exist in this folder. `init` writes it.") from error
    except ValueError as error:
        raise StageError(f"{file} is not JSON: {error}.") from error
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise StageError(f"{file} has to be a JSON object of stages, each an object. `init` writes it.")
    if name is None and len(stages) == 1:
        (name,) = stages
    if name is None or name not in stages:
        raise StageError(f"{file} has the stages {', '.join(stages)}. Name one of them.")
    return name, stages[name]


def variables_of(stage: dict[str, Any]) -> dict[str, str]:
    """Return the environment of the function without Lambda's own variables. Raises StageError."""
    variables = {**stage.get("aws_environment_variables", {}), **stage.get("environment_variables", {})}
    for name, value in variables.items():
        if not isinstance(value, str):
            # The message leaves the value out, because it may be a secret.
            raise StageError(
                f"The variable {name} is of type {type(value).__name__}. Write it in quotes, as text."
            )
    return variables


def check_name(name: str) -> None:
    """Raise StageError for a project's name that cannot be used."""
    if not NAME.fullmatch(name):
        raise StageError(f"The name is {name!r}. It may only contain letters, digits, _ and -.")


def region_of(stage: dict[str, Any]) -> str:
    """Return the region, or Zappa's default."""
    return str(stage.get("aws_region", "us-east-1"))


def check(stage: dict[str, Any]) -> None:
    """Check a stage for AWS, and its variables as the server does. Raises StageError with all problems."""
    # Zappa has this default.
    name, variables = stage.get("project_name", "zappa"), variables_of(stage)
    check_name(name)
    if problems := list(impossible(stage, variables)):
        raise StageError("\n".join(problems))
    done = subprocess.run(
        [sys.executable, "-m", "shrinkmeister_server", "check", "--fail-level", "WARNING"],
        # The server and the user's own drivers are found as here.
        env={
            **{variable: os.environ.get(variable, "") for variable in ("PATH", "PYTHONPATH")},
            "AWS_DEFAULT_REGION": region_of(stage),
            # On Lambda the server starts without ALLOWED_HOST.
            "AWS_LAMBDA_FUNCTION_NAME": name,
            **_without_weak_fallbacks(variables),
        },
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise StageError(done.stderr.strip())


def doubts(stage: dict[str, Any]) -> list[str]:
    """Return a sentence for each value that may not work. Raises StageError."""
    return list(doubtful(stage, variables_of(stage)))


def _without_weak_fallbacks(variables: dict[str, str]) -> dict[str, str]:
    """Leave out weak fallbacks, of which the server warns: rotating one away must be possible."""
    name = "THUMBNAIL_SECRET_KEY_FALLBACKS"
    given = as_names(variables.get(name, ""))
    kept = [one for one in given if len(one) < MIN_LENGTH or not weakness(one)]
    return {**variables, name: ",".join(kept)} if name in variables else variables


def write(file: Path, value: Any, private: bool = False) -> None:
    """Write indented JSON; private: only its owner can read the file. Raises StageError."""
    try:
        # Before an existing file is emptied.
        text = (json.dumps(value, indent=4, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError as error:
        raise StageError(
            f"{error.object[error.start : error.end]!r} in an option or answer is not valid text."
        ) from error
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644)
    with os.fdopen(descriptor, "wb") as stream:
        if private:
            # The mode above is only for new files.
            os.fchmod(stream.fileno(), 0o600)
        stream.write(text)
