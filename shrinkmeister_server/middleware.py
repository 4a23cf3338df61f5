"""The check of the Host, and the headers that say what browsers and pages may do with an answer."""

from collections.abc import Callable, Sequence

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from django.utils.cache import patch_vary_headers

from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.observability.access_log import OPERATORS, PROBES

HEADERS = {
    # Django's SecurityMiddleware does not set it on its own answers, which refuse a Host.
    "X-Content-Type-Options": "nosniff",
    # Answers are text, of which browsers must load, run and frame nothing.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
# How long browsers keep the answer to a preflight. No browser keeps it longer than a day.
PREFLIGHT_SECONDS = 86400


def headers_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    origins = get_server_config().cors_origins

    def answer_with_headers(request: HttpRequest) -> HttpResponse:
        answer = get_response(request)
        if request.method == "HEAD":
            # gunicorn warns of a body in an answer to HEAD, and Zappa sends it.
            answer.content = b""
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        if request.path_info in OPERATORS:
            answer["Cross-Origin-Resource-Policy"] = "same-origin"
        else:
            answer["Cross-Origin-Resource-Policy"] = "cross-origin"
            if origins:
                _share(request, answer, origins)
        return answer

    return answer_with_headers


def _share(request: HttpRequest, answer: HttpResponse, origins: Sequence[str]) -> None:
    """Let pages of these origins read the answer: https://fetch.spec.whatwg.org/#http-cors-protocol"""
    # Pages also time an image that they load without CORS. Such a request has no Origin.
    answer["Timing-Allow-Origin"] = ", ".join(origins)
    allowed: str | None = "*"
    if "*" not in origins:
        patch_vary_headers(answer, ["Origin"])
        origin = request.headers.get("Origin")
        allowed = origin if origin in origins else None
    if allowed:
        answer["Access-Control-Allow-Origin"] = allowed
        if request.method == "OPTIONS":
            answer["Access-Control-Allow-Methods"] = answer.get("Allow", "GET, HEAD")
            answer["Access-Control-Allow-Headers"] = "*"
            answer["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)


class HostMiddleware(CommonMiddleware):
    """Compares the Host header with ALLOWED_HOSTS, as Django's own middleware does, except for probes."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        # AWS' load balancers and Kubernetes send the target's address. The answers do not depend on it.
        return None if request.path_info in PROBES else super().process_request(request)
