"""Make Zappa's own handler handle only HTTP requests.

`zappa init` writes Zappa's handler into zappa_settings.json. That handler loads the server before it looks
at its first event, so the server can still replace the handler's method.
"""

import sys
from collections.abc import Mapping
from typing import Any

from shrinkmeister_server.aws_lambda.events import http_request

# Zappa copies the second module to the first, at the top of its package. Lambda loads one of them.
HANDLERS = ("handler", "zappa.handler")


def guard(modules: Mapping[str, Any] = sys.modules) -> None:
    """Change the handlers of Zappa that are loaded. Outside of Lambda, none is loaded."""
    for name in HANDLERS:
        if handler := getattr(modules.get(name), "LambdaHandler", None):
            _guard(handler)


def _guard(handler: Any) -> None:
    handle = handler.handler

    def handle_request(self: Any, event: Any, context: Any) -> Any:
        # With DEBUG, Zappa's default, the handler logs whole events and answers with tracebacks.
        self.settings.DEBUG = False
        return handle(self, http_request(event), context)

    handler.handler = handle_request
