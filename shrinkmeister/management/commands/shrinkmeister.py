"""`manage.py shrinkmeister adopt | clear | prune | lifecycle | doctor`."""

import json
import re
import sys
import time
from argparse import SUPPRESS, ArgumentTypeError
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from shutil import get_terminal_size
from textwrap import fill
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.doctor.examination import examine
from shrinkmeister.doctor.findings import OK, UNKNOWN, WRONG, Finding
from shrinkmeister.exceptions import DriverError, ShrinkmeisterError, StorageError
from shrinkmeister.maintenance import lifecycle
from shrinkmeister.maintenance.adopt import Adoption, adopt
from shrinkmeister.maintenance.prune import Pruning, clear, prune, prune_adopted
from shrinkmeister.sources import parse_source

PROGRESS_SECONDS = 2
# No "m", which means minutes to some people and months to others.
AGE = re.compile(r"([0-9]{1,10})([hdw]?)", re.ASCII)
SECONDS = {"": 1, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
LONGEST = timedelta(days=36500)
DEFAULT_LIFE = timedelta(days=3650)
SOURCE = "s3://bucket/key, storage://alias/name, a URL, or a name as in templates"


class Command(BaseCommand):
    help = "Manage thumbnails and their records, or find out what is wrong with the setup."
    _next_progress = 0.0

    def add_arguments(self, parser: CommandParser) -> None:
        _add_jobs(parser)

    def execute(self, *args: Any, **options: Any) -> Any:
        # The doctor reports wrong settings itself; Django's checks would end the command before.
        options["skip_checks"] = options["skip_checks"] or options["job"] == "doctor"
        return super().execute(*args, **options)

    def handle(self, *args: Any, job: str, verbosity: int, **options: Any) -> None:
        self.verbosity = verbosity
        try:
            getattr(self, f"_{job}")(**options)
        except (StorageError, DriverError) as error:
            reason = str(error).rstrip(".")
            raise CommandError(f"{reason}. Stopped here. Run the same command again to resume.") from error
        except ShrinkmeisterError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped. Run the same command again to resume.") from error

    def _adopt(self, dry_run: bool, restart: bool, ttl: timedelta, **options: Any) -> None:
        done = Adoption()
        for done in adopt(int(ttl.total_seconds()), dry_run, restart):
            self._report_progress(done.thumbnails + done.sources, "thumbnails and sources")
        self._report(
            f"{'Would adopt' if dry_run else 'Adopted'} {done.thumbnails:,} thumbnails and the sizes of "
            f"{done.sources:,} sources. {done.unknown:,} files below THUMBNAIL_PREFIX are not in sorl's "
            f"key-value store."
        )
        if not done.thumbnails:
            self._report(_why_nothing_is_adopted(done))
        if done.incomplete:
            self._report(
                f"Pages do not use {done.incomplete:,} of the thumbnails, which are not stored in all of "
                f"THUMBNAIL_ALTERNATIVE_RESOLUTIONS."
            )

    def _clear(self, dry_run: bool, **options: Any) -> None:
        count = 0
        for count in clear(dry_run):
            self._report_progress(count, "records")
        self._report(f"{'Would clear' if dry_run else 'Cleared'} {count:,} records.")
        if get_shared_cache().records.keys() is None:
            self._report(
                "This cache cannot list its keys, so these are the records of stored thumbnails. Other "
                "records end after THUMBNAIL_TTL."
            )

    def _prune(
        self, older_than: timedelta | None, source: str | None, adopted: bool, dry_run: bool, **options: Any
    ) -> None:
        if adopted and (older_than is not None or source is not None):
            raise CommandError(
                "--adopted cannot be combined with --source or --older-than. --source alone also deletes "
                "what sorl has made of that source."
            )
        if not adopted and older_than is None and source is None:
            raise CommandError(
                "Name the thumbnails to delete: --older-than 90d, --source s3://bucket/key, or both."
            )
        of = None if source is None else parse_source(source, get_config())
        before = datetime.now(UTC) - older_than if older_than else None
        done = Pruning()
        for done in prune_adopted(dry_run) if adopted else prune(before, of, dry_run):
            self._report_progress(done.seen, "thumbnails")
        whose = " that sorl has made" if adopted else f" of {of}" if of else ""
        self._report(
            f"{'Would delete' if dry_run else 'Deleted'} {done.thumbnails:,} of {done.seen:,} "
            f"thumbnails{whose}, {done.objects:,} objects with their alternative resolutions."
        )

    def _lifecycle(self, install: bool, remove: bool, **options: Any) -> None:
        config = get_config()
        if remove:
            lifecycle.remove()
            self._report("Removed the rule from the bucket. Unset THUMBNAIL_EXPIRE_DAYS now.")
            return
        if install:
            lifecycle.install(config)
            self._report("Installed this rule.")
        # The form that `aws s3api put-bucket-lifecycle-configuration` accepts.
        self.stdout.write(json.dumps({"Rules": [lifecycle.rule_of(config)]}, indent=2))

    def _doctor(self, source: str | None, timeout: float, **options: Any) -> None:
        try:
            examination = examine(source, timeout)
        except ShrinkmeisterError as error:
            raise CommandError(str(error), returncode=2) from error
        findings: list[Finding] = []
        skipped: list[Finding] = []
        try:
            for finding in examination:
                findings.append(finding)
                if options["json"]:
                    continue
                # A check that could not run has no hint. All that wait for one fault get one line.
                if finding.status != UNKNOWN or finding.hint:
                    self._report(_formatted(finding, self.style))
                else:
                    skipped.append(finding)
            for message in dict.fromkeys(finding.message for finding in skipped):
                ids = ", ".join(finding.id for finding in skipped if finding.message == message)
                self._report(_formatted(Finding("", UNKNOWN, f"{message}: {ids}"), self.style))
        finally:
            if options["json"]:
                self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        if any(finding.status == WRONG for finding in findings):
            sys.exit(1)

    def _report_progress(self, done: int, unit: str) -> None:
        """Write how far a job is, every few seconds, on a terminal or with --verbosity 2."""
        now = time.monotonic()
        if now >= self._next_progress and (self.verbosity > 1 or (self.verbosity and self.stderr.isatty())):
            self._next_progress = now + PROGRESS_SECONDS
            self.stderr.write(f"{done:,} {unit} so far", self.style.NOTICE)

    def _report(self, text: str) -> None:
        if self.verbosity > 0:
            self.stdout.write(text)


def _why_nothing_is_adopted(done: Adoption) -> str:
    config = get_config()
    place = (
        f"below {config.prefix!r} (THUMBNAIL_PREFIX) in STORAGES[{config.storage!r}] (THUMBNAIL_STORAGE)"
    )
    if done.lost:
        return (
            f"Nothing is adopted: sorl's key-value store lists {done.lost:,} thumbnails, but none of their "
            f"files is {place}. Set both settings as they were with sorl's backend, and run the same "
            "command again. If the files are deleted, the server makes new thumbnails instead."
        )
    if done.unknown:
        return (
            f"Nothing is adopted: there are files {place}, but sorl's key-value store lists no thumbnail. "
            "Set THUMBNAIL_KVSTORE as it was with sorl's backend, and use the site's own database or Redis."
        )
    return f"Nothing is adopted: sorl's key-value store lists no thumbnail, and no file is {place}."


def _formatted(finding: Finding, styles: Any) -> str:
    """Return a finding with its hint indented below it, wrapped at the terminal's width."""
    word, style = {
        OK: ("ok", styles.SUCCESS),
        WRONG: ("WRONG", styles.ERROR),
        UNKNOWN: ("?", styles.WARNING),
    }[finding.status]
    head, indent = f"{word:6}{finding.id:12}", " " * 18
    width = max(60, min(110, get_terminal_size().columns))
    texts = [
        fill(
            # A server's answer may contain control characters, which a terminal would obey.
            "".join(character if character.isprintable() else " " for character in text),
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for text in filter(None, (finding.message, finding.hint and f"-> {finding.hint}"))
    ]
    return str(style(head)) + "\n".join(texts)[len(indent) :]


def _add_jobs(parser: CommandParser) -> None:
    jobs = parser.add_subparsers(dest="job", required=True)

    def add_job(name: str, help: str, dry_run: bool = False) -> CommandParser:
        job = jobs.add_parser(name, help=help)
        # Django accepts its own options only before the job's name. Both places work with these.
        job.add_argument("-v", "--verbosity", type=int, choices=range(4), default=SUPPRESS, help=SUPPRESS)
        for option in ("--settings", "--pythonpath"):
            job.add_argument(option, default=SUPPRESS, help=SUPPRESS)
        for option in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
            job.add_argument(option, action="store_true", default=SUPPRESS, help=SUPPRESS)
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
