"""One GET request as a browser sends it."""

import json
import re
import socket
import time
from concurrent.futures import Future
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from ipaddress import ip_address
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import shrinkmeister

AGENT = f"shrinkmeister/{shrinkmeister.__version__} doctor"
JSON = "application/json"
MAX_BYTES = 50_000_000  # of a body

# The error code in an answer of S3.
CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,80})</Code>")

UNREACHABLE_HINT = (
    "Check that the server runs, and that THUMBNAIL_SERVER_URL has its scheme, host and port: http:// "
    "without TLS, a name in DNS, a certificate that this machine trusts, no firewall between them. "
    "--timeout waits longer."
)


class Unreachable(Exception):  # noqa: N818 - the doctor reports it as a finding
    """There was no answer, or one that a browser does not show. status: of that answer"""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


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

    timeout    seconds until the whole answer has come
    redirects  whether to follow them
    """
    # urllib would also open files.
    if not url.startswith(("http://", "https://")):
        raise Unreachable(f"{url.partition(':')[0]}: is not a scheme of the web")
    answer: Future[Response] = Future()

    def send() -> None:
        try:
            answer.set_result(
                _send(Request(url, headers={"User-Agent": AGENT, **headers}), timeout, redirects)
            )
        except Exception as error:  # `result` raises it again
            answer.set_exception(error)

    # urllib's timeout applies to each read, and not to DNS. So the request has a thread of its own, which
    # ends with the process if it is still waiting.
    Thread(target=send, daemon=True).start()
    try:
        return answer.result(timeout)
    except (OSError, HTTPException, ValueError, OverflowError) as error:
        # urllib wraps errors that happen before an answer begins.
        cause = error.reason if isinstance(error, URLError) else error
        timed_out = isinstance(cause, TimeoutError)
        said = f"no answer in {timeout:g} s" if timed_out else f"{cause}"[:200].strip()
        raise Unreachable(said or type(cause).__name__) from error


def load_image(url: str, timeout: float, content_type: str, body: bytes | None = None) -> Response:
    """Load an image that needs this type and, unless None, these bytes. Raises Unreachable."""
    response = get(url, timeout, redirects=True)
    if response.status != 200:
        code = CODE.search(response.body)
        message = f"the answer is {response.status}" + (f" {code[1].decode()}" if code else "")
        raise Unreachable(message, response.status)
    if body is not None and response.body != body:
        raise Unreachable("it is not what the server has stored")
    if response.content_type != content_type:
        raise Unreachable(f"its type is {response.content_type!r}, not {content_type!r}")
    return response


def is_private(host: str) -> bool:
    """Return whether all addresses of a host are private, so that browsers elsewhere do not reach it."""
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return not any(ip_address(str(address[0]).partition("%")[0]).is_global for *_, address in found)


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
