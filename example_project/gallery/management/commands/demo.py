"""One command from nothing to a site in the browser, with its thumbnail server beside it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from sorl import thumbnail

from gallery.models import Photo

HOST = "127.0.0.1"
MANAGE = Path(__file__).resolve().parents[3] / "manage.py"
# Seconds for a server to answer; a slow machine imports Django in 5.
PATIENCE = 30
# An unhealthy answer is not going to change: the cache or the bucket is not there.
PATIENCE_UNHEALTHY = 5


class Command(BaseCommand):
    help = "Migrates, paints photographs, and runs the site and its thumbnail server until Ctrl-C."
    # What a newcomer's settings lack is said by the servers themselves; nothing is checked twice.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="of the site")
        parser.add_argument("--server-port", type=int, default=8001, help="of the thumbnail server")
        parser.add_argument("--photos", type=int, default=60, help="how many there should be")
        parser.add_argument(
            "--fresh",
            action="store_true",
            help="forget thumbnails and records: the first page is cold",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Whoever stops us means the servers too. SIGHUP: the terminal was closed.
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.default_int_handler)
        servers: list[Server] = []
        try:
            self._prepare(**options)
            self._run(servers, options["port"], options["server_port"])
        except KeyboardInterrupt:
            self.stdout.write("\nStopping ...")
        finally:
            for server in servers:
                server.stop()

    def _prepare(self, **options: Any) -> None:
        check_port(options["port"], "--port")
        check_port(options["server_port"], "--server-port")
        if options["port"] == options["server_port"]:
            raise CommandError("--port and --server-port have to differ.")
        call_command("migrate", verbosity=0)
        call_command("seed", photos=options["photos"])
        if options["fresh"]:
            for photo in Photo.objects.all():
                thumbnail.delete(photo.image, delete_file=False)
            self.stdout.write("Thumbnails and records are forgotten.")

    def _run(self, servers: list["Server"], port: int, server_port: int) -> None:
        site_url, server_url = f"http://{HOST}:{port}", f"http://{HOST}:{server_port}"
        urls = {"SITE_URL": site_url, "THUMBNAIL_SERVER_URL": server_url}
        servers.append(Server("thumbnail server", ["thumbnail_server", str(server_port)], urls))
        servers[0].wait_for(f"{server_url}/healthz")
        servers.append(Server("site", ["runserver", f"{HOST}:{port}", "--noreload"], urls))
        # The gallery, so that the first visitor's page does not pay for imports. It makes nothing.
        servers[1].wait_for(f"{site_url}/")
        count = Photo.objects.count()
        self.stdout.write(
            self.style.SUCCESS(f"\nOpen {site_url}/ for {count} photographs. Ctrl-C stops both servers.\n")
        )
        while True:
            for server in servers:
                server.check()
            time.sleep(0.2)


class Server:
    """A child process, its output line by line under its name."""

    def __init__(self, name: str, arguments: list[str], variables: dict[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, str(MANAGE), *arguments],
            env={
                **os.environ,
                **variables,
                "PYTHONUNBUFFERED": "1",
                "DJANGO_RUNSERVER_HIDE_WARNING": "true",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Else the terminal's Ctrl-C reaches it too, and it would seem to have died by itself.
            start_new_session=True,
        )
        output = self._process.stdout
        assert output is not None
        self._output = threading.Thread(target=self._print, args=[output], daemon=True)
        self._output.start()

    def wait_for(self, url: str) -> None:
        """Returns when the URL answers 200. Raises CommandError with what it answers instead."""
        open_url = build_opener(ProxyHandler({})).open
        started = time.monotonic()
        answer = "no answer"
        while True:
            self.check()
            try:
                with open_url(url, timeout=5):
                    return
            except HTTPError as error:
                answer = f"{error.code} {error.read().decode(errors='replace').strip()}"
                patience, pause = PATIENCE_UNHEALTHY, 1.0
            except (URLError, OSError) as error:
                answer = str(error)
                patience, pause = PATIENCE, 0.1
            if time.monotonic() - started > patience:
                raise CommandError(f"The {self.name} is not well. {url} says: {answer}")
            time.sleep(pause)

    def check(self) -> None:
        """Raises CommandError if the process has died."""
        status = self._process.poll()
        if status is not None:
            self._output.join(1)
            raise CommandError(f"The {self.name} has died (exit status {status}). So all stops.")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _print(self, output: IO[str]) -> None:
        for line in output:
            # Files that the site hands out say nothing about thumbnails; tokens are long.
            if '"GET /media/' in line or '"GET /static/' in line or not line.strip():
                continue
            line = line.rstrip()
            short = line if len(line) <= 150 else f"{line[:90]} ... {line[-40:]}"
            print(f"{self.name:16} | {short}", flush=True)


def check_port(port: int, option: str) -> None:
    """Raises CommandError where something listens there already."""
    with socket.socket() as probe:
        # As runserver does it: connections that just ended are no obstacle.
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} of {HOST} is not free ({error.strerror}). Choose another one with {option}."
            ) from error
