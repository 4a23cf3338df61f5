"""URL -> token -> spec -> pipeline -> answer; and the one map from an error to its HTTP status."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views import View

from shrinkmeister.conf import get_questions, get_tokens
from shrinkmeister.exceptions import (
    DriverError,
    OverloadError,
    ResolutionError,
    ShrinkmeisterError,
    SourceFormatError,
    SourceInvalidError,
    SourceMissingError,
    SourceNotAllowedError,
    SourceTooLargeError,
    SourceTooSlowError,
    SpecError,
    StorageBusyError,
    StorageDeniedError,
    StorageError,
    TokenError,
    TokenExpiredError,
)
from shrinkmeister.questions import EXAMINE
from shrinkmeister.results import get_results, lasting
from shrinkmeister.shared_cache import get_shared_cache
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.doctor import examine, remove
from shrinkmeister_server.metrics import exposition
from shrinkmeister_server.pipeline import thumbnail_url
from shrinkmeister_server.rendering import get_engine
from shrinkmeister_server.visits import visit_of

# The first that fits counts. What is said to the outside says nothing of the source.
STATUSES: dict[type[Exception], tuple[int, str]] = {
    TokenExpiredError: (410, "This URL has expired."),
    TokenError: (403, "This URL was not made by a client of this server."),
    SourceNotAllowedError: (403, "The image of this URL lies where this server may not read."),
    SourceMissingError: (404, "The image of this URL does not exist."),
    SourceTooLargeError: (413, "The image of this URL is too large."),
    # Not 503 or 504: another try would take as long, and those are repeated by themselves.
    SourceTooSlowError: (422, "The image of this URL takes too long to be made into this thumbnail."),
    SourceFormatError: (415, "The file of this URL is not an image of a known format."),
    SourceInvalidError: (422, "The image of this URL cannot be made into this thumbnail."),
    SpecError: (422, "This thumbnail cannot be made."),
    ResolutionError: (404, "This server does not make thumbnails in this resolution."),
    OverloadError: (503, "The server makes as many thumbnails as it can. Try again later."),
    DriverError: (503, "The shared cache failed. Try again later."),
    StorageBusyError: (503, "The storage of images is busy. Try again later."),
    StorageDeniedError: (502, "The storage of images does not let this server in; its log says more."),
    StorageError: (502, "The storage of images failed. Try again."),
    ShrinkmeisterError: (500, "The server failed."),
    ImproperlyConfigured: (500, "The server is not set up rightly; its log says more."),
}


# After which what these errors tell of may be over.
RETRY_SECONDS = 10
PASSING = (OverloadError, DriverError, StorageError)


class ReadOnlyView(View):
    """GET, HEAD and OPTIONS; others get an answer like all errors."""

    http_method_names = ["get", "head", "options"]

    def http_method_not_allowed(
        self, request: HttpRequest, *args: object, **kwargs: object
    ) -> HttpResponse:
        answer = _answer(request, 405, "This server only answers GET and HEAD.")
        answer["Allow"] = "GET, HEAD, OPTIONS"
        return answer


class ThumbnailView(ReadOnlyView):
    """`GET` and `HEAD /<token>[@2x].<ext>`: makes the thumbnail if it has to, and redirects to it."""

    def get(
        self, request: HttpRequest, token: str, extension: str, resolution: str | None = None
    ) -> HttpResponse:
        visit = visit_of(request)
        visit.thumbnail = True
        try:
            spec = visit.spec = get_tokens().open(token)
            if extension != spec.extension:
                raise TokenError("the token's thumbnail has another extension")
            url = thumbnail_url(spec, resolution, visit.timing)
        except (ShrinkmeisterError, ImproperlyConfigured) as error:
            return failure(request, error)
        answer = HttpResponseRedirect(url)
        answer["Cache-Control"] = f"public, max-age={_max_age(url)}"
        answer["Server-Timing"] = visit.timing.header()
        return answer


class HealthView(ReadOnlyView):
    """`GET /healthz`: whether shared cache, storage of thumbnails and engine work; 200 or 503."""

    def get(self, request: HttpRequest) -> HttpResponse:
        checks: dict[str, Callable[[], object]] = {
            "cache": lambda: get_shared_cache().check(),
            "bucket": lambda: get_results().check(),
            "engine": get_engine,
        }
        health = {}
        failed = []
        for part, check in checks.items():
            try:
                check()
                health[part] = "ok"
            except (ShrinkmeisterError, ImproperlyConfigured) as error:
                failed.append(f"{part}: {error}")
                health[part] = "failed"
        if failed:
            visit_of(request).failed("Unhealthy", "; ".join(failed))
        answer = JsonResponse(health, status=503 if failed else 200)
        answer["Cache-Control"] = "no-store"
        return answer


class DoctorView(ReadOnlyView):
    """`GET /doctor/<question>`: what `manage.py shrinkmeister doctor` of a site asks, sealed both ways."""

    def get(self, request: HttpRequest, question: str) -> HttpResponse:
        visit = visit_of(request)
        try:
            opened, known = get_questions().open(question)
            found = examine(opened, known) if opened.ask == EXAMINE else remove(opened, known)
        except (ShrinkmeisterError, ImproperlyConfigured) as error:
            return failure(request, error)
        visit.timing.outcome = "examined"
        if failed := "; ".join(filter(None, (found.cache.error, found.bucket.error))):
            visit.failed("Unhealthy", failed)
        answer = HttpResponse(get_questions().seal_answer(found), content_type="text/plain")
        answer["Cache-Control"] = "no-store"
        return answer


class MetricsView(ReadOnlyView):
    """`GET /metrics`: what is counted for Prometheus; 404 without THUMBNAIL_METRICS."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if not get_server_config().metrics:
            return not_found(request)
        text, content_type = exposition(getattr(settings, "PROMETHEUS_MULTIPROC_DIR", None))
        answer = HttpResponse(text, content_type=content_type)
        answer["Cache-Control"] = "no-store"
        return answer


def failure(request: HttpRequest, error: Exception) -> HttpResponse:
    """An error as short text, or as JSON for those who ask for it; never cached."""
    status, sentence = next(answer for kind, answer in STATUSES.items() if isinstance(error, kind))
    visit_of(request).fail(error)
    answer = _answer(request, status, sentence)
    if isinstance(error, PASSING) and not isinstance(error, StorageDeniedError):
        answer["Retry-After"] = str(RETRY_SECONDS)
    return answer


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    visit_of(request).fail(exception)
    return _answer(request, 400, "This server does not answer to such a request.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 404, "Nothing is here.")


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(request, 500, "The server failed.")


def _answer(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    answer: HttpResponse
    if request.get_preferred_type(["text/plain", "application/json"]) == "application/json":
        answer = JsonResponse({"status": status, "error": sentence}, status=status)
    else:
        answer = HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    return answer


def _max_age(url: str) -> int:
    """Seconds: few, since the target may one day go, and less than a signed target works."""
    most = get_server_config().redirect_max_age
    return most if lasting(url) else min(most, get_results().url_lifetime // 2)
