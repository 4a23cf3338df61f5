"""`python -m shrinkmeister_server init | policy | site`, for a server on AWS Lambda with Zappa.

init     asks for a few values, and writes zappa_settings.json and iam_policy.json
policy   writes iam_policy.json again after a change of zappa_settings.json
site     prints the site's settings that fit zappa_settings.json
"""

import argparse
import os
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from typing import Any

from shrinkmeister.environment import as_names
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister_server.deployment.plausibility import check, doubtful
from shrinkmeister_server.deployment.policy import policy_of
from shrinkmeister_server.deployment.site import UNKNOWN_URL, site_settings
from shrinkmeister_server.deployment.stage import (
    ARCHITECTURES,
    FILE,
    POLICY_FILE,
    StageError,
    make_stage,
    read_stage,
    variables_of,
    write,
)

NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# Zappa accepts these names.
STAGE = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
QUESTIONS = {
    "region": "AWS region, for example eu-central-1: ",
    "bucket": "Bucket for the thumbnails: ",
    "sources": "Sources between commas, for example s3://my-photos: ",
    "cache": "Shared cache, for example redis://my-cache.example.com:6379/0 or host:11211: ",
}


def main(arguments: Sequence[str]) -> str | None:
    """Run one command. Return an error message for `sys.exit`, or None."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ShrinkmeisterError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: {error.strerror}."
    except (EOFError, KeyboardInterrupt):
        return "\nStopped. No file was written."
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m shrinkmeister_server",
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)

    def command(run: Callable[[argparse.Namespace], None], name: str, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(run=run)
        return added

    init = command(_init, "init", f"Write {FILE} and {POLICY_FILE}. Asks for values that no option gives.")
    init.add_argument("--region", help="AWS region of function and bucket: eu-central-1")
    init.add_argument("--bucket", help="existing bucket for the thumbnails: my-thumbnails")
    init.add_argument("--sources", help="sources that the server may read, between commas: s3://my-photos")
    init.add_argument(
        "--cache", metavar="LOCATION", help="address of the shared cache: redis://..., host:11211"
    )
    init.add_argument(
        "--cache-backend", default="redis", help="driver of the shared cache (default: redis)"
    )
    init.add_argument("--resolutions", default="", help="alternative resolutions: 1.5,2")
    init.add_argument("--hosts", default="", help="host names that a CDN or load balancer passes on")
    init.add_argument("--architecture", choices=ARCHITECTURES, default="x86_64")
    init.add_argument(
        "--subnets", default="", help="subnets of the cache's private network: subnet-1,subnet-2"
    )
    init.add_argument("--security-groups", default="", help="security groups in that network: sg-1")
    init.add_argument("--name", default="shrinkmeister", help="name of the project")
    init.add_argument("--stage", default="production")
    init.add_argument("--force", action="store_true", help=f"replace an existing {FILE}")

    of_stage = "name of the stage, if there are several"
    policy = command(_policy, "policy", f"Write {POLICY_FILE} with the rights that {FILE} needs.")
    policy.add_argument("stage", nargs="?", help=of_stage)
    site = command(_site, "site", f"Print the site's settings that fit {FILE}.")
    site.add_argument("stage", nargs="?", help=of_stage)
    site.add_argument("--server-url", default=UNKNOWN_URL, help="URL at which browsers reach the server")
    return parser


def _init(options: argparse.Namespace) -> None:
    if FILE.exists() and not options.force:
        raise StageError(
            f"{FILE} exists. --force replaces it with all of its stages and its secret. To keep the "
            f"secret, set the environment variable THUMBNAIL_SECRET_KEY to it."
        )
    _check_options(options)
    # Other users of the machine can see options, so an address with a password is better a variable.
    options.cache = options.cache or os.environ.get("THUMBNAIL_CACHE_LOCATION")
    given = {name: getattr(options, name) for name in QUESTIONS}
    answered = {name: answer or _ask(name) for name, answer in given.items()}
    while True:
        try:
            stage = _stage(options, answered)
            break
        except StageError as error:
            if all(given.values()):
                raise
            print(f"{error}\nEnter keeps the former answer; Ctrl-C stops.", file=sys.stderr)
        again = {name: _ask(name, former) for name, former in answered.items()}
        if again == answered:
            raise StageError("No answer has changed. No file was written.")
        answered = again
    policy = policy_of(options.stage, stage)
    write(FILE, {options.stage: stage}, private=True)
    write(POLICY_FILE, policy)
    for doubt in doubtful(stage):
        print(f"Note: {doubt}", file=sys.stderr)
    print(f"Wrote {FILE}, which contains the secret: do not share it. Wrote {POLICY_FILE}.")
    _print_missing_rights(stage)
    print(f"\nNext: zappa deploy {options.stage}")
    print("\nSettings of the site:\n")
    print(site_settings(variables_of(stage)))
    print(f"For the site's environment, copy the values in aws_environment_variables of {FILE}.")


def _check_options(options: argparse.Namespace) -> None:
    """Check the options that init does not ask for. Raises StageError."""
    if not NAME.fullmatch(options.name):
        raise StageError(f"The name is {options.name!r}. It may only contain letters, digits, _ and -.")
    if not STAGE.fullmatch(options.stage):
        raise StageError(f"The stage is {options.stage!r}. Zappa only accepts letters, digits and _.")
    if bool(as_names(options.subnets)) != bool(as_names(options.security_groups)):
        raise StageError("--subnets or --security-groups is missing: a network needs both.")


def _stage(options: argparse.Namespace, answered: dict[str, str]) -> dict[str, Any]:
    """Return a checked stage. Raises StageError."""
    stage = make_stage(
        name=options.name,
        cache_backend=options.cache_backend,
        # Other users of the machine could see an option.
        secret=os.environ.get("THUMBNAIL_SECRET_KEY") or secrets.token_urlsafe(48),
        # All URLs contain the name of the thumbnails' bucket. An attacker who could guess this name from it
        # could create the bucket first, and get and change the package. Names have up to 63 characters.
        deployments=f"{answered['bucket'][:42].rstrip('.-')}-deployments-{secrets.token_hex(4)}",
        resolutions=options.resolutions,
        hosts=options.hosts,
        architecture=options.architecture,
        subnets=options.subnets,
        security_groups=options.security_groups,
        **answered,
    )
    check(stage)
    return stage


def _policy(options: argparse.Namespace) -> None:
    name, stage = read_stage(options.stage)
    write(POLICY_FILE, policy_of(name, stage))
    print(f"Wrote {POLICY_FILE}. `zappa deploy {name}` or `zappa update {name}` gives it to the function.")
    _print_missing_rights(stage)


def _site(options: argparse.Namespace) -> None:
    _, stage = read_stage(options.stage)
    print(site_settings(variables_of(stage), options.server_url), end="")


def _print_missing_rights(stage: dict[str, Any]) -> None:
    sources = as_names(variables_of(stage).get("THUMBNAIL_SOURCES", ""))
    if others := ", ".join(one for one in sources if one.startswith("storage://")):
        print(f"It contains no rights for {others}. Add them, unless STORAGES has keys for that storage.")


def _ask(name: str, former: str = "") -> str:
    """Return the answer of the person at the terminal. former: the value of an empty answer"""
    if not sys.stdin.isatty():
        raise StageError(f"--{name} is missing.")
    answer = ""
    while not answer:
        answer = input(QUESTIONS[name]).strip() or former
    return answer
