"""One line in the log for each request, and one count; whoever answers it fills its Visit.

    302 made 41.7ms GET source=7dzsbhyq... key=4nmm2zhv... lookup=0.6 wait=0.4 fetch=9.8 decode=21.9 ...
    404 SourceMissingError 12.0ms GET source=7dzsbhyq... key=4nmm2zhv... ...: the bucket has no such object

Neither the path nor anything else of a token that is not a digest is ever in it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse

from shrinkmeister.conf.credentials import described, is_safe
from shrinkmeister.protocol.keys import digest
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.observability.metrics import get_request_metrics
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.probes import PROBES

logger = logging.getLogger(__name__)

# Asked by machines again and again, for those who run the server: told of when they fail.
OPERATORS = PROBES | {"/metrics"}
# On a request.
VISIT = "_shrinkmeister_visit"
# Characters of a line that a client may choose: its method, and an error, which may quote its Host.
MAX_METHOD = 16
MAX_MESSAGE = 1000


@dataclass
class RequestLog:
    """What is known of a request.

    spec       what its token holds; None if it did not open
    thumbnail  whether it asks for one. What does not is mostly of robots, and no warning
    failure    the name of what kept it from its thumbnail
    message    what that says; it does not name the source
    exception  one that nobody thought of, to be told with its traceback
    status     of a part, which has no answer of its own
    parts      the thumbnails of a batch, each told of as if it had been asked for alone
    refused    how many of them did not open
    logged     whether it has a line of its own
    """

    timing: Timing = field(default_factory=Timing)
    spec: ThumbnailSpec | None = None
    thumbnail: bool = False
    failure: str | None = None
    message: str = ""
    exception: Exception | None = None
    status: int = 200
    parts: list["RequestLog"] = field(default_factory=list)
    refused: int = 0
    logged: bool = True

    @contextmanager
    def part(self) -> "Iterator[RequestLog]":
        """Another one, for the length of the block."""
        part = RequestLog(thumbnail=True)
        self.parts.append(part)
        try:
            yield part
        finally:
            part.timing.stop()

    def refuse(self, error: Exception, status: int) -> None:
        """Count a text of a batch that does not open; the batch's own line reports all of them.

        A line for each would let one request without a token write as many as a batch may have.
        """
        part = RequestLog(thumbnail=True, status=status, logged=False)
        part.fail(error)
        self.parts.append(part)
        self.refused += 1
        self.thumbnail = True
        self.message = f"{self.refused} texts do not open; the last one: {part.message}"

    @property
    def outcome(self) -> str:
        return self.failure or self.timing.outcome or "-"

    def fail(self, error: Exception) -> None:
        self.failed(type(error).__name__, described(error))

    def failed(self, name: str, message: str) -> None:
        self.failure, self.message = name, _line(message, MAX_MESSAGE)

    def fields(self, method: str) -> dict[str, Any]:
        """Of its line."""
        fields: dict[str, Any] = {
            "status": self.status,
            "outcome": self.outcome,
            "milliseconds": round(self.timing.total() * 1000, 1),
            "method": method,
            "source": digest(self.spec.source.canonical()) if self.spec else "-",
            "key": digest(self.spec.canonical()) if self.spec else "-",
            "phases": {phase: round(one * 1000, 1) for phase, one in self.timing.seconds.items()},
        }
        return {**fields, "error": self.message} if self.message else fields

    def level(self) -> int:
        if self.status >= 500:
            return logging.ERROR
        return logging.WARNING if self.thumbnail and (self.status >= 400 or self.message) else logging.INFO


def visit_of(request: HttpRequest) -> RequestLog:
    visit: RequestLog = request.__dict__.setdefault(VISIT, RequestLog())
    return visit


class VisitMiddleware:
    """The outermost of MIDDLEWARE."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        # Here, so that a server does not start without what it needs for them.
        self._metrics = get_request_metrics() if get_server_config().metrics else None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        visit = visit_of(request)
        answer = self._get_response(request)
        visit.status = answer.status_code
        for one in (*visit.parts, visit):
            if self._metrics:
                self._metrics.answered(one.outcome, one.status, one.timing)
            if one.logged and (one.status >= 400 or request.path_info not in OPERATORS):
                self._tell(one, _line(str(request.method), MAX_METHOD))
        return answer

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Django calls it for what a view raises; answering is left to it."""
        visit = visit_of(request)
        visit.fail(exception)
        visit.exception = exception

    def _tell(self, visit: RequestLog, method: str) -> None:
        level = visit.level()
        if logger.isEnabledFor(level):
            fields = visit.fields(method)
            # A traceback has the texts of all errors behind the first one.
            shown = visit.exception if visit.exception and is_safe(visit.exception) else None
            logger.log(level, _text(fields), exc_info=shown, extra={"visit": fields})


def _line(text: str, most: int) -> str:
    """Return the text as part of one line: an engine's message has several, or an option's text in it."""
    cut = text if len(text) <= most else f"{text[:most]}..."
    return "".join(character if character.isprintable() else " " for character in cut)


def _text(fields: dict[str, Any]) -> str:
    phases = "".join(f" {phase}={milliseconds}" for phase, milliseconds in fields["phases"].items())
    error = f": {fields['error']}" if "error" in fields else ""
    head = "{status} {outcome} {milliseconds}ms {method} source={source} key={key}".format_map(fields)
    return f"{head}{phases}{error}"
