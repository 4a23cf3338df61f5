"""The doors of the server: URL -> token -> spec -> pipeline -> answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, UnreadablePostError
from django.views import View

from shrinkmeister import exceptions as errors
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cache.coordination import MakerState
from shrinkmeister.conf import get_config, get_tokens
from shrinkmeister.doctor.messages import get_message_cipher
from shrinkmeister.error_policy import FAILED, RETRY_SECONDS, UNEXPECTED, code_of, policy_of
from shrinkmeister.protocol.spec import CONTENT_TYPES, ThumbnailSpec
from shrinkmeister.protocol.tokens import Link
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import lasting
from shrinkmeister_server.batches import max_body, parse_batch
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.disconnection import client_watch
from shrinkmeister_server.doctor import answer_to
from shrinkmeister_server.health import get_health
from shrinkmeister_server.limiter import get_limiter
from shrinkmeister_server.observability.access_log import RequestLog, request_log_of
from shrinkmeister_server.pipeline import thumbnail
from shrinkmeister_server.request import Request
from shrinkmeister_server.served import ServedThumbnail

# JSON has no charset parameter, but libraries send one: https://www.rfc-editor.org/rfc/rfc8259#section-11
JSON_TYPES = ("application/json", "application/json; charset=utf-8")
# The longest Content-Length that is read. Python refuses to read a number of thousands of digits.
MAX_LENGTH_DIGITS = 18

# The resolution and the spec of a text of a batch, or the error that explains why it has none.
OpenedText = tuple[str | None, ThumbnailSpec | errors.TokenError]


class PoliteView(View):
    """Answers errors, and methods that it does not have, as text or as JSON."""

    http_method_names = ["get", "head", "options"]
    only_json = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().dispatch(request, *args, **kwargs)
        except errors.ShrinkmeisterError as error:
            request_log_of(request).fail(error)
            answer = _error_answer(request, _error_of(error), self.only_json)
            if policy_of(error).retry:
                answer["Retry-After"] = str(RETRY_SECONDS)
            return answer

    def http_method_not_allowed(
        self, request: HttpRequest, *args: object, **kwargs: object
    ) -> HttpResponse:
        allowed = [method.upper() for method in self.http_method_names]
        sentence = f"This address answers only {' and '.join(allowed[:-1])}."
        answer = _error_answer(request, _error(405, "method-not-allowed", sentence))
        answer["Allow"] = ", ".join(allowed)
        return answer


class ThumbnailView(PoliteView):
    """`GET` and `HEAD /<token>[@2x].<ext>`: makes the thumbnail if it has to, and redirects to it.

    A client that prefers JSON gets the thumbnail's URL and size instead.
    """

    def get(
        self, request: HttpRequest, token: str, extension: str, resolution: str | None = None
    ) -> HttpResponse:
        request_log = request_log_of(request)
        request_log.thumbnail = True
        spec = request_log.spec = Link(token, extension, resolution).open(get_tokens())
        is_gone = client_watch(request.META)
        stored = thumbnail(Request(spec, request_log.timing, resolution, is_gone=is_gone))
        url = stored.url(resolution)
        answer: HttpResponse
        if _prefers_json(request, CONTENT_TYPES[spec.format]):
            answer, scope = JsonResponse(_fields(stored, url)), "private"
        else:
            answer, scope = HttpResponseRedirect(url), "public"
        # A CDN that ignores Vary would show the JSON as an image. Such CDNs do not keep private answers.
        answer["Cache-Control"] = f"{scope}, max-age={_max_age(url)}" if stored.settled else "no-store"
        answer["Vary"] = "Accept"
        answer["Server-Timing"] = request_log.timing.header()
        return answer


class BatchView(PoliteView):
    """`POST /thumbnails`: the thumbnails of a page as JSON. One that is not made in time has no URL."""

    http_method_names = ["post", "options"]
    only_json = True

    def post(self, request: HttpRequest) -> HttpResponse:
        request_log, config = request_log_of(request), get_server_config()
        body = _body(request, config.max_batch)
        texts, seconds = parse_batch(body, config.max_batch, config.batch_seconds)
        with request_log.timing.of("lookup"):
            links = [_opened(text) for text in texts]
            specs = [spec for _, spec in links if isinstance(spec, ThumbnailSpec)]
            # A batch of invalid tokens makes no round trip.
            found = get_shared_cache().coordination.look_up_all(specs, first=True) if specs else []
        with get_limiter().batch() as may_make:
            watch = client_watch(request.META)
            entries = _entries(request_log, links, iter(found), seconds if may_make else 0, watch)
        request_log.timing.outcome = "batch"
        answer = _uncached(JsonResponse({"thumbnails": entries}))
        answer["Server-Timing"] = request_log.timing.header()
        return answer


class LivenessView(PoliteView):
    """`GET /livez`: 200 as long as this process answers. Asks neither cache nor bucket nor engine."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return _uncached(HttpResponse("ok\n", content_type="text/plain"))


class HealthView(PoliteView):
    """`GET /healthz`: whether shared cache, storage of thumbnails and engine work; 200 or 503."""

    def get(self, request: HttpRequest) -> HttpResponse:
        report = get_health().report()
        failures = [f"{part}: {error}" for part, error in report.items() if error]
        if failures:
            request_log_of(request).failed("Unhealthy", "unhealthy", "; ".join(failures))
        parts = {part: "failed" if error else "ok" for part, error in report.items()}
        return _uncached(JsonResponse(parts, status=503 if failures else 200))


class DoctorView(PoliteView):
    """`GET /doctor/<question>`: answer `manage.py shrinkmeister doctor` of a site; both are encrypted."""

    def get(self, request: HttpRequest, question: str) -> HttpResponse:
        request_log = request_log_of(request)
        cipher = get_message_cipher()
        found = answer_to(*cipher.decrypt_question(question))
        request_log.timing.outcome = "examined"
        # The outcome stays "examined": the request was answered, and with a finding.
        if failed := "; ".join(filter(None, (found.cache_error, found.bucket_error))):
            request_log.failed(None, "unhealthy", failed)
        return _uncached(HttpResponse(cipher.encrypt_answer(found), content_type="text/plain"))


class MetricsView(PoliteView):
    """`GET /metrics`: the metrics for Prometheus; 404 without THUMBNAIL_METRICS."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if not get_server_config().metrics:
            return not_found(request)
        from shrinkmeister_server.observability.metrics import exposition

        text, content_type = exposition()
        return _uncached(HttpResponse(text, content_type=content_type))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    request_log_of(request).fail(exception, "bad-request")
    sentence = "This server does not answer to such a request."
    return _error_answer(request, _error(400, "bad-request", sentence))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _error_answer(request, _error(404, "not-found", "Nothing is here."))


def server_error(request: HttpRequest) -> HttpResponse:
    return _error_answer(request, _error(500, UNEXPECTED, FAILED))


def _entries(
    request_log: RequestLog,
    links: Sequence[OpenedText],
    states: Iterator[MakerState],
    seconds: float,
    is_gone: Callable[[], bool],
) -> list[dict[str, Any]]:
    end = time.monotonic() + seconds
    entries = []
    for resolution, spec in links:
        if isinstance(spec, errors.TokenError):
            entry = _error_of(spec)
            request_log.refuse(spec)
        else:
            part = RequestLog(spec=spec, thumbnail=True)
            request_log.parts.append(part)
            has_time = time.monotonic() < end
            wanted = Request(
                spec, part.timing, resolution, state=next(states), has_time=has_time, is_gone=is_gone
            )
            entry = _entry(part, wanted)
            part.timing.stop()
        entries.append(entry)
    return entries


def _entry(part: RequestLog, wanted: Request) -> dict[str, Any]:
    try:
        stored = thumbnail(wanted)
        return _fields(stored, stored.url(wanted.resolution))
    # A bug must not lose the other entries. The log line of this one has its traceback.
    except Exception as error:
        part.fail(error)
        return _error_of(error)


def _error_of(error: Exception) -> dict[str, Any]:
    policy = policy_of(error)
    return _error(policy.status, code_of(error), policy.answer or str(error))


def _error(status: int, code: str, sentence: str) -> dict[str, Any]:
    return {"status": status, "error": sentence, "code": code}


def _error_answer(request: HttpRequest, error: dict[str, Any], json: bool = False) -> HttpResponse:
    if json or _prefers_json(request, "text/plain"):
        return _uncached(JsonResponse(error, status=error["status"]))
    text = f"{error['error']}\n"
    return _uncached(HttpResponse(text, status=error["status"], content_type="text/plain; charset=utf-8"))


def _uncached(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "no-store"
    return answer


def _fields(stored: ServedThumbnail, url: str) -> dict[str, Any]:
    """Return the JSON of a thumbnail. url: in the resolution that the client asked for"""
    return {
        "url": url,
        "width": stored.record.width,
        "height": stored.record.height,
        "format": stored.spec.format,
        "resolutions": {one: stored.url(one) for one in get_config().resolutions},
        "expires": _expires(stored, url),
    }


def _expires(stored: ServedThumbnail, url: str) -> int | None:
    if not stored.settled:
        return int(time.time()) + RETRY_SECONDS
    return None if lasting(url) else int(time.time()) + get_thumbnail_storage().url_lifetime // 2


def _prefers_json(request: HttpRequest, other: str) -> bool:
    return _accepts_json_first(request.META.get("HTTP_ACCEPT"), other)


# Browsers send a few different headers, and parsing one takes as long as decrypting a token.
@lru_cache(maxsize=64)
def _accepts_json_first(accept: str | None, other: str) -> bool:
    """Return whether JSON precedes another type in an Accept header. None: there is no header"""
    request = HttpRequest()
    if accept is not None:
        request.META["HTTP_ACCEPT"] = accept
    return request.get_preferred_type([other, *JSON_TYPES]) in JSON_TYPES


def _body(request: HttpRequest, max_thumbnails: int) -> bytes:
    limit = max_body(max_thumbnails)
    length = request.headers.get("Content-Length", "")
    # Django reads no chunked body: https://www.rfc-editor.org/rfc/rfc9112#name-chunked-transfer-coding
    if not (length.isascii() and length.isdecimal()):
        raise errors.BatchLengthError("The request has no Content-Length, without which no body is read.")
    if len(length) > MAX_LENGTH_DIGITS or int(length) > limit:
        sentence = f"The body has more than {limit} bytes, the limit for {max_thumbnails} thumbnails."
        raise errors.BatchTooLargeError(sentence)
    try:
        return request.body
    except UnreadablePostError as error:
        raise errors.BatchError("The connection ended before the body did.") from error


def _opened(text: str) -> OpenedText:
    try:
        link = Link.parse(text)
        return link.resolution, link.open(get_tokens())
    except errors.TokenError as error:
        return None, error


def _max_age(url: str) -> int:
    """Return the max-age of a redirect: at most half of the seconds for which a signed URL works."""
    most = get_server_config().redirect_max_age
    return most if lasting(url) else min(most, get_thumbnail_storage().url_lifetime // 2)
