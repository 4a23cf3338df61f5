import signal
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from shrinkmeister_server.batches import max_body
from shrinkmeister_server.conf import get_server_config

# They answer probes and requests for recorded thumbnails while all others make thumbnails or wait.
SPARE_THREADS = 4


class Command(BaseCommand):
    help = "Serve thumbnails with waitress. After SIGTERM, answer the requests that have arrived, and exit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "address",
            nargs="?",
            type=_address,
            default=f"0.0.0.0:{settings.PORT}" if settings.PORT else "127.0.0.1:8000",
            help="host:port to listen on (default: 0.0.0.0 and the port in PORT, or 127.0.0.1:8000)",
        )
        parser.add_argument(
            "--threads",
            type=_threads,
            help=f"default: THUMBNAIL_MAX_MAKING + THUMBNAIL_MAX_WAITING + {SPARE_THREADS}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            from shrinkmeister_server.waitress_server import Server
        except ImportError as error:
            raise CommandError(
                'waitress is not installed: pip install "shrinkmeister[waitress]"'
            ) from error
        from shrinkmeister_server.wsgi import application

        address, config = options["address"], get_server_config()
        threads = options["threads"] or config.max_making + config.max_waiting + SPARE_THREADS
        try:
            server = Server(application, address, threads, max_body(config.max_batch))
        # waitress raises ValueError for a host without an address.
        except (OSError, ValueError) as error:
            raise CommandError(f"Cannot listen on {address}: {error}") from error
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, server.stop)
        self.stdout.write(
            f"Serving thumbnails at http://{address.rpartition(':')[0]}:{server.effective_port}/"
        )
        self.stdout.flush()  # a journal would show the line at the end only
        server.run()


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ArgumentTypeError(f"{text!r} is not host:port, such as 0.0.0.0:8001")
    return text


def _threads(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
