import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gallery.server_environment import server_environment

REPOSITORY = Path(__file__).resolve().parents[4]


class Command(BaseCommand):
    help = "Run the thumbnail server with this site's settings."
    # The server checks its own settings.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("port", nargs="?", type=int, default=8001)

    def handle(self, *args: Any, **options: Any) -> None:
        environment = server_environment()
        # The server is a Django project of its own: it uses neither this manage.py nor this folder.
        paths = [str(REPOSITORY), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        address = f"127.0.0.1:{options['port']}"
        command = [sys.executable, "-m", "django", "runserver", address, "--noreload"]
        sys.stdout.flush()
        os.execve(sys.executable, command, environment)
