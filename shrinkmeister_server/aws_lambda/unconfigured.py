"""Answer for a server that Zappa has deployed without ALLOWED_HOST, or with a secret in its package.

ALLOWED_HOST is the server's host, which `zappa deploy` prints only at its end. So the first deployment
works without the setting: the server starts, makes no thumbnails, and answers which setting is missing.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from shrinkmeister_server.observability.access_log import OPERATORS, request_log_of

# Answers and log lines repeat a request's host only if it is a name. ALLOWED_HOST has no port.
HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(:[0-9]{1,5})?", re.ASCII)
SETTINGS_CALLBACK = "shrinkmeister_server.deployment.callbacks.settings"


def unconfigured_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer all requests except those of operators. Replaces the middleware that compares hosts."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path_info in OPERATORS:
            return get_response(request)
        logged, answered = _explain(request)
        request_log_of(request).failed("Unfinished", "unfinished", logged)
        # `zappa deploy` requests "/", and aborts for 500 and above before it prints the server's address.
        status = 404 if request.path_info == "/" else 503
        response = HttpResponse(f"{answered}\n", status=status, content_type="text/plain; charset=utf-8")
        response["Cache-Control"] = "no-store"
        return response

    return answer


def _explain(request: HttpRequest) -> tuple[str, str]:
    """Return what the operator must do: a text for the log and one for the answer."""
    if files := settings.FILES_WITH_SECRETS:
        todo = (
            f"The package contains a secret in {', '.join(files)}. In zappa_settings.json, set callbacks "
            f'to {{"settings": "{SETTINGS_CALLBACK}"}}. Then run `zappa update` and rotate the secret.'
        )
        # Visitors must not learn where a secret is.
        return todo, "This server is not set up yet. Its log says what is missing."
    name = HOST.fullmatch(request.META.get("HTTP_HOST", ""))
    host = name[1].lower() if name else "the host that Zappa printed"
    todo = f"ALLOWED_HOST is not set. Set it to {host} in zappa_settings.json, and run `zappa update`."
    return todo, todo
