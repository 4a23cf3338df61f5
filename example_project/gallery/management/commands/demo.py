"""One command that ends with the photo site in the browser and its thumbnail server beside it."""

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

from gallery.models import Photo

HOST = "127.0.0.1"
MANAGE = Path(__file__).resolve().parents[3] / "manage.py"
# How long a server may take to answer. A slow machine needs 5 seconds to import Django.
START_SECONDS = 60
# A server that answers with an error lacks its cache or its bucket. Waiting longer would not help.
UNHEALTHY_SECONDS = 5


class Command(BaseCommand):
    help = "Fill the gallery with photographs and run the site and its thumbnail server until Ctrl-C."
    # Both servers check their settings themselves.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="port of the site (default: 8000)")
        parser.add_argument(
            "--server-port", type=int, default=8001, help="port of the thumbnail server (default: 8001)"
        )
        parser.add_argument("--photos", type=int, help="how many photographs to show (default: all)")
        parser.add_argument(
            "--fresh",
            action="store_true",
            help="delete all thumbnails first, so that the first page has none",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # A signal that ends this command has to end both servers. A closed terminal sends SIGHUP.
        handle_signals(signal.default_int_handler)
        port, server_port = options["port"], options["server_port"]
        check_port(port, "--port")
        check_port(server_port, "--server-port")
        if port == server_port:
            raise CommandError(f"--port and --server-port are both {port}. Use two different ports.")
        servers: list[Server] = []
        try:
            self._start(servers, port, server_port, options)
            while True:
                for server in servers:
                    server.check()
                time.sleep(0.2)
        except KeyboardInterrupt:
            self.stdout.write("\nStopping ...")
        finally:
            # A second Ctrl-C must not leave a server running.
            handle_signals(signal.SIG_IGN)
            for server in servers:
                server.stop()

    def _start(self, servers: list["Server"], port: int, server_port: int, options: dict[str, Any]) -> None:
        site_url, server_url = f"http://{HOST}:{port}", f"http://{HOST}:{server_port}"
        urls = {"SITE_URL": site_url, "THUMBNAIL_SERVER_URL": server_url}
        # The thumbnail server starts while the gallery is filled. It does not use the database.
        servers.append(Server("thumbnail server", ["thumbnail_server", str(server_port)], urls))
        call_command("migrate", verbosity=0)
        call_command("seed", photos=options["photos"])
        if options["fresh"]:
            Photo.delete_thumbnails()
            self.stdout.write("Deleted all thumbnails.")
        servers.append(Server("site", ["runserver", f"{HOST}:{port}", "--noreload"], urls))
        servers[0].wait_for(f"{server_url}/healthz")
        # This page makes no thumbnail, and the visitor's first page then waits for no import.
        servers[1].wait_for(f"{site_url}/")
        self.stdout.write(
            self.style.SUCCESS(f"\nThe photo site is ready: open {site_url}/ (Ctrl-C stops it)\n")
        )
        # Otherwise a pipe or a file gets this line only when the demo ends.
        self.stdout.flush()


class Server:
    """A child process. Each line of its output is printed with its name."""

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
            # Otherwise Ctrl-C in the terminal would end the server too, as if it had failed.
            start_new_session=True,
        )
        output = self._process.stdout
        assert output is not None
        self._output = threading.Thread(target=self._print, args=[output], daemon=True)
        self._output.start()

    def wait_for(self, url: str) -> None:
        """Return when the URL answers 200. Raise CommandError with any other answer."""
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
                limit, pause = UNHEALTHY_SECONDS, 0.5
            except (URLError, OSError) as error:
                answer = str(error)
                limit, pause = START_SECONDS, 0.05
            if time.monotonic() - started > limit:
                raise CommandError(f"The {self.name} does not work. {url} answered: {answer}")
            time.sleep(pause)

    def check(self) -> None:
        """Raise CommandError if the process has ended."""
        status = self._process.poll()
        if status is not None:
            self._output.join(1)
            raise CommandError(
                f"The {self.name} has ended with exit status {status}. Stopped both servers."
            )

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _print(self, output: IO[str]) -> None:
        for line in output:
            # Requests for files are of no interest here, and tokens are long.
            if '"GET /media/' in line or '"GET /static/' in line or not line.strip():
                continue
            line = line.rstrip()
            short = line if len(line) <= 150 else f"{line[:90]} ... {line[-40:]}"
            print(f"{self.name:16} | {short}", flush=True)


def handle_signals(handler: Any) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handler)


def check_port(port: int, option: str) -> None:
    """Raise CommandError if another program uses the port."""
    with socket.socket() as probe:
        # Like runserver, allow a port whose connections have just been closed.
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} of {HOST} is not free ({error.strerror}). Choose another one with {option}."
            ) from error
