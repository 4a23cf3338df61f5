"""One stage of zappa_settings.json, made from a few answers. docs/how-to/lambda.md explains its keys."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from shrinkmeister.environment import as_names
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister_server.conf import VARIABLES as SERVER_VARIABLES

FILE = Path("zappa_settings.json")
POLICY_FILE = Path("iam_policy.json")
ARCHITECTURES = ("x86_64", "arm64")
# These runtimes use Amazon Linux 2023. Python 3.11 and earlier use Amazon Linux 2, whose glibc does not run
# cryptography's wheels. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
RUNTIMES = ("python3.12", "python3.13", "python3.14")
RUNNING = f"python{sys.version_info.major}.{sys.version_info.minor}"
# The types of the keys that are read here. Zappa reads all others.
TYPES: dict[str, type] = {
    **dict.fromkeys(
        ("environment_variables", "aws_environment_variables", "callbacks", "vpc_config"), dict
    ),
    **dict.fromkeys(("project_name", "aws_region", "s3_bucket", "runtime"), str),
    "function_url_config": dict,
    "exclude_glob": list,
}
JSON_NAMES: dict[type, str] = {dict: "an object", list: "an array", str: "text in quotes"}
HANDLER = "shrinkmeister_server.lambda_handler.handler"
POST = "shrinkmeister_server.deployment.callbacks.post"
# These variables are set at the function. Its package, which is stored in buckets and on disks, lacks them.
SECRETS = tuple(row.name for row in SERVER_VARIABLES if row.secret)
# django-storages reads this one too. Lambda reserves the names without S3.
ALL_SECRETS = (*SECRETS, "AWS_S3_SECRET_ACCESS_KEY")
# Keys that no answer changes.
DEFAULTS: dict[str, Any] = {
    "django_settings": "shrinkmeister_server.settings",
    "lambda_handler": HANDLER,
    # Megabytes. From this size on, Lambda gives the function a whole core. A request uses one thread.
    "memory_size": 1769,
    # The waits of VARIABLES and two slow answers of S3 have to fit into it.
    "timeout_seconds": 30,
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
VARIABLES = {
    "THUMBNAIL_WAIT_SECONDS": "5",
    "THUMBNAIL_SOURCE_SECONDS": "8",
    "THUMBNAIL_MAX_SECONDS": "8",
    "THUMBNAIL_LOCK_SECONDS": "30",
    "THUMBNAIL_BATCH_SECONDS": "5",
    "LOG_FORMAT": "emf",
}
# Zappa's own variable. Django is loaded before the first request, while Lambda gives a whole core.
FUNCTION_VARIABLES = {"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "true"}


class StageError(ShrinkmeisterError):
    """A stage cannot be used. The message says why, and what to do."""


def make_stage(
    *,
    name: str,
    region: str,
    bucket: str,
    sources: str,
    cache: str,
    secret: str,
    deployments: str,
    runtime: str = RUNNING,
    cache_backend: str = "redis",
    resolutions: str = "",
    hosts: str = "",
    architecture: str = "x86_64",
    subnets: str = "",
    security_groups: str = "",
) -> dict[str, Any]:
    """Return the content of zappa_settings.json under the stage's name.

    deployments   the bucket that Zappa makes for the package; attackers must not be able to guess it

    The other parameters are options of `init`. Lists have commas between entries.
    """
    network = {"SubnetIds": as_names(subnets), "SecurityGroupIds": as_names(security_groups)}
    stage = {
        "project_name": name,
        "aws_region": region,
        "s3_bucket": deployments,
        "runtime": runtime,
        "architecture": architecture,
        "attach_policy": POLICY_FILE.name,
        **({"vpc_config": network} if as_names(subnets) else {}),
        "environment_variables": {
            "ALLOWED_HOST": ",".join((f".lambda-url.{region}.on.aws", *as_names(hosts))),
            "THUMBNAIL_BUCKET": bucket,
            "THUMBNAIL_SOURCES": ",".join(as_names(sources)),
            "THUMBNAIL_CACHE_BACKEND": cache_backend,
            "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": ",".join(as_names(resolutions)),
        },
        "aws_environment_variables": {"THUMBNAIL_SECRET_KEY": secret, "THUMBNAIL_CACHE_LOCATION": cache},
    }
    return complete(stage)


def complete(stage: dict[str, Any]) -> dict[str, Any]:
    """Return a stage with the keys and variables that it lacks. Raises StageError.

    Secrets move from `environment_variables`, which Zappa writes into the package, to the function.
    """
    variables_of(stage)
    given, own = (stage.get(key, {}) for key in ("environment_variables", "aws_environment_variables"))
    secrets = {name: value for name, value in given.items() if name in ALL_SECRETS}
    packaged = {name: value for name, value in given.items() if name not in secrets}
    # URLs name the bucket's region, because S3 redirects others as long as a bucket is new.
    # Another endpoint has its own regions and addresses.
    bucket = {"AWS_S3_REGION_NAME": region_of(stage), "AWS_S3_ADDRESSING_STYLE": "virtual"}
    added = VARIABLES if given.get("AWS_S3_ENDPOINT_URL") else {**bucket, **VARIABLES}
    # Keys of the given stage come first in the file, and their values override the defaults.
    return {
        **stage,
        **DEFAULTS,
        **({} if stage.keys() & OTHER_ADDRESSES else ADDRESS),
        **stage,
        "function_url_config": {**ADDRESS["function_url_config"], **stage.get("function_url_config", {})},
        "callbacks": {**DEFAULTS["callbacks"], **stage.get("callbacks", {})},
        "exclude_glob": [*DEFAULTS["exclude_glob"], *stage.get("exclude_glob", [])],
        "environment_variables": {**packaged, **added, **packaged},
        "aws_environment_variables": {**own, **FUNCTION_VARIABLES, **own, **secrets},
    }


def read_stage(name: str | None) -> tuple[str, dict[str, Any]]:
    """Return the name and the content of a stage, without a name the only one. Raises StageError."""
    try:
        stages = json.loads(FILE.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StageError(f"{FILE} does not exist in this folder. `init` writes it.") from error
    except OSError as error:
        raise StageError(f"{FILE} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise StageError(f"{FILE} is not JSON: {error}.") from error
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise StageError(f"{FILE} has to be a JSON object of stages, each an object. `init` writes it.")
    if name is None and len(stages) == 1:
        (name,) = stages
    if not stages:
        raise StageError(f"{FILE} has no stage. `init --force` writes one.")
    if name is None:
        raise StageError(f"{FILE} has the stages {', '.join(stages)}. Name one of them.")
    if name not in stages:
        raise StageError(f"{FILE} has no stage {name!r}. Its stages are: {', '.join(stages)}.")
    return name, stages[name]


def variables_of(stage: dict[str, Any]) -> dict[str, str]:
    """Return the environment of the function without Lambda's own variables.

    Raises StageError for a value of another type, also for one of the other keys that are read here.
    """
    for key, kind in TYPES.items():
        if key in stage and not isinstance(stage[key], kind):
            # The message leaves the value out, because it may contain a secret.
            raise StageError(f"{key} of {FILE} has another type. Write {JSON_NAMES[kind]}.")
    variables = {**stage.get("aws_environment_variables", {}), **stage.get("environment_variables", {})}
    for name, value in variables.items():
        if not isinstance(value, str):
            # The message leaves the value out, because it may be a secret.
            raise StageError(
                f"The variable {name} is of type {type(value).__name__}. Write it in quotes, as text."
            )
    return variables


def region_of(stage: dict[str, Any]) -> str:
    """Return the region, or Zappa's default."""
    return str(stage.get("aws_region", "us-east-1"))


def write(file: Path, value: Any) -> None:
    """Write indented JSON to a file that only its owner can read. Raises StageError."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            # The mode above is only for new files.
            os.fchmod(stream.fileno(), 0o600)
            stream.write(json.dumps(value, indent=4) + "\n")
    except OSError as error:
        raise StageError(f"{file} cannot be written: {error.strerror}.") from error
