"""Answer for a server that Zappa deployed without ALLOWED_HOST, or with a secret in its package.

`zappa deploy` prints the server's host only at its end. So the first deployment has to work
without ALLOWED_HOST. The server starts, makes no thumbnails, and answers that the setting is missing.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from shrinkmeister_server.observability.access_log import OPERATORS, request_log_of

# Answers and log lines repeat a request's host only if it is a host name. ALLOWED_HOST has no port.
HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(:[0-9]{1,5})?", re.ASCII)
SETTINGS_CALLBACK = "shrinkmeister_server.deployment.callbacks.settings"


def unconfigured_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Explain what to do for every path but OPERATORS. Replaces the middleware that compares hosts."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path_info in OPERATORS:
            return get_response(request)
        logged, answered = _explain(request)
        request_log_of(request).failed("Unfinished", "unfinished", logged)
        # `zappa deploy` requests "/". For 500 and above, it would abort before it prints the server's host.
        status = 404 if request.path_info == "/" else 503
        response = HttpResponse(f"{answered}\n", status=status, content_type="text/plain; charset=utf-8")
        response["Cache-Control"] = "no-store"
        return response

    return answer


def _explain(request: HttpRequest) -> tuple[str, str]:
    """Return what the operator must do, as a text for the log and a text for the answer."""
    if files := settings.FILES_WITH_SECRETS:
        todo = (
            f"The package contains a secret in {', '.join(files)}. In zappa_settings.json, set callbacks "
            f'to {{"settings": "{SETTINGS_CALLBACK}"}}. Then run `zappa update` and rotate the secret.'
        )
        # Visitors must not learn where a secret is.
        return todo, "This server is not set up correctly. Read in its log what to change."
    name = HOST.fullmatch(request.META.get("HTTP_HOST", ""))
    host = name[1].lower() if name else "the host that Zappa printed"
    todo = f"ALLOWED_HOST is not set. Set it to {host} in zappa_settings.json, and run `zappa update`."
    return todo, todo
