import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from gallery.models import Photo

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "photographs"


class Command(BaseCommand):
    help = "Copy the photographs into the storage of the gallery. Those that it has are skipped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--photos", type=int, help="how many photographs (default: all)")

    def handle(self, *args: Any, **options: Any) -> None:
        # Newest first, as the gallery shows them.
        catalogue: list[dict[str, str]] = json.loads((PHOTOGRAPHS / "catalogue.json").read_text())
        wanted = len(catalogue) if options["photos"] is None else options["photos"]
        if not 0 <= wanted <= len(catalogue):
            raise CommandError(f"--photos is {wanted}. Use a number from 0 to {len(catalogue)}.")
        present = set(Photo.objects.values_list("title", flat=True))
        newest = timezone.now() - timedelta(days=1)
        copied = 0
        # One transaction for all rows is much faster on SQLite.
        with transaction.atomic():
            for number, entry in enumerate(catalogue[:wanted]):
                if entry["title"] in present:
                    continue
                photo = Photo(title=entry["title"], created=newest - number * timedelta(hours=7))
                with (PHOTOGRAPHS / entry["file"]).open("rb") as file:
                    photo.image.save(entry["file"], File(file))
                copied += 1
        self.stdout.write(f"Copied {copied} photographs. The gallery has {Photo.objects.count()}.")
