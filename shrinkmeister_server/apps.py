from typing import Any

from django.apps import AppConfig
from django.core.checks import register


class ServerConfig(AppConfig):
    name = "shrinkmeister_server"

    def ready(self) -> None:
        # Every answer needs these. Lambda gives a whole core while they are loaded here.
        import shrinkmeister.conf.reader
        import shrinkmeister.protocol.tokens  # noqa: F401 - only to load it

        register(check_server)


def check_server(*args: Any, **kwargs: Any) -> Any:
    """Run the server's checks. Only Django's commands do so: a server that starts does not load them."""
    from shrinkmeister_server import checks

    return checks.check_server(*args, **kwargs)
