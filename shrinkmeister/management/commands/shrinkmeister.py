"""`manage.py shrinkmeister adopt | clear | prune | lifecycle`: jobs over all thumbnails; and `doctor`."""

import json
import re
import sys
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from shutil import get_terminal_size
from textwrap import fill
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from shrinkmeister.adoption.kvstore import get_former_store
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.doctor.examination import examine
from shrinkmeister.doctor.findings import OK, UNKNOWN, WRONG, Finding
from shrinkmeister.exceptions import DriverError, ShrinkmeisterError, StorageError
from shrinkmeister.maintenance import lifecycle
from shrinkmeister.maintenance.jobs import Adoption, Pruning, adopt, clear, prune, prune_adopted
from shrinkmeister.sources import parse_source

# No "m": it would be minutes to some and months to others.
AGE = re.compile(r"([0-9]{1,10})([hdw]?)", re.ASCII)
SECONDS = {"": 1, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
LONGEST = timedelta(days=36500)


class Command(BaseCommand):
    help = "Keeps, forgets or deletes thumbnails and their records, and says what is wrong with the setup."

    def add_arguments(self, parser: CommandParser) -> None:
        jobs = parser.add_subparsers(dest="job", required=True)
        adopting = jobs.add_parser("adopt", help="Record the thumbnails that sorl's own backend has made.")
        adopting.add_argument(
            "--restart", action="store_true", help="Begin anew, and not where a run was stopped."
        )
        adopting.add_argument(
            "--ttl",
            type=_life,
            default=timedelta(days=3650),
            metavar="AGE",
            help="How long the records live. Unless given ten years, which is what sorl gives its own.",
        )
        clearing = jobs.add_parser("clear", help="Remove all records from the shared cache; no thumbnail.")
        pruning = jobs.add_parser(
            "prune", help="Delete thumbnails and their records. They come back when a page asks for them."
        )
        pruning.add_argument(
            "--older-than", type=_age, metavar="AGE", help="12h, 90d, 8w, or seconds; 0 for all."
        )
        pruning.add_argument(
            "--source", metavar="SOURCE", help="s3://bucket/key, storage://alias/name, or a plain name."
        )
        pruning.add_argument(
            "--adopted",
            action="store_true",
            help="All that sorl's own backend has made, and nothing of ours.",
        )
        expiring = jobs.add_parser(
            "lifecycle",
            help="Print the rule by which the bucket deletes thumbnails after THUMBNAIL_EXPIRE_DAYS.",
        )
        one = expiring.add_mutually_exclusive_group()
        one.add_argument("--install", action="store_true", help="Give the bucket that rule; others stay.")
        one.add_argument("--remove", action="store_true", help="Take it away; others stay.")
        examining = jobs.add_parser(
            "doctor",
            help="Examine this site with its thumbnail server. Exits with 1 if something is wrong.",
        )
        examining.add_argument(
            "--source",
            metavar="SOURCE",
            help="Also make a thumbnail of s3://bucket/key, storage://alias/name, or a plain name.",
        )
        examining.add_argument("--json", action="store_true", help="Print the findings as JSON.")
        examining.add_argument(
            "--timeout",
            type=_seconds,
            default=30,
            metavar="SECONDS",
            help="How long to wait for each answer (default: 30).",
        )
        for job in (adopting, clearing, pruning, expiring, examining):
            if job not in (expiring, examining):
                job.add_argument("--dry-run", action="store_true", help="Only count what would be done.")
            # Django's own stands before the job's name alone.
            job.add_argument(
                "-v", "--verbosity", type=int, choices=range(4), default=SUPPRESS, help=SUPPRESS
            )

    def execute(self, *args: Any, **options: Any) -> Any:
        # The doctor reports wrong settings itself. Django's checks would stop the command first.
        return super().execute(
            *args, **{**options, "skip_checks": options["skip_checks"] or options["job"] == "doctor"}
        )

    def handle(self, *args: Any, job: str, **options: Any) -> None:
        jobs: dict[str, Callable[..., None]] = {
            "adopt": self._adopt,
            "clear": self._clear,
            "prune": self._prune,
            "lifecycle": self._lifecycle,
            "doctor": self._doctor,
        }
        try:
            jobs[job](**options)
        except (StorageError, DriverError) as error:
            said = str(error).rstrip(".")
            raise CommandError(f"{said}. It stopped there; the same command goes on.") from error
        except ShrinkmeisterError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped; the same command goes on.") from error

    def _adopt(self, dry_run: bool, restart: bool, ttl: timedelta, **options: Any) -> None:
        store = get_former_store()
        done = Adoption()
        with self._bar("thumbnails and sources", store.count(), options) as bar:
            for done in adopt(store, int(ttl.total_seconds()), dry_run, restart):
                bar(done.thumbnails + done.sources)
        self._say(
            f"{'Would adopt' if dry_run else 'Adopted'} {done.thumbnails:,} thumbnails and the sizes of "
            f"{done.sources:,} sources. {done.unknown:,} files below THUMBNAIL_PREFIX are not in sorl's "
            f"key-value store.",
            options,
        )
        if done.incomplete:
            self._say(
                f"{done.incomplete:,} of the thumbnails are not stored in all of "
                f"THUMBNAIL_ALTERNATIVE_RESOLUTIONS: pages do not use them.",
                options,
            )

    def _clear(self, dry_run: bool, **options: Any) -> None:
        count = 0
        with self._bar("records", None, options) as bar:
            for count in clear(dry_run):
                bar(count)
        self._say(f"{'Would clear' if dry_run else 'Cleared'} {count:,} records.", options)
        if get_shared_cache().records.keys() is None:
            self._say(
                "This cache cannot list its keys: those were the records of the thumbnails that are "
                "stored. Records of others end with THUMBNAIL_TTL.",
                options,
            )

    def _prune(
        self,
        older_than: timedelta | None,
        source: str | None,
        adopted: bool,
        dry_run: bool,
        **options: Any,
    ) -> None:
        if adopted and (older_than is not None or source is not None):
            raise CommandError("--adopted goes alone; --source alone deletes those of one source too.")
        if not adopted and older_than is None and source is None:
            raise CommandError("Say which thumbnails: --older-than 90d, --source s3://bucket/key, or both.")
        of = None if source is None else parse_source(source, get_config())
        before = datetime.now(UTC) - older_than if older_than else None
        jobs = prune_adopted(get_former_store(), dry_run) if adopted else prune(before, of, dry_run)
        done = Pruning()
        with self._bar("thumbnails", None, options) as bar:
            for done in jobs:
                bar(done.seen)
        deleted = "Would delete" if dry_run else "Deleted"
        whose = " that sorl has made" if adopted else f" of {of}" if of else ""
        self._say(
            f"{deleted} {done.thumbnails:,} of {done.seen:,} thumbnails{whose}, {done.objects:,} objects "
            f"with their alternative resolutions.",
            options,
        )

    def _lifecycle(self, install: bool, remove: bool, **options: Any) -> None:
        config = get_config()
        if remove:
            lifecycle.remove()
            self._say("The bucket has no such rule any more. Unset THUMBNAIL_EXPIRE_DAYS now.", options)
            return
        if install:
            others = lifecycle.install(config)
            kept = f"; its other rules stay: {', '.join(others)}" if others else ""
            self._say(f"The bucket has this rule{kept}.", options)
        # Also without --install: as `aws s3api put-bucket-lifecycle-configuration` takes it.
        self.stdout.write(json.dumps({"Rules": [lifecycle.rule_of(config)]}, indent=2))

    def _doctor(self, source: str | None, timeout: float, **options: Any) -> None:
        try:
            examination = examine(source, timeout)
        except ShrinkmeisterError as error:
            raise CommandError(str(error), returncode=2) from error
        findings = []
        try:
            for finding in examination:
                findings.append(finding)
                if not options["json"]:
                    self._say(self._line(finding), options)
        finally:
            # An examination that stops early prints what it has found.
            if options["json"]:
                self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        if any(finding.status == WRONG for finding in findings):
            sys.exit(1)

    def _line(self, finding: Finding) -> str:
        """Return a finding as lines for a terminal: the message, then the hint."""
        word, style = {
            OK: ("ok", self.style.SUCCESS),
            WRONG: ("WRONG", self.style.ERROR),
            UNKNOWN: ("?", self.style.WARNING),
        }[finding.status]
        head, indent = f"{word:6}{finding.id:12}", " " * 18
        width = max(60, min(110, get_terminal_size().columns))
        texts = [
            fill(
                # Another server may have written the text: replace what a terminal would obey.
                "".join(character if character.isprintable() else " " for character in text),
                width,
                initial_indent=indent,
                subsequent_indent=indent,
                break_on_hyphens=False,
                break_long_words=False,
            )
            for text in filter(None, (finding.message, finding.hint and f"-> {finding.hint}"))
        ]
        return style(head) + "\n".join(texts)[len(indent) :]

    @contextmanager
    def _bar(
        self, unit: str, total: int | None, options: dict[str, Any]
    ) -> Iterator[Callable[[int], object]]:
        """A progress bar, to be told how far a job has got; on terminals, or with --verbosity 2."""
        hidden = {0: True, 1: None}.get(options["verbosity"], False)
        with tqdm(total=total, unit=f" {unit}", disable=hidden) as bar:
            yield lambda done: bar.update(done - bar.n)

    def _say(self, text: str, options: dict[str, Any]) -> None:
        if options["verbosity"] > 0:
            self.stdout.write(text)


def _age(text: str) -> timedelta:
    match = AGE.fullmatch(text)
    seconds = int(match[1]) * SECONDS[match[2]] if match else LONGEST.total_seconds()
    if seconds >= LONGEST.total_seconds():
        raise ArgumentTypeError(
            f"{text!r} is not an age of up to a hundred years; write 12h, 90d, 8w, or a number of seconds"
        )
    return timedelta(seconds=seconds)


def _seconds(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", text, re.ASCII) and float(text):
        return float(text)
    raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")


def _life(text: str) -> timedelta:
    if age := _age(text):
        return age
    raise ArgumentTypeError("a record that lives for no time is none")
