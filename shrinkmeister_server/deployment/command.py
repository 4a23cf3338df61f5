"""`python -m shrinkmeister_server init | policy | site`, for a server on AWS Lambda with Zappa."""

import argparse
import os
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from typing import Any

from shrinkmeister.conf.values import SERVER_URL_HINT, server_url
from shrinkmeister.environment import as_names
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister_server.deployment.plausibility import check, doubtful
from shrinkmeister_server.deployment.policy import policy_of
from shrinkmeister_server.deployment.site import UNKNOWN_URL, site_settings
from shrinkmeister_server.deployment.stage import (
    ARCHITECTURES,
    FILE,
    POLICY_FILE,
    RUNNING,
    RUNTIMES,
    StageError,
    make_stage,
    read_stage,
    variables_of,
    write,
)

NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# Zappa accepts these names.
STAGE = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
# Options of `init` that it asks for.
QUESTIONS = {
    "region": "AWS region of function and bucket, such as eu-central-1",
    "bucket": "existing bucket for the thumbnails, such as my-thumbnails",
    "sources": "comma-separated sources that the server may read, such as s3://my-photos",
    "cache": "shared cache, such as redis://my-cache.example.com:6379/0 or host:11211",
}
# Its other options: name, default, description.
OPTIONS = (
    ("cache-backend", "redis", "driver of the shared cache"),
    ("resolutions", "", "alternative resolutions, such as 1.5,2"),
    ("hosts", "", "host names that a CDN or load balancer passes on"),
    ("subnets", "", "subnets of the cache's private network, such as subnet-1,subnet-2"),
    ("security-groups", "", "security groups in that network, such as sg-1"),
    ("name", "shrinkmeister", "name of the project"),
    ("stage", "production", "name of the stage"),
)


def main(arguments: Sequence[str]) -> str | None:
    """Run one command. Return an error message for `sys.exit`, or None."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ShrinkmeisterError as error:
        return str(error)
    except (EOFError, KeyboardInterrupt):
        return "\nStopped. No file was written."
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shrinkmeister_server")
    commands = parser.add_subparsers(required=True)

    def command(run: Callable[[argparse.Namespace], None], name: str, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(run=run)
        return added

    init = command(_init, "init", f"Write {FILE} and {POLICY_FILE}. Asks for values that no option gives.")
    for name, text in QUESTIONS.items():
        init.add_argument(f"--{name}", help=text)
    for name, default, text in OPTIONS:
        init.add_argument(f"--{name}", default=default, help=f"{text} (default: {default or 'none'})")
    init.add_argument("--architecture", choices=ARCHITECTURES, default="x86_64")
    init.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help="Python on Lambda (default: the one that runs this, which Zappa needs; an image may differ)",
    )
    init.add_argument("--force", action="store_true", help=f"replace an existing {FILE}")

    policy = command(_policy, "policy", f"Write {POLICY_FILE} with the rights that {FILE} needs.")
    site = command(_site, "site", f"Print the site's settings that fit {FILE}.")
    for one in (policy, site):
        one.add_argument("stage", nargs="?", help="name of the stage, if there are several")
    site.add_argument("--server-url", default=UNKNOWN_URL, help="URL at which browsers reach the server")
    return parser


def _init(options: argparse.Namespace) -> None:
    if FILE.exists() and not options.force:
        raise StageError(
            f"{FILE} exists. --force replaces it with all of its stages and its secret. To keep the "
            f"secret, set the environment variable THUMBNAIL_SECRET_KEY to it."
        )
    _check_options(options)
    options.runtime = options.runtime or RUNNING
    # Other users of the machine can see options, so an address with a password is better a variable.
    options.cache = options.cache or os.environ.get("THUMBNAIL_CACHE_LOCATION")
    given = {name: getattr(options, name) for name in QUESTIONS}
    answers = {name: answer or _ask(name) for name, answer in given.items()}
    while True:
        try:
            stage = _checked_stage(options, answers)
            break
        except StageError as error:
            if all(given.values()):
                raise
            print(f"{error}\nEnter keeps the former answer; Ctrl-C stops.", file=sys.stderr)
        again = {name: _ask(name, former) for name, former in answers.items()}
        if again == answers:
            raise StageError("No answer has changed. No file was written.")
        answers = again
    # An error of the first leaves the second as it is, with its secret.
    write(POLICY_FILE, policy_of(options.stage, stage))
    write(FILE, {options.stage: stage})
    for doubt in doubtful(stage):
        print(f"Note: {doubt}", file=sys.stderr)
    print(f"Wrote {FILE}, which contains the secret: do not share it.")
    _report_policy(options.stage, stage)
    print(f"\nNext: zappa deploy {options.stage}")
    print("\nSettings of the site:\n")
    print(site_settings(variables_of(stage)))
    print(f"For the site's environment, copy the values in aws_environment_variables of {FILE}.")


def _checked_stage(options: argparse.Namespace, answers: dict[str, str]) -> dict[str, Any]:
    """Return the stage of these answers. Raises StageError."""
    of_command = ("run", "stage", "force")
    stage = make_stage(
        **{name: value for name, value in vars(options).items() if name not in of_command} | answers,
        # Other users of the machine could see an option.
        secret=os.environ.get("THUMBNAIL_SECRET_KEY") or secrets.token_urlsafe(48),
        # All URLs contain the name of the thumbnails' bucket. An attacker who could guess this name from it
        # could create the bucket first, and get and change the package. Names have up to 63 characters.
        deployments=f"{answers['bucket'][:42].rstrip('.-')}-deployments-{secrets.token_hex(4)}",
    )
    check(stage)
    return stage


def _check_options(options: argparse.Namespace) -> None:
    """Check the options that init does not ask for. Raises StageError."""
    if not NAME.fullmatch(options.name):
        raise StageError(f"The name is {options.name!r}. It may only contain letters, digits, _ and -.")
    if not STAGE.fullmatch(options.stage):
        raise StageError(f"The stage is {options.stage!r}. Zappa only accepts letters, digits and _.")
    if not options.runtime and RUNNING not in RUNTIMES:
        raise StageError(
            f"This is {RUNNING}. On Lambda, the server needs one of {', '.join(RUNTIMES)}, and Zappa "
            f"packages for the Python that it runs with. Make the virtual environment with one of them. "
            f"For an image, give the Python of the image as --runtime."
        )
    if bool(as_names(options.subnets)) != bool(as_names(options.security_groups)):
        raise StageError("--subnets or --security-groups is missing: a network needs both.")


def _policy(options: argparse.Namespace) -> None:
    name, stage = read_stage(options.stage)
    write(POLICY_FILE, policy_of(name, stage))
    _report_policy(name, stage)


def _report_policy(name: str, stage: dict[str, Any]) -> None:
    print(f"Wrote {POLICY_FILE}. `zappa deploy {name}` or `zappa update {name}` gives it to the function.")
    sources = as_names(variables_of(stage).get("THUMBNAIL_SOURCES", ""))
    if others := ", ".join(one for one in sources if one.startswith("storage://")):
        print(f"It contains no rights for {others}. Add them, unless STORAGES has keys for that storage.")


def _site(options: argparse.Namespace) -> None:
    _, stage = read_stage(options.stage)
    if options.server_url != UNKNOWN_URL:
        try:
            server_url(options.server_url)
        except ValueError as error:
            raise StageError(f"--server-url is {options.server_url!r}. {SERVER_URL_HINT}") from error
    print(site_settings(variables_of(stage), options.server_url), end="")


def _ask(name: str, former: str = "") -> str:
    """Return the answer of the person at the terminal. former: the value of an empty answer"""
    if not sys.stdin.isatty():
        raise StageError(f"--{name} is missing.")
    answer = ""
    while not answer:
        answer = input(f"{QUESTIONS[name]}: ").strip() or former
    return answer
