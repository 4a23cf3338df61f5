"""URL -> token -> spec -> pipeline -> answer; and the one map from an error to its HTTP status."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, UnreadablePostError
from django.utils.cache import patch_vary_headers
from django.views import View

from shrinkmeister.cache.shared_cache import MakerState
from shrinkmeister.conf import get_config, get_questions
from shrinkmeister.doctor.messages import EXAMINE
from shrinkmeister.exceptions import (
    BatchError,
    BatchLengthError,
    BatchTooLargeError,
    DriverError,
    OutOfTimeError,
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
from shrinkmeister.protocol.lazy_urls import Link
from shrinkmeister.protocol.spec import CONTENT_TYPES, ThumbnailSpec
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import lasting
from shrinkmeister_server.batches import Batch, max_body
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.doctor import examine, remove
from shrinkmeister_server.health import get_health
from shrinkmeister_server.limiter import get_gate
from shrinkmeister_server.observability.access_log import RequestLog, visit_of
from shrinkmeister_server.observability.metrics import exposition
from shrinkmeister_server.pipeline import StoredThumbnail, tell, thumbnail

JSON = "application/json"
# Which has no such parameter; but libraries send it.
JSON_AND_CHARSET = "application/json; charset=utf-8"

# The first that fits counts. What is said to the outside says nothing of the source; None for what the
# error says itself, which is of the request alone.
STATUSES: dict[type[Exception], tuple[int, str | None]] = {
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
    BatchTooLargeError: (413, None),
    BatchLengthError: (411, None),
    BatchError: (400, None),
    # Nothing has failed.
    OutOfTimeError: (202, "There was no time to make this thumbnail; its own URL makes it."),
    OverloadError: (503, "The server makes as many thumbnails as it can. Try again later."),
    DriverError: (503, "The shared cache failed. Try again later."),
    StorageBusyError: (503, "The storage of images is busy. Try again later."),
    StorageDeniedError: (502, "The storage of images does not let this server in; its log says more."),
    StorageError: (502, "The storage of images failed. Try again."),
    ImproperlyConfigured: (500, "The server is not set up rightly; its log says more."),
    ShrinkmeisterError: (500, "The server failed."),
    Exception: (500, "The server failed."),
}
# The others are told of with their traceback.
EXPECTED = (ShrinkmeisterError, ImproperlyConfigured)


# After which what these errors tell of may be over.
RETRY_SECONDS = 10
PASSING = (OverloadError, DriverError, StorageError)


# Of a Content-Length.
MOST_DIGITS = 18

# The resolution and the spec of a text of a batch; or why it has none.
Opened = tuple[str | None, ThumbnailSpec | TokenError]


class PoliteView(View):
    """Other methods get an answer like all errors."""

    def http_method_not_allowed(
        self, request: HttpRequest, *args: object, **kwargs: object
    ) -> HttpResponse:
        allowed = [method.upper() for method in self.http_method_names]
        answer = _answer(request, 405, f"This address only answers {' and '.join(allowed[:-1])}.")
        answer["Allow"] = ", ".join(allowed)
        return answer


class ReadOnlyView(PoliteView):
    http_method_names = ["get", "head", "options"]


class ThumbnailView(ReadOnlyView):
    """`GET` and `HEAD /<token>[@2x].<ext>`: makes the thumbnail if it has to, and redirects to it.

    Whoever rather takes JSON is told its URL and size.
    """

    def get(
        self, request: HttpRequest, token: str, extension: str, resolution: str | None = None
    ) -> HttpResponse:
        visit = visit_of(request)
        visit.thumbnail = True
        answer: HttpResponse
        try:
            spec = visit.spec = Link(token, extension, resolution).open()
            stored = thumbnail(spec, resolution, visit.timing)
            url = stored.url(resolution)
            if _prefers_json(request, CONTENT_TYPES[spec.format]):
                answer, scope = JsonResponse(_fields(stored, url)), "private"
            else:
                answer, scope = HttpResponseRedirect(url), "public"
        except EXPECTED as error:
            return failure(request, error)
        # A CDN that does not heed Vary would show the JSON as an image; those keep nothing that is private.
        answer["Cache-Control"] = f"{scope}, max-age={_max_age(url)}" if stored.settled else "no-store"
        patch_vary_headers(answer, ["Accept"])
        answer["Server-Timing"] = visit.timing.header()
        return answer


class BatchView(PoliteView):
    """`POST /thumbnails`: those of a page, as JSON; of each that is not made in time that it is not."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponse:
        visit, config = visit_of(request), get_server_config()
        try:
            body = _body(request, config.max_batch)
            batch = Batch.parse(body, config.max_batch, config.batch_seconds)
            with visit.timing.of("lookup"):
                links = [_opened(text) for text in batch.texts]
                told = iter(tell([spec for _, spec in links if isinstance(spec, ThumbnailSpec)]))
        except EXPECTED as error:
            return failure(request, error, json=True)
        with get_gate().batch() as may_make:
            return self._entries(visit, links, told, batch.seconds if may_make else 0)

    def _entries(
        self, visit: RequestLog, links: Sequence[Opened], told: Iterator[MakerState], seconds: float
    ) -> HttpResponse:
        visit.timing.outcome = "batch"
        end = time.monotonic() + seconds
        entries = []
        for resolution, spec in links:
            if isinstance(spec, TokenError):
                status, sentence = _status(spec)
                visit.refuse(spec, status)
                entries.append(_error(status, sentence))
                continue
            with visit.part() as part:
                try:
                    part.spec, more = spec, time.monotonic() < end
                    stored = thumbnail(spec, resolution, part.timing, next(told), more)
                    entries.append(_fields(stored, stored.url(resolution)))
                # Also what nobody thought of: the others are not to be lost with it, and its line has all.
                except Exception as error:
                    part.fail(error)
                    part.status, sentence = _status(error)
                    entries.append(_error(part.status, sentence))
                    if not isinstance(error, EXPECTED):
                        part.exception = error
        answer = JsonResponse({"thumbnails": entries})
        answer["Cache-Control"] = "no-store"
        answer["Server-Timing"] = visit.timing.header()
        return answer


class LivenessView(ReadOnlyView):
    """`GET /livez`: 200 as long as this process answers; asks neither cache nor bucket nor engine."""

    def get(self, request: HttpRequest) -> HttpResponse:
        answer = HttpResponse("ok\n", content_type="text/plain")
        answer["Cache-Control"] = "no-store"
        return answer


class HealthView(ReadOnlyView):
    """`GET /healthz`: whether shared cache, storage of thumbnails and engine work; 200 or 503."""

    def get(self, request: HttpRequest) -> HttpResponse:
        report = get_health().report()
        if report.failures:
            visit_of(request).failed("Unhealthy", "; ".join(report.failures))
        answer = JsonResponse(dict(report.parts), status=503 if report.failures else 200)
        answer["Cache-Control"] = "no-store"
        return answer


class DoctorView(ReadOnlyView):
    """`GET /doctor/<question>`: what `manage.py shrinkmeister doctor` of a site asks, sealed both ways."""

    def get(self, request: HttpRequest, question: str) -> HttpResponse:
        visit = visit_of(request)
        try:
            opened, known = get_questions().open(question)
            found = examine(opened, known) if opened.ask == EXAMINE else remove(opened, known)
        except EXPECTED as error:
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


def failure(request: HttpRequest, error: Exception, json: bool = False) -> HttpResponse:
    """An error as short text, or as JSON for those who ask for it; never cached."""
    status, sentence = _status(error)
    visit_of(request).fail(error)
    answer = _answer(request, status, sentence, json)
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


def _status(error: Exception) -> tuple[int, str]:
    """And a sentence for whoever has asked."""
    status, sentence = next(answer for kind, answer in STATUSES.items() if isinstance(error, kind))
    return status, sentence or str(error)


def _answer(request: HttpRequest, status: int, sentence: str, json: bool = False) -> HttpResponse:
    answer: HttpResponse
    if json or _prefers_json(request, "text/plain"):
        answer = JsonResponse(_error(status, sentence), status=status)
    else:
        answer = HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    return answer


def _error(status: int, sentence: str) -> dict[str, Any]:
    return {"status": status, "error": sentence}


def _fields(stored: StoredThumbnail, url: str) -> dict[str, Any]:
    """url: at the resolution that was asked for"""
    return {
        "url": url,
        "width": stored.record.width,
        "height": stored.record.height,
        "format": stored.spec.format,
        "resolutions": {one: stored.url(one) for one in get_config().resolutions},
        "expires": _expires(stored, url),
    }


def _expires(stored: StoredThumbnail, url: str) -> int | None:
    if not stored.settled:
        return int(time.time()) + RETRY_SECONDS
    return None if lasting(url) else int(time.time()) + get_thumbnail_storage().url_lifetime // 2


def _prefers_json(request: HttpRequest, other: str) -> bool:
    """other: the content type that it would be else"""
    return request.get_preferred_type([other, JSON, JSON_AND_CHARSET]) in (JSON, JSON_AND_CHARSET)


def _body(request: HttpRequest, most: int) -> bytes:
    """That of a batch of so many thumbnails. Raises BatchError."""
    limit = max_body(most)
    length = request.headers.get("Content-Length", "")
    # Django reads no other: https://www.rfc-editor.org/rfc/rfc9112#name-chunked-transfer-coding
    if not (length.isascii() and length.isdecimal()):
        raise BatchLengthError("The request has no Content-Length, without which no body is read.")
    # Python reads no number of thousands of digits.
    if len(length) > MOST_DIGITS or int(length) > limit:
        raise BatchTooLargeError(f"The body has more than {limit} bytes, for {most} thumbnails at most.")
    try:
        return request.body
    except UnreadablePostError as error:
        raise BatchError("The body has not come to its end.") from error


def _opened(text: str) -> Opened:
    try:
        link = Link.parse(text)
        return link.resolution, link.open()
    except TokenError as error:
        return None, error


def _max_age(url: str) -> int:
    """Seconds: few, since the target may one day go, and less than a signed target works."""
    most = get_server_config().redirect_max_age
    return most if lasting(url) else min(most, get_thumbnail_storage().url_lifetime // 2)
