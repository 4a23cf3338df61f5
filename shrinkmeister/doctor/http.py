"""One GET request as a browser sends it, and what to change if no answer comes."""

import json
import socket
import ssl
import time
from concurrent.futures import Future
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import shrinkmeister

AGENT = f"shrinkmeister/{shrinkmeister.__version__} doctor"
MAX_BYTES = 50_000_000  # of a body

# What to change if no answer comes from THUMBNAIL_SERVER_URL. The first class that fits decides, so a
# subclass comes before its base class.
HINTS: dict[type[Exception], str] = {
    **dict.fromkeys(
        (socket.gaierror, UnicodeError, OverflowError),
        "Correct the host in THUMBNAIL_SERVER_URL, or add it to DNS.",
    ),
    ConnectionRefusedError: "Start the server, or correct host and port in THUMBNAIL_SERVER_URL.",
    ssl.SSLCertVerificationError: "Give the server a certificate for this name, by an authority that this "
    "machine trusts.",
    ssl.SSLError: "If this port has no TLS, write http:// or another port in THUMBNAIL_SERVER_URL.",
    TimeoutError: "Check that the server runs and that no firewall blocks it, or raise --timeout.",
    ConnectionError: "Check the server's log. If this port speaks TLS, write https:// in "
    "THUMBNAIL_SERVER_URL.",
    **dict.fromkeys(
        (HTTPException, ValueError),
        "Write the thumbnail server's address in THUMBNAIL_SERVER_URL, with https:// if it has TLS.",
    ),
    OSError: "Check the network between this machine and the server.",
}


class Unreachable(Exception):  # noqa: N818 - the doctor reports it as a finding
    """No answer came. `hint` is one of HINTS."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Response:
    """An answer with any status; `sent` and `received` are Unix times of this machine."""

    url: str
    status: int
    headers: Message
    body: bytes
    sent: float
    received: float

    @property
    def milliseconds(self) -> int:
        return round((self.received - self.sent) * 1000)

    @property
    def content_type(self) -> str:
        """The media type without parameters, or ""."""
        return str(self.headers.get("Content-Type", "")).partition(";")[0].strip().lower()

    @property
    def date(self) -> float | None:
        """The Unix time in the header Date, or None."""
        try:
            return parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (TypeError, ValueError):
            return None

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the body, or {} if the body is something else."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def error(self) -> str:
        """The sentence of the thumbnail server's own error, or "" for any other answer."""
        fields = self.json()
        sentence = fields.get("error") if fields.get("status") == self.status else ""
        return sentence if isinstance(sentence, str) else ""


def get(url: str, timeout: float, redirects: bool = False, **headers: str) -> Response:
    """Return the answer to one GET. Raises Unreachable.

    timeout    seconds until the whole answer is here
    redirects  whether to follow them
    """
    # urllib would also open files.
    if not url.startswith(("http://", "https://")):
        raise Unreachable(f"{url.partition(':')[0]}: is not a scheme of the web", HINTS[ValueError])
    answer: Future[Response] = Future()

    def send() -> None:
        try:
            answer.set_result(
                _send(Request(url, headers={"User-Agent": AGENT, **headers}), timeout, redirects)
            )
        except Exception as error:  # `result` raises it again
            answer.set_exception(error)

    # urllib's timeout is for each read, and not for DNS. A thread that is left ends with the process.
    Thread(target=send, daemon=True).start()
    try:
        return answer.result(timeout)
    except Exception as error:
        # urllib wraps errors that happen before an answer begins.
        cause = error.reason if isinstance(error, URLError) else error
        hint = next((hint for kind, hint in HINTS.items() if isinstance(cause, kind)), None)
        if hint is None:
            raise
        timed_out = isinstance(cause, TimeoutError)
        said = f"no answer in {timeout:g} s" if timed_out else f"{cause}"[:200].strip()
        raise Unreachable(said or type(cause).__name__, hint) from error


class NotLoaded(Exception):  # noqa: N818 - the doctor reports it as a finding
    """A browser does not show the image; `response` is None if no answer came."""

    def __init__(self, message: str, response: Response | None = None) -> None:
        super().__init__(message)
        self.response = response


def load_image(url: str, timeout: float, content_type: str, body: bytes | None = None) -> Response:
    """Load an image that needs this type and, unless None, these bytes. Raises NotLoaded."""
    try:
        response = get(url, timeout, redirects=True)
    except Unreachable as error:
        raise NotLoaded(str(error)) from error
    if response.status != 200:
        raise NotLoaded(f"the answer is {response.status}", response)
    if body is not None and response.body != body:
        raise NotLoaded("it is not what the server has stored", response)
    if response.content_type != content_type:
        raise NotLoaded(f"its type is {response.content_type!r}, not {content_type!r}", response)
    return response


def _send(request: Request, timeout: float, redirects: bool) -> Response:
    opener = build_opener() if redirects else build_opener(_NoRedirects)
    sent = time.time()
    try:
        response = opener.open(request, timeout=timeout)
    except HTTPError as error:
        response = error
    with response:
        body = response.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise HTTPException(f"the answer has more than {MAX_BYTES:,} bytes")
        return Response(response.url, response.status, response.headers, body, sent, time.time())


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None
