"""Questions to the thumbnail server, and findings for the answers that are not the server's."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from shrinkmeister.doctor.findings import Finding, ok, skipped, wrong
from shrinkmeister.doctor.http import Reason, Response, get
from shrinkmeister.doctor.messages import QUESTION_SECONDS, Answer, MessageCipher, Question
from shrinkmeister.exceptions import TokenError

# What to change if no answer comes from THUMBNAIL_SERVER_URL.
UNREACHABLE_HINTS: dict[Reason, str] = {
    "name": "Correct the host in THUMBNAIL_SERVER_URL, or add it to DNS.",
    "refused": "Start the server, or correct host and port in THUMBNAIL_SERVER_URL.",
    "certificate": "Give the server a certificate for this name, by an authority that this machine trusts.",
    "tls": "If this port has no TLS, write http:// or another port in THUMBNAIL_SERVER_URL.",
    "timeout": "Check that the server runs and that no firewall blocks it, or raise --timeout.",
    "cut": "Check the server's log. If this port speaks TLS, write https:// in THUMBNAIL_SERVER_URL.",
    "garbage": "Write the thumbnail server's address in THUMBNAIL_SERVER_URL, with https:// if it has TLS.",
    "network": "Check the network between this machine and the server.",
}
# What to change if something else answers there, by its status.
GATEWAY_HINT = (
    "A proxy, a load balancer or Lambda gave up: start the server, or find out why it takes so long."
)
STRANGER_HINTS = {
    404: "Write the server's address in THUMBNAIL_SERVER_URL, with its path. On an API Gateway the path is "
    "the stage: https://abc.execute-api.eu-central-1.amazonaws.com/production.",
    **dict.fromkeys((502, 503, 504), GATEWAY_HINT),
}
STRANGER_HINT = (
    "Correct THUMBNAIL_SERVER_URL, or what is in front of the server: a login page, a CDN, a firewall. 400 "
    "may mean that the URL has to begin with https://."
)
# What to change if the server refuses the question.
REFUSAL_HINTS = {
    400: "Add {url.hostname} to ALLOWED_HOST of the server.",
    404: "Install the site's version of Shrinkmeister on the server, or correct the path {url.path!r} of "
    "THUMBNAIL_SERVER_URL.",
}
REFUSAL_HINT = "The server's log has the reason; so has `python -m shrinkmeister_server check` there."
# Check, message and hint if site and server cannot decrypt each other's messages, by the server's status.
STRANGE_MESSAGES = {
    200: (
        "secret",
        "the answer does not come from a holder of the secret, or is old",
        "Find out what answers there. No CDN or proxy may cache answers below /doctor/.",
    ),
    403: (
        "secret",
        "the server does not know a secret of the site: it answers 403 for each lazy thumbnail",
        "Give site and server the same THUMBNAIL_SECRET_KEY, then restart both.",
    ),
    410: (
        "clock",
        f"the clocks of site and server differ by more than {QUESTION_SECONDS} s",
        "Set both clocks by NTP. Nothing else can be examined before.",
    ),
}


@dataclass(frozen=True)
class Reply:
    """The last response to a question."""

    response: Response
    question: Question  # as the client asked it last
    secret: int  # place of the site's secret that encrypted it


class DoctorClient:
    """Asks one server.

    url      THUMBNAIL_SERVER_URL
    secrets  how many the cipher has
    timeout  seconds for each answer
    """

    def __init__(self, url: str, cipher: MessageCipher, secrets: int, timeout: float) -> None:
        self.url = url
        self._cipher = cipher
        self._secrets = secrets
        self._timeout = timeout

    def get(self, path: str) -> Response:
        """Return the server's answer to a path. Raises Unreachable."""
        return get(f"{self.url}/{path}", self._timeout, Accept="application/json")

    def ask(self, question: Question) -> Reply:
        """Ask with each secret until the server knows one, in the server's time if that differs.

        Raises Unreachable.
        """
        for secret in range(self._secrets):
            response = self._send(question, secret)
            if response.status == 410 and server_error(response) and (response.date or 0) >= 1:
                question = replace(question, time=int(response.date or 0))
                response = self._send(question, secret)
            if response.status != 403 or not server_error(response):
                break
        return Reply(response, question, secret)

    def decrypt(self, reply: Reply) -> Answer:
        """Return the answer. Raises TokenError unless a holder of the secret answers the question."""
        if reply.response.status != 200:
            raise TokenError(f"the server answers {reply.response.status}")
        return self._cipher.decrypt_answer(reply.response.body.decode("ascii", "replace"), reply.question)

    def explain(self, reply: Reply, error: TokenError) -> Iterator[Finding]:
        """Yield what is wrong with a reply that the client cannot decrypt."""
        response, sentence = reply.response, server_error(reply.response)
        status = response.status
        if 300 <= status < 400:
            # The rest of the target is the question.
            target = str(response.headers.get("Location", "")).partition("/doctor/")[0]
            hint = "Write the target in THUMBNAIL_SERVER_URL if the thumbnail server is there."
            yield wrong("reach", f"{self.url} redirects to {target}", hint)
        elif not sentence and (status, response.content_type) != (200, "text/plain"):
            message = f"{self.url} is not a thumbnail server: it answers {status} {response.content_type!r}"
            yield wrong("reach", message, STRANGER_HINTS.get(status, STRANGER_HINT))
        elif status in STRANGE_MESSAGES:
            yield self.reached(response)
            if status == 410:
                yield from skipped(["secret"], "clock")
            id, message, hint = STRANGE_MESSAGES[status]
            yield wrong(id, f"{message}: {error}" if status == 200 else message, hint)
        else:
            hint = REFUSAL_HINTS.get(status, REFUSAL_HINT).format(url=urlsplit(self.url))
            yield wrong("reach", f"the server answers {status}: {sentence}", hint)

    def reached(self, response: Response) -> Finding:
        return ok("reach", f"{self.url} answers in {response.milliseconds:,} ms")

    def _send(self, question: Question, secret: int) -> Response:
        return self.get(f"doctor/{self._cipher.encrypt_question(question, secret)}")


def server_error(response: Response) -> str:
    """Return the sentence of the thumbnail server's own error, or "" for any other answer."""
    fields = response.json()
    sentence = fields.get("error") if fields.get("status") == response.status else ""
    return sentence if isinstance(sentence, str) else ""
