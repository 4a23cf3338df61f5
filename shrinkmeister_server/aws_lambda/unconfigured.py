"""Answers of a server that Zappa has deployed before its settings were complete.

`zappa deploy` prints the server's host, and ALLOWED_HOST needs it. So the first deployment has to succeed
without it: the server starts, makes no thumbnail, and answers what is missing.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from shrinkmeister_server.observability.access_log import OPERATORS, visit_of

# Only a name is repeated in an answer and a line of the log. A port is not part of ALLOWED_HOST.
HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(:[0-9]{1,5})?", re.ASCII)
SETTINGS_CALLBACK = "shrinkmeister_server.deployment.callbacks.settings"


def unfinished_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let only requests of operators pass. It replaces the middleware that compares hosts."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path_info in OPERATORS:
            return get_response(request)
        logged, answered = _explain(request)
        visit_of(request).failed("Unfinished", logged)
        # `zappa deploy` asks for "/", and ends at 500 and above, before it prints the server's address.
        status = 404 if request.path_info == "/" else 503
        response = HttpResponse(f"{answered}\n", status=status, content_type="text/plain; charset=utf-8")
        response["Cache-Control"] = "no-store"
        return response

    return answer


def _explain(request: HttpRequest) -> tuple[str, str]:
    """Return what is missing, for the log and for the answer."""
    if files := settings.FILES_WITH_SECRETS:
        todo = (
            f"The package contains a secret in {', '.join(files)}. In zappa_settings.json set callbacks to "
            f'{{"settings": "{SETTINGS_CALLBACK}"}}, run `zappa update`, and rotate the secret.'
        )
        # Visitors do not learn where a secret is.
        return todo, "This server is not set up yet; its log says what is missing."
    name = HOST.fullmatch(request.META.get("HTTP_HOST", ""))
    host = name[1].lower() if name else "the host that Zappa has printed"
    todo = f"ALLOWED_HOST is not set. Set it to {host} in zappa_settings.json, and run `zappa update`."
    return todo, todo
