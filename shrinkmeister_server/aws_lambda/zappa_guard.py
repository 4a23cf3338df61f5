"""Zappa's own handler, made to see HTTP requests alone.

zappa_settings.json of `zappa init` names Zappa's handler. It loads the server before it looks at its first
event, so that the server can still step in between.
"""

import sys
from collections.abc import Mapping
from typing import Any

from shrinkmeister_server.aws_lambda.events import http_request

# Zappa copies the second to the first, at the top of its package; Lambda loads one of them.
HANDLERS = ("handler", "zappa.handler")


def guard(modules: Mapping[str, Any] = sys.modules) -> None:
    """Change the handlers of Zappa that are loaded. Elsewhere than on Lambda none is loaded."""
    for name in HANDLERS:
        if handler := getattr(modules.get(name), "LambdaHandler", None):
            _guard(handler)


def _guard(handler: Any) -> None:
    handle = handler.handler

    def handle_request(self: Any, event: Any, context: Any) -> Any:
        # With DEBUG, which is Zappa's default, it logs whole events and answers with tracebacks.
        self.settings.DEBUG = False
        return handle(self, http_request(event), context)

    handler.handler = handle_request
