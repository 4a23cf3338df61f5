"""A question to the thumbnail server, and what it means when that gives no answer to it."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shrinkmeister.doctor.findings import Finding, undone, well, wrong
from shrinkmeister.doctor.http import Reason, Reply, Unreachable, get
from shrinkmeister.doctor.messages import QUESTION_SECONDS, Answer, Question, Questions, at
from shrinkmeister.exceptions import TokenError

REDIRECTS = (301, 302, 303, 307, 308)
# Of what stands before a server that does not answer.
GATEWAY = (502, 503, 504)
# What to change where no answer comes from the server, by the reason of Unreachable.
UNREACHABLE: dict[Reason, str] = {
    "name": "Write the server's host in THUMBNAIL_SERVER_URL as DNS has it, or add it to DNS.",
    "refused": "Start the server, or correct host and port in THUMBNAIL_SERVER_URL. A firewall may "
    "refuse too.",
    "certificate": "Give the server a certificate for this name from an authority that browsers trust: "
    "they refuse it as this command does. An authority of your own has to be known on this machine.",
    "tls": "If the server speaks no TLS at that port, write http:// in THUMBNAIL_SERVER_URL, or the "
    "other port.",
    "timeout": "Look whether the server runs and has a free worker, and whether a firewall drops what is "
    "sent. --timeout waits longer.",
    "cut": "Look in the server's log whether a worker has died, of too little memory or of a time limit. "
    "Else something else listens there, or speaks TLS: write https:// then.",
    "garbage": "Write the address of the thumbnail server in THUMBNAIL_SERVER_URL; https:// where it "
    "speaks TLS.",
    "network": "Look at the network between this machine and the server.",
}


@dataclass(frozen=True)
class Heard:
    """What came back for a question.

    question  as it was asked at last
    secret    the place of the site's secret that it was sealed with at last
    """

    reply: Reply
    question: Question
    secret: int


class DoctorClient:
    """url      THUMBNAIL_SERVER_URL
    secrets  how many the site has
    timeout  seconds for each answer
    """

    def __init__(self, url: str, questions: Questions, secrets: int, timeout: float) -> None:
        self._url = url
        self._questions = questions
        self._secrets = secrets
        self._timeout = timeout

    def get(self, path: str) -> Reply:
        """Raises Unreachable."""
        return get(f"{self._url}/{path}", self._timeout, Accept="application/json")

    def ask(self, question: Question) -> Heard:
        """With each of the site's secrets until one opens; again in the server's time, if it is another.

        Raises Unreachable.
        """
        for secret in range(self._secrets):
            reply = self._put(question, secret)
            if reply.status == 410 and reply.date is not None and is_ours(reply):
                question = at(question, reply.date)
                reply = self._put(question, secret)
            if reply.status != 403 or not is_ours(reply):
                break
        return Heard(reply, question, secret)

    def answer(self, heard: Heard) -> Answer:
        """Raises TokenError where there is none of a holder of the secret."""
        text = heard.reply.body.decode("ascii", errors="replace")
        return self._questions.open_answer(text, heard.question)

    def unreachable(self, error: Unreachable) -> Finding:
        return wrong("reach", f"{self._url}: {error}", UNREACHABLE[error.reason])

    def understood(self, heard: Heard) -> tuple[Answer | None, list[Finding]]:
        """The answer, or None and what that means; the first finding is of `reach`."""
        reply = heard.reply
        reached = well("reach", f"{self._url} answers, in {reply.milliseconds:,} ms")
        if reply.status != 200:
            return None, self._refusal(reply, reached)
        try:
            return self.answer(heard), [reached]
        except TokenError as error:
            if reply.content_type != "text/plain":
                return None, [
                    wrong(
                        "reach",
                        f"what answers at {self._url} is no thumbnail server: it sends "
                        f"{reply.content_type!r}",
                        "Write the address of the thumbnail server in THUMBNAIL_SERVER_URL. No page for "
                        "logging in may stand before it, and none of a CDN.",
                    )
                ]
            return None, [
                reached,
                wrong(
                    "secret",
                    f"the answer is of nobody who holds the secret, or an old one: {error}",
                    "Look who answers there. No CDN and no proxy may keep answers to /doctor/.",
                ),
            ]

    def _put(self, question: Question, secret: int) -> Reply:
        return self.get(f"doctor/{self._questions.seal(question, secret)}")

    def _refusal(self, reply: Reply, reached: Finding) -> list[Finding]:
        url, status = self._url, reply.status
        if not is_ours(reply):
            return [self._strange(reply)]
        parts = urlsplit(url)
        match status:
            case 400:
                return [
                    wrong(
                        "reach",
                        f"the server does not answer to the name {parts.hostname} (400)",
                        f"Add {parts.hostname} to ALLOWED_HOST of the server.",
                    )
                ]
            case 403:
                many = f"any of the {self._secrets} secrets" if self._secrets > 1 else "the secret"
                return [
                    reached,
                    wrong(
                        "secret",
                        f"the server does not know {many} of the site: it answers each lazy thumbnail "
                        "with 403",
                        "Give site and server the same THUMBNAIL_SECRET_KEY, and restart both.",
                    ),
                ]
            case 404:
                path = f", or take the path {parts.path} out of THUMBNAIL_SERVER_URL" if parts.path else ""
                return [
                    wrong(
                        "reach",
                        f"the thumbnail server at {url} knows no such question (404)",
                        f"Install the site's version of Shrinkmeister on the server{path}.",
                    )
                ]
            case 410:
                return [
                    reached,
                    *undone(["secret"], "clock"),
                    wrong(
                        "clock",
                        f"the clocks of site and server differ by more than {QUESTION_SECONDS} s",
                        "Set both by NTP. Until then nothing else can be examined.",
                    ),
                ]
        return [
            wrong(
                "reach",
                f"the server fails ({status}): {json_object(reply)['error']}",
                "Its log says why, and so does `python -m shrinkmeister_server check` there.",
            )
        ]

    def _strange(self, reply: Reply) -> Finding:
        """An error that no thumbnail server has told."""
        url, status = self._url, reply.status
        if status in REDIRECTS:
            target = str(reply.headers.get("Location", "")).partition("/doctor/")[0]
            return wrong(
                "reach",
                f"{url} redirects to {target}",
                "Write that address in THUMBNAIL_SERVER_URL, if the thumbnail server is there: else each "
                "lazy thumbnail takes one redirect more, or never comes.",
            )
        if status == 404:
            return wrong(
                "reach",
                f"no thumbnail server is at {url} (404)",
                "Write its address in THUMBNAIL_SERVER_URL, with its path if it has one, as the stage of "
                "an API Gateway: https://abc.execute-api.eu-central-1.amazonaws.com/production.",
            )
        if status in GATEWAY:
            return wrong(
                "reach",
                f"what stands before the server says that the server does not answer ({status})",
                "Start the server, or look why it takes so long: a proxy, a load balancer or Lambda gave "
                "up.",
            )
        return wrong(
            "reach",
            f"what answers at {url} refuses, and is no thumbnail server ({status})",
            "Look at firewalls, CDN and rules of access before the server; or THUMBNAIL_SERVER_URL leads "
            "to something else. 400 may mean that it has to begin with https://.",
        )


def is_ours(reply: Reply) -> bool:
    """Whether it is an error as the thumbnail server tells it."""
    fields = json_object(reply)
    return fields.get("status") == reply.status and isinstance(fields.get("error"), str)


def json_object(reply: Reply) -> dict[str, Any]:
    """{} for anything else."""
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
