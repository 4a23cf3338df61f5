"""`manage.py shrinkmeister adopt | clear | prune`: keeps, forgets and deletes many thumbnails at once."""

import re
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from shrinkmeister.conf import get_config
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.kvstore import get_former_store
from shrinkmeister.shared_cache import get_shared_cache
from shrinkmeister.sources import source_of
from shrinkmeister.spec import Source
from shrinkmeister.upkeep import Adoption, Pruning, adopt, clear, prune, prune_adopted

AGE = re.compile(r"([0-9]+)([smhdw]?)", re.ASCII)
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


class Command(BaseCommand):
    help = "Keeps, forgets or deletes thumbnails and what the shared cache holds about them."

    def add_arguments(self, parser: CommandParser) -> None:
        jobs = parser.add_subparsers(dest="job", required=True)
        adopting = jobs.add_parser("adopt", help="Record the thumbnails that sorl's own backend has made.")
        adopting.add_argument(
            "--restart", action="store_true", help="Begin anew, and not where a run was stopped."
        )
        adopting.add_argument(
            "--ttl",
            type=_age,
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
            "--adopted", action="store_true", help="Those that sorl's own backend has made, and not ours."
        )
        for job in (adopting, clearing, pruning):
            job.add_argument("--dry-run", action="store_true", help="Only count what would be done.")
            # Django's own stands before the job's name alone.
            job.add_argument(
                "-v", "--verbosity", type=int, choices=range(4), default=SUPPRESS, help=SUPPRESS
            )

    def handle(self, *args: Any, job: str, **options: Any) -> None:
        jobs: dict[str, Callable[..., None]] = {
            "adopt": self._adopt,
            "clear": self._clear,
            "prune": self._prune,
        }
        try:
            jobs[job](**options)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        except ShrinkmeisterError as error:
            raise CommandError(f"{error}. It stopped there; the same command goes on.") from error
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

    def _clear(self, dry_run: bool, **options: Any) -> None:
        count = 0
        with self._bar("records", None, options) as bar:
            for count in clear(dry_run):
                bar(count)
        self._say(f"{'Would clear' if dry_run else 'Cleared'} {count:,} records.", options)
        if get_shared_cache().records() is None:
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
        if older_than is None and source is None:
            raise CommandError("Say which thumbnails: --older-than 90d, --source s3://bucket/key, or both.")
        if adopted and source is not None:
            raise CommandError(
                "--adopted goes with --older-than; `delete(file)` deletes what is of one file."
            )
        before = timezone.now() - older_than if older_than else None
        jobs = (
            prune_adopted(get_former_store(), before, dry_run)
            if adopted
            else prune(before, _source(source) if source is not None else None, dry_run)
        )
        done = Pruning()
        with self._bar("thumbnails", None, options) as bar:
            for done in jobs:
                bar(done.seen)
        self._say(
            f"{'Would delete' if dry_run else 'Deleted'} {done.thumbnails:,} of {done.seen:,} thumbnails, "
            f"{done.objects:,} objects with their alternative resolutions.",
            options,
        )

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
    if not match:
        raise ArgumentTypeError(f"{text!r} is not an age; write 12h, 90d, 8w, or a number of seconds")
    return timedelta(seconds=int(match[1]) * SECONDS[match[2]])


def _source(text: str) -> Source:
    """A plain name means what it means in a template: a file of the storage THUMBNAIL_STORAGE."""
    return Source.parse(text) if "://" in text else source_of(text, get_config())
