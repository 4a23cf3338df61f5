"""One GET as a browser sends it, and what can go wrong before there is an answer, by name."""

import socket
import ssl
import time
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from threading import Thread
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

import shrinkmeister

AGENT = f"shrinkmeister/{shrinkmeister.__version__} doctor"
# Of an answer; what has more is none that was asked for.
MAX_BYTES = 50_000_000


# "cut" is a connection that was closed without an answer, "garbage" an answer that is not HTTP.
Reason = Literal["name", "refused", "certificate", "tls", "timeout", "cut", "garbage", "network"]


class Unreachable(Exception):  # noqa: N818 - a finding, and told as one
    """No answer came. reason: why, in a word; the message begins after the name of the server."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Reply:
    """sent, received  Unix times of this machine"""

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
        """Without its parameters; "" where there is none."""
        return str(self.headers.get("Content-Type", "")).partition(";")[0].strip().lower()

    @property
    def date(self) -> float | None:
        """Unix time that the header Date says."""
        try:
            return parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (TypeError, ValueError):
            return None


def get(url: str, timeout: float, redirects: bool = False, **headers: str) -> Reply:
    """Any answer, whatever its status. Raises Unreachable.

    timeout    seconds until all of it is here
    redirects  whether they are followed
    """
    # The library opens files too, and more.
    if not url.startswith(("http://", "https://")):
        raise Unreachable("garbage", f"{url.partition(':')[0]}: is no scheme of the web")
    opener = build_opener() if redirects else build_opener(_NoRedirects)
    request = Request(url, headers={"User-Agent": AGENT, **headers})
    came: list[Reply | Exception] = []
    # The library's own timeout is for each step, of which looking up a name is none, and a server that
    # speaks slowly makes many. A thread that is left behind ends with the process.
    thread = Thread(target=_ask, args=(opener, request, timeout, came), daemon=True)
    thread.start()
    thread.join(timeout)
    match came:
        case [Reply() as reply]:
            return reply
        case [Exception() as error]:
            raise _unreachable(error, timeout) from error
    raise _unreachable(TimeoutError(), timeout)


def _ask(opener: OpenerDirector, request: Request, timeout: float, came: list[Reply | Exception]) -> None:
    """Puts into `came` what comes."""
    sent = time.time()
    try:
        try:
            response = opener.open(request, timeout=timeout)
        except HTTPError as error:
            response = error
        with response:
            body = response.read(MAX_BYTES + 1)
            if len(body) > MAX_BYTES:
                raise HTTPException(f"an answer of more than {MAX_BYTES:,} bytes")
            came.append(Reply(response.url, response.status, response.headers, body, sent, time.time()))
    # Raised again where the answer is waited for.
    except Exception as error:
        came.append(error)


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _unreachable(error: Exception, timeout: float) -> Unreachable:
    # urllib wraps what happens before there is an answer, and nothing after that.
    cause = error.reason if isinstance(error, URLError) else error
    match cause:
        case socket.gaierror():
            return Unreachable("name", f"its name cannot be resolved: {cause.strerror}")
        case UnicodeError() | OverflowError():
            return Unreachable("name", "no host can have such a name or port")
        case ConnectionRefusedError():
            return Unreachable("refused", "nobody listens there: the connection was refused")
        case ssl.SSLCertVerificationError():
            return Unreachable("certificate", f"its certificate is not valid: {cause.verify_message}")
        case ssl.SSLError():
            return Unreachable("tls", f"it does not speak TLS as it should: {cause.reason}")
        case TimeoutError():
            return Unreachable("timeout", f"no answer came in {timeout:g} s")
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return Unreachable("cut", "the connection was closed without an answer")
        case HTTPException() | ValueError():
            return Unreachable("garbage", f"what answers does not speak HTTP: {cause!r:.100}")
        case OSError():
            return Unreachable("network", f"the connection failed: {cause}")
    raise error
