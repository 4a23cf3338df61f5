"""The access log: one line and one count for each request, filled by the view that answers it.

    302 made 41.7ms GET source=7dzsbhyq... key=4nmm2zhv... lookup=0.6 wait=0.4 fetch=9.8 decode=21.9 ...
    404 SourceMissingError 12.0ms GET source=7dzsbhyq... key=4nmm2zhv... code=source-missing ...: the ...

A line contains digests of a token's content, and never the path or the token itself.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse

from shrinkmeister.conf.credentials import described, is_safe
from shrinkmeister.error_policy import CLIENT_GONE, UNEXPECTED, code_of, policy_of
from shrinkmeister.protocol.keys import digest
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.observability.timing import Timing

logger = logging.getLogger(__name__)

# Load balancers and orchestrators ask for these, with a machine's own address as the Host.
PROBES = frozenset({"/livez", "/healthz"})
# Machines of the operator ask for these again and again, so that only failures are logged.
OPERATORS = PROBES | {"/metrics"}
# The attribute of a request that holds its RequestLog.
REQUEST_LOG = "_shrinkmeister_request_log"
# A client may choose these parts of a line: its method, and an error message that quotes its Host.
MAX_METHOD = 16
MAX_MESSAGE = 1000


@dataclass
class RequestLog:
    """What the server knows about a request.

    spec       content of its token; None if the token is invalid
    thumbnail  whether it asks for a thumbnail. Robots ask for other addresses, which are only INFO
    failure    name of what prevented the answer: the error's class, "Unhealthy" or "Unfinished"
    code       code of a failure, also of one that the doctor has found
    message    text of that failure, which does not name the source
    exception  an unexpected error, which is logged with its traceback
    status     of the answer, or of one thumbnail of a batch
    parts      one log for each thumbnail of a batch
    refused    one log for each text of a batch that is an invalid token
    """

    timing: Timing = field(default_factory=Timing)
    spec: ThumbnailSpec | None = None
    thumbnail: bool = False
    failure: str | None = None
    code: str = ""
    message: str = ""
    exception: Exception | None = None
    status: int = 200
    parts: list["RequestLog"] = field(default_factory=list)
    refused: list["RequestLog"] = field(default_factory=list)

    def refuse(self, error: Exception) -> None:
        """Count an invalid token of a batch. The batch's own line reports all of them.

        With a line for each, one request without a token could write as many lines as a batch may have.
        """
        part = RequestLog()
        part.fail(error)
        self.refused.append(part)
        self.thumbnail = True
        self.message = f"{len(self.refused)} tokens are invalid; the last one: {part.message}"

    @property
    def outcome(self) -> str:
        return self.failure or self.timing.outcome or "-"

    def fail(self, error: Exception, code: str | None = None) -> None:
        self.status = policy_of(error).status
        self.failed(type(error).__name__, code or code_of(error), described(error))
        if self.code == UNEXPECTED:
            self.exception = error

    def failed(self, name: str | None, code: str, message: str) -> None:
        """Note a failure. name: its outcome; None keeps the outcome of the request"""
        self.failure, self.code, self.message = name, code, _as_one_line(message, MAX_MESSAGE)

    def fields(self, method: str) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "status": self.status,
            "outcome": self.outcome,
            "milliseconds": round(self.timing.total() * 1000, 1),
            "method": method,
            "source": digest(self.spec.source.canonical) if self.spec else "-",
            "key": digest(self.spec.canonical) if self.spec else "-",
            "phases": {phase: round(one * 1000, 1) for phase, one in self.timing.seconds.items()},
        }
        failure = {"code": self.code, "error": self.message}
        return fields | {name: text for name, text in failure.items() if text}

    def level(self) -> int:
        if self.status >= 500:
            return logging.ERROR
        # Browsers close connections whenever a visitor scrolls on or leaves.
        if self.status == CLIENT_GONE:
            return logging.INFO
        failed = self.status >= 400 or self.failure or self.refused
        return logging.WARNING if self.thumbnail and failed else logging.INFO


def request_log_of(request: HttpRequest) -> RequestLog:
    found: RequestLog = request.__dict__.setdefault(REQUEST_LOG, RequestLog())
    return found


class AccessLogMiddleware:
    """Logs and counts each request. It is the outermost entry of MIDDLEWARE."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._count = None
        if get_server_config().metrics:
            # At start, so that a server without the library does not start.
            from shrinkmeister_server.observability.metrics import count

            self._count = count

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_log = request_log_of(request)
        answer = self._get_response(request)
        request_log.status = answer.status_code
        logs = [*request_log.parts, request_log]
        if self._count:
            for one in request_log.refused + logs:
                self._count(one.outcome, one.code, one.status, one.timing)
        for one in logs:
            if one.status >= 400 or request.path_info not in OPERATORS:
                _write(one, _as_one_line(str(request.method), MAX_METHOD))
        return answer

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Log what a view raises, and let Django answer it."""
        request_log_of(request).fail(exception)


def _write(request_log: RequestLog, method: str) -> None:
    level = request_log.level()
    if logger.isEnabledFor(level):
        fields = request_log.fields(method)
        # A traceback contains the texts of all errors that led to it.
        exception = request_log.exception
        shown = exception if exception and is_safe(exception) else None
        logger.log(level, _text(fields), exc_info=shown, extra={"request_log": fields})


def _as_one_line(text: str, max_length: int) -> str:
    """Return a text that forges no line: an engine's message, or an option in it, may have several."""
    cut = text if len(text) <= max_length else f"{text[:max_length]}..."
    return "".join(character if character.isprintable() else " " for character in cut)


def _text(fields: dict[str, Any]) -> str:
    head = "{status} {outcome} {milliseconds}ms {method} source={source} key={key}".format_map(fields)
    code = f" code={fields['code']}" if "code" in fields else ""
    phases = "".join(f" {phase}={milliseconds}" for phase, milliseconds in fields["phases"].items())
    error = f": {fields['error']}" if "error" in fields else ""
    return f"{head}{code}{phases}{error}"
