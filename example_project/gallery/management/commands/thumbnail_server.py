import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gallery.server_environment import server_environment

REPOSITORY = Path(__file__).resolve().parents[4]


class Command(BaseCommand):
    help = "Becomes the thumbnail server of this site, with this site's settings."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("port", nargs="?", type=int, default=8001)

    def handle(self, *args: Any, **options: Any) -> None:
        environment = server_environment()
        # Not its own manage.py, and not this site's folder on the path: it is another project.
        paths = [str(REPOSITORY), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        address = f"127.0.0.1:{options['port']}"
        command = [sys.executable, "-m", "django", "runserver", address, "--noreload"]
        sys.stdout.flush()
        os.execve(sys.executable, command, environment)
