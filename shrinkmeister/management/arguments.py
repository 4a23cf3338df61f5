"""Command line of `manage.py shrinkmeister`: its jobs, and the forms of ages and times."""

import re
from argparse import SUPPRESS, ArgumentTypeError
from datetime import timedelta

from django.core.management.base import CommandParser

# No "m", which means minutes to some people and months to others.
AGE = re.compile(r"([0-9]{1,10})([hdw]?)", re.ASCII)
SECONDS = {"": 1, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
LONGEST = timedelta(days=36500)
DEFAULT_LIFE = timedelta(days=3650)
SOURCE = "s3://bucket/key, storage://alias/name, a URL, or a name as in templates"


def add_jobs(parser: CommandParser) -> None:
    """Add the jobs of `manage.py shrinkmeister` to its parser, each with its options."""
    jobs = parser.add_subparsers(dest="job", required=True)

    def add_job(name: str, help: str, dry_run: bool = False) -> CommandParser:
        job = jobs.add_parser(name, help=help)
        # Django accepts its own option only before the job's name.
        job.add_argument("-v", "--verbosity", type=int, choices=range(4), default=SUPPRESS, help=SUPPRESS)
        if dry_run:
            job.add_argument("--dry-run", action="store_true", help="Only count what would be done.")
        return job

    job = add_job("adopt", "Record the thumbnails that sorl's own backend has made.", dry_run=True)
    job.add_argument("--restart", action="store_true", help="Do not resume an interrupted run.")
    job.add_argument(
        "--ttl",
        type=parse_life,
        default=DEFAULT_LIFE,
        metavar="AGE",
        help="How long the records live. Default: ten years, as sorl keeps its own.",
    )
    add_job("clear", "Delete all records from the shared cache, but no thumbnails.", dry_run=True)
    job = add_job(
        "prune",
        "Delete thumbnails and their records. Pages that show them have them made again.",
        dry_run=True,
    )
    job.add_argument(
        "--older-than",
        type=parse_age,
        metavar="AGE",
        help="Delete what is older: 12h, 90d, 8w, or seconds; 0 for all.",
    )
    job.add_argument("--source", metavar="SOURCE", help=f"Delete the thumbnails of {SOURCE}.")
    job.add_argument("--adopted", action="store_true", help="Delete only what sorl's own backend has made.")
    job = add_job(
        "lifecycle",
        "Print the rule by which the bucket deletes thumbnails after THUMBNAIL_EXPIRE_DAYS.",
    )
    action = job.add_mutually_exclusive_group()
    action.add_argument(
        "--install", action="store_true", help="Give the bucket that rule; keep its others."
    )
    action.add_argument("--remove", action="store_true", help="Remove that rule; keep the others.")
    job = add_job(
        "doctor", "Examine this site and its thumbnail server; exit with 1 if something is wrong."
    )
    job.add_argument("--source", metavar="SOURCE", help=f"Also have a thumbnail made of {SOURCE}.")
    job.add_argument("--json", action="store_true", help="Print a JSON list of findings.")
    job.add_argument(
        "--timeout",
        type=parse_seconds,
        default=30,
        metavar="SECONDS",
        help="How long to wait for each answer. Default: 30.",
    )


def parse_age(text: str) -> timedelta:
    match = AGE.fullmatch(text)
    seconds = int(match[1]) * SECONDS[match[2]] if match else LONGEST.total_seconds()
    if seconds >= LONGEST.total_seconds():
        raise ArgumentTypeError(
            f"{text!r} is not an age below a hundred years; write 12h, 90d, 8w, or a number of seconds"
        )
    return timedelta(seconds=seconds)


def parse_seconds(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", text, re.ASCII) and float(text):
        return float(text)
    raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")


def parse_life(text: str) -> timedelta:
    if age := parse_age(text):
        return age
    raise ArgumentTypeError("records must live longer than 0 seconds")
