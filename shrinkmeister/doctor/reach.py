"""The doctor asks the thumbnail server, and finds out what else may answer in its place."""

from urllib.parse import urlsplit

from shrinkmeister.conf import Config
from shrinkmeister.doctor.findings import Finding, ok, wrong
from shrinkmeister.doctor.http import JSON, Response, get
from shrinkmeister.doctor.messages import QUESTION_SECONDS, Answer, Question, get_message_cipher
from shrinkmeister.error_policy import LOG_HINT
from shrinkmeister.exceptions import TokenError

# What to change if something else answers at THUMBNAIL_SERVER_URL.
STRANGER_HINT = (
    "Correct THUMBNAIL_SERVER_URL: scheme, host and path, which on an API Gateway is the stage "
    "(https://abc.execute-api.eu-central-1.amazonaws.com/production). Or correct what is in front of the "
    "server: a login page, a CDN, a firewall, or a proxy that waits for it in vain (502, 503, 504)."
)
# What to change if the server refuses the question, by its status.
REFUSAL_HINTS = {
    400: "Add {url.hostname} to ALLOWED_HOST of the server.",
    404: "Correct the path {url.path!r} of THUMBNAIL_SERVER_URL, or install the site's version of "
    "Shrinkmeister on the server.",
    500: "Run `python -m shrinkmeister_server check` there; the server's log has the reason, too.",
}
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


def ask(question: Question, config: Config, timeout: float) -> tuple[Response, int]:
    """Ask with each secret of the site until the server knows one. Raises Unreachable.

    Return the last response, and the place of the secret that encrypted its question.
    """
    for secret in range(len(config.secrets)):
        path = f"doctor/{get_message_cipher().encrypt_question(question, secret)}"
        response = get(f"{config.server_url}/{path}", timeout, Accept=JSON)
        if response.status != 403 or not response.error:
            break
    return response, secret


def answer_in(response: Response, question: Question) -> Answer:
    """Return the answer. Raises TokenError unless a holder of the secret answers the question."""
    if response.status != 200:
        raise TokenError(f"the server answers {response.status}")
    return get_message_cipher().decrypt_answer(response.body.decode("ascii", "replace"), question)


def examine_reach(url: str, response: Response) -> Finding:
    """Return whether a thumbnail server has answered, and was able to read the question."""
    status, sentence = response.status, response.error
    if 300 <= status < 400:
        # The rest of the target is the question.
        target = str(response.headers.get("Location", "")).partition("/doctor/")[0]
        hint = "Write the target in THUMBNAIL_SERVER_URL if the thumbnail server is there."
        return wrong("reach", f"{url} redirects to {target}", hint)
    if not sentence and (status, response.content_type) != (200, "text/plain"):
        message = f"{url} is not a thumbnail server: it answers {status} {response.content_type!r}"
        return wrong("reach", message, STRANGER_HINT)
    if status not in STRANGE_MESSAGES:
        hint = REFUSAL_HINTS.get(status, LOG_HINT).format(url=urlsplit(url))
        return wrong("reach", f"the server answers {status}: {sentence}", hint)
    return ok("reach", f"{url} answers in {response.milliseconds:,} ms")
