import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from django.utils.text import slugify

from gallery.landscapes import photograph, title
from gallery.models import Photo


class Command(BaseCommand):
    help = "Paints photographs, so that the gallery has some. Leaves alone those that are there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--photos", type=int, default=60, help="how many (default: 60)")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted: int = options["photos"]
        there = set(Photo.objects.values_list("title", flat=True))
        if Photo.objects.count() >= wanted:
            self.stdout.write(f"The gallery has its {wanted} photographs.")
            return
        missing = [number for number in range(wanted) if title(number) not in there]
        processes = min(len(missing), os.cpu_count() or 1)
        self.stdout.write(f"Painting {len(missing)} photographs in {processes} processes ...")
        started = time.monotonic()
        newest = timezone.now() - timedelta(days=1)
        # The same way on every system, and no copy of a process with boto3's threads.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, signal.signal, IGNORE_CTRL_C) as pool:
            try:
                paintings = pool.map(photograph, missing)
                for done, (number, painting) in enumerate(zip(missing, paintings, strict=True), 1):
                    name = f"{slugify(title(number))}.{painting.extension}"
                    photo = Photo(title=title(number), created=newest - number * timedelta(hours=7))
                    photo.image.save(name, ContentFile(painting.data))
                    seconds = time.monotonic() - started
                    size = f"{painting.width} x {painting.height}"
                    self.stdout.write(f"{done:3}/{len(missing)} {seconds:5.1f} s  {name}, {size}")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


# For the processes of the pool: the one that started them ends them.
IGNORE_CTRL_C = (signal.SIGINT, signal.SIG_IGN)
