"""The doctor asks the thumbnail server, and finds out what else may answer in its place."""

from urllib.parse import urlsplit

from shrinkmeister.conf import Config
from shrinkmeister.doctor.findings import Finding, ok, wrong
from shrinkmeister.doctor.http import Response, get
from shrinkmeister.doctor.messages import QUESTION_SECONDS, Answer, Question, get_message_cipher
from shrinkmeister.exceptions import TokenError

# What to change if something else answers at THUMBNAIL_SERVER_URL, by its status.
STRANGER_HINTS = {
    404: "Write the server's address in THUMBNAIL_SERVER_URL, with its path. On an API Gateway the path is "
    "the stage: https://abc.execute-api.eu-central-1.amazonaws.com/production.",
    **dict.fromkeys(
        (502, 503, 504),
        "A proxy, a load balancer or Lambda gave up: start the server, or find out why it takes so long.",
    ),
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


def ask(question: Question, config: Config, timeout: float) -> tuple[Response, int]:
    """Ask with each secret of the site until the server knows one. Raises Unreachable.

    Return the last response, and the place of the secret with which it was asked for.
    """
    for secret in range(len(config.secrets)):
        path = f"doctor/{get_message_cipher().encrypt_question(question, secret)}"
        response = get(f"{config.server_url}/{path}", timeout, Accept="application/json")
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
        return wrong("reach", message, STRANGER_HINTS.get(status, STRANGER_HINT))
    if status not in STRANGE_MESSAGES:
        hint = REFUSAL_HINTS.get(status, REFUSAL_HINT).format(url=urlsplit(url))
        return wrong("reach", f"the server answers {status}: {sentence}", hint)
    return ok("reach", f"{url} answers in {response.milliseconds:,} ms")
