"""`python -m shrinkmeister_server init | policy | site`, for a server on AWS Lambda with Zappa.

init     asks for a handful of values, and writes zappa_settings.json and iam_policy.json
policy   writes iam_policy.json again, after a change of zappa_settings.json
site     prints the settings of the site that go with zappa_settings.json
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from typing import Any

from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister_server.deployment.policy import policy_of
from shrinkmeister_server.deployment.site import UNKNOWN_URL, site_settings
from shrinkmeister_server.deployment.stage import (
    ARCHITECTURES,
    FILE,
    POLICY_FILE,
    STAGE,
    Answers,
    StageError,
    check,
    check_name,
    doubts,
    make_stage,
    read_stage,
    variables_of,
    write,
)

QUESTIONS = {
    "region": "Region of AWS, as eu-central-1: ",
    "bucket": "Bucket of the thumbnails: ",
    "sources": "Sources, between commas, as s3://my-photos: ",
    "cache": "Shared cache, as redis://my-cache.example.com:6379/0, or host:11211: ",
}


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, or 1 after a message."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ShrinkmeisterError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    except (EOFError, KeyboardInterrupt):
        print("\nStopped. Nothing is written.", file=sys.stderr)
        return 1
    return 0


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

    init = command(_init, "init", f"Write {FILE} and {POLICY_FILE}. What no option says is asked for.")
    init.add_argument("--region", help="of AWS, for function and bucket: eu-central-1")
    init.add_argument("--bucket", help="of the thumbnails, which exists: my-thumbnails")
    init.add_argument("--sources", help="what it may read, between commas: s3://my-photos")
    init.add_argument("--cache", metavar="LOCATION", help="the shared cache: redis://..., host:11211")
    init.add_argument("--cache-backend", default="redis", help="its driver; redis without it")
    init.add_argument("--resolutions", default="", help="THUMBNAIL_ALTERNATIVE_RESOLUTIONS: 1.5,2")
    init.add_argument("--hosts", default="", help="names that a CDN or load balancer passes on as Host")
    init.add_argument("--architecture", choices=ARCHITECTURES, default="x86_64")
    init.add_argument(
        "--subnets", default="", help="of the private network of the cache: subnet-1,subnet-2"
    )
    init.add_argument("--security-groups", default="", help="in that network: sg-1")
    init.add_argument("--name", default="shrinkmeister", help="of the project")
    init.add_argument("--stage", default="production")
    init.add_argument("--force", action="store_true", help=f"also where there is a {FILE}")

    of_stage = "the stage; needed where there are several"
    policy = command(_policy, "policy", f"Write {POLICY_FILE}: the rights that {FILE} needs.")
    policy.add_argument("stage", nargs="?", help=of_stage)
    site = command(_site, "site", f"Print the settings of the site that go with {FILE}.")
    site.add_argument("stage", nargs="?", help=of_stage)
    site.add_argument("--server-url", default=UNKNOWN_URL, help="where browsers reach the server")
    return parser


def _init(options: argparse.Namespace) -> None:
    if FILE.exists() and not options.force:
        raise StageError(
            f"There is a {FILE} here. With --force it is replaced, with all of its stages and its secret; "
            f"the environment variable THUMBNAIL_SECRET_KEY gives the former one again."
        )
    _check_options(options)
    # With a password it is best not an option, which others on the machine see.
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
            # So that an answer that is right need not be typed twice.
            print(f"{error}\nEnter keeps what was given; Ctrl-C ends.", file=sys.stderr)
        again = {name: _ask(name, former) for name, former in answered.items()}
        if again == answered:
            raise StageError("Nothing has changed. Nothing is written.")
        answered = again
    policy = policy_of(options.stage, stage)
    write(FILE, {options.stage: stage}, private=True)
    write(POLICY_FILE, policy)
    for doubt in doubts(stage):
        print(f"Note: {doubt}", file=sys.stderr)
    print(f"Wrote {FILE}, which has the secret and is for nobody else, and {POLICY_FILE}.")
    _tell_missing_rights(stage)
    print(f"\nNext: zappa deploy {options.stage}")
    print("\nIn the settings of the site:\n")
    print(site_settings(variables_of(stage)))
    print(
        f"The values that it takes from its environment stand in {FILE}, below aws_environment_variables."
    )


def _check_options(options: argparse.Namespace) -> None:
    """Before anything is asked, what no answer mends. Raises StageError."""
    check_name(options.name)
    if not STAGE.fullmatch(options.stage):
        raise StageError(f"The stage is {options.stage!r}; Zappa takes letters, digits and _ alone.")
    if bool(_list(options.subnets)) != bool(_list(options.security_groups)):
        raise StageError("--subnets and --security-groups go together: a network needs both.")


def _stage(options: argparse.Namespace, answered: dict[str, str]) -> dict[str, Any]:
    """Raises StageError."""
    answers = Answers(
        name=options.name,
        region=answered["region"],
        bucket=answered["bucket"],
        # The name of the other one is in all URLs: whoever takes what can be guessed from it first gets the
        # package, and may change it. Names have up to 63 characters.
        deployments=f"{answered['bucket'][:42].rstrip('.-')}-deployments-{secrets.token_hex(4)}",
        sources=_list(answered["sources"]),
        cache_backend=options.cache_backend,
        cache_location=answered["cache"],
        # Nor is this one an option.
        secret=os.environ.get("THUMBNAIL_SECRET_KEY") or secrets.token_urlsafe(48),
        resolutions=_list(options.resolutions),
        hosts=_list(options.hosts),
        architecture=options.architecture,
        subnets=_list(options.subnets),
        security_groups=_list(options.security_groups),
    )
    stage = make_stage(answers)
    check(stage)
    return stage


def _policy(options: argparse.Namespace) -> None:
    name, stage = read_stage(options.stage)
    write(POLICY_FILE, policy_of(name, stage))
    print(f"Wrote {POLICY_FILE}. `zappa deploy {name}` or `zappa update {name}` gives it to the function.")
    _tell_missing_rights(stage)


def _site(options: argparse.Namespace) -> None:
    _, stage = read_stage(options.stage)
    print(site_settings(variables_of(stage), options.server_url), end="")


def _tell_missing_rights(stage: dict[str, Any]) -> None:
    sources = _list(variables_of(stage).get("THUMBNAIL_SOURCES", ""))
    if others := ", ".join(one for one in sources if one.startswith("storage://")):
        print(f"It has no rights for {others}: add them, unless STORAGES has keys for that storage.")


def _ask(name: str, former: str = "") -> str:
    """former: what no answer stands for"""
    if not sys.stdin.isatty():
        raise StageError(f"--{name} is missing.")
    answer = ""
    while not answer:
        answer = input(QUESTIONS[name]).strip() or former
    return answer


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
