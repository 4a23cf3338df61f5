"""What `shrinkmeister doctor` asks a thumbnail server, and what that answers; both sealed.

    question   {"ask":"examine","nonce":"pDFAQ5JAnVgOyp2EiK8zfw","time":1795612345}
    answer     {"nonce":"pDFAQ5JAnVgOyp2EiK8zfw","time":1795612345,"secret":0,"protocols":{...},...}

Nobody without the secret can ask, or read an answer; and who answers a nonce that was never used before has
the secret. Two purposes, so that a question handed back is no answer. `docs/protocol.md` defines each byte.
"""

import json
import re
import secrets as random
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from types import UnionType
from typing import Any, Self, get_origin

from shrinkmeister.exceptions import TokenError, TokenExpiredError
from shrinkmeister.protocol.encryption import Cipher
from shrinkmeister.protocol.keys import digest
from shrinkmeister.protocol.spec import MAX_INTEGER

QUESTION_INFO = b"shrinkmeister doctor question 1"
ANSWER_INFO = b"shrinkmeister doctor answer 1"
# Of each format that site and server have to understand alike.
PROTOCOLS = {"token": 1, "record": 1, "doctor": 1}
EXAMINE = "examine"
REMOVE = "remove"
NONCE = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
# By which a question may be older or newer than the server's time.
QUESTION_SECONDS = 300
MAX_ANSWER_LENGTH = 60_000
# The smallest PNG: one pixel.
PROBE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="
)
PROBE_TYPE = "image/png"
# No source has such a canonical form: nothing that deletes the thumbnails of a source meets it.
PROBE_FOLDER = digest(b'["doctor"]')


@dataclass(frozen=True)
class Question:
    """ask    EXAMINE, or REMOVE for the probe that the question with the same nonce has stored
    nonce  128 bits of chance
    time   Unix time of whoever asks
    """

    ask: str
    nonce: str
    time: int

    @classmethod
    def new(cls, ask: str, now: float) -> Self:
        return cls(ask, random.token_urlsafe(16), int(now))

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Raises TokenError."""
        given = _object(payload)
        ask, nonce, moment = given.get("ask"), given.get("nonce"), given.get("time")
        if ask not in (EXAMINE, REMOVE) or not isinstance(nonce, str) or not NONCE.fullmatch(nonce):
            raise TokenError("the question is ours, and asks nothing that is known here")
        if type(moment) is not int or not 1 <= moment <= MAX_INTEGER:
            raise TokenError("the question is ours, and its time is none")
        return cls(ask, nonce, moment)


@dataclass(frozen=True)
class CacheTrial:
    """What the server found when it tried the shared cache.

    kind     what the cache is, without its address
    found    what it read of what the site had written; None for nothing
    written  what it wrote for the site to read
    error    why it could not
    """

    kind: str = ""
    found: str | None = None
    written: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class BucketTrial:
    """What the server found when it tried the storage of thumbnails with a probe.

    done    the steps that went well: "look" (for what is not there), "store", "find", "address", "remove"
    failed  the one that did not
    error   what it says
    url     where a browser finds the probe
    """

    done: tuple[str, ...] = ()
    failed: str | None = None
    error: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Answer:
    """time      Unix time of the server when it was asked
    secret    the place of its secret that opened the question, 0 for the first
    settings  those of ours that both sides have to have alike, by name
    """

    nonce: str
    time: int
    secret: int
    protocols: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    engine: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    cache: CacheTrial = CacheTrial()
    bucket: BucketTrial = BucketTrial()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Raises TokenError. What a later server says beyond this is left out."""
        given = _object(payload)
        try:
            bucket = dict(given["bucket"])
            if isinstance(bucket.get("done"), list):
                bucket["done"] = tuple(bucket["done"])
            given["bucket"] = BucketTrial(**_known(BucketTrial, bucket))
            given["cache"] = CacheTrial(**_known(CacheTrial, given["cache"]))
            answer = cls(**_known(cls, given))
            if not (type(answer.time) is type(answer.secret) is int and 1 <= answer.time <= MAX_INTEGER):
                raise TypeError("the time or the place of the secret is no number")
            return answer
        except (TypeError, ValueError, LookupError) as error:
            raise TokenError("the answer is ours, and of another form") from error


class Questions:
    """For both sides: seals and opens questions and their answers."""

    def __init__(self, secrets: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        self._questions = Cipher(secrets, QUESTION_INFO)
        self._answers = Cipher(secrets, ANSWER_INFO, MAX_ANSWER_LENGTH)
        self._clock = clock

    def seal(self, question: Question, secret: int = 0) -> str:
        """secret: the place of the one to seal with"""
        return self._questions.encrypt(_json(asdict(question)), secret)

    def open(self, text: str) -> tuple[Question, Answer]:
        """The question, and the answer as far as it is known by opening it.

        Raises TokenError, or TokenExpiredError for a genuine question of another time.
        """
        opened = self._questions.decrypt(text)
        question, now = Question.parse(opened.payload), int(self._clock())
        if abs(now - question.time) > QUESTION_SECONDS:
            raise TokenExpiredError(f"the question is of {question.time}, and here it is {now}")
        return question, Answer(question.nonce, now, opened.secret)

    def seal_answer(self, answer: Answer) -> str:
        """With the secret that opened the question, which whoever asked has for certain."""
        return self._answers.encrypt(_json(asdict(answer)), answer.secret)

    def open_answer(self, text: str, question: Question) -> Answer:
        """Raises TokenError for what no holder of the secret has answered to this question."""
        answer = Answer.parse(self._answers.decrypt(text).payload)
        if answer.nonce != question.nonce:
            raise TokenError("the answer is ours, and to another question")
        return answer


def at(question: Question, now: float) -> Question:
    """The same, asked at another time."""
    return replace(question, time=int(now))


def probe_name(nonce: str, prefix: str) -> str:
    """Of the form of a thumbnail's, so that `prune` and the lifecycle rule delete one that is left over."""
    return f"{prefix}{PROBE_FOLDER}/{digest(nonce.encode())}.png"


def _json(given: Mapping[str, Any]) -> bytes:
    return json.dumps(given, separators=(",", ":"), ensure_ascii=False).encode()


def _object(payload: bytes) -> dict[str, Any]:
    try:
        given = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise TokenError("it is ours, and no JSON") from error
    if not isinstance(given, dict):
        raise TokenError("it is ours, and no JSON object")
    return given


def _known(kind: Any, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise TypeError("no JSON object")
    known = {one.name: given[one.name] for one in fields(kind) if one.name in given}
    for one in fields(kind):
        wanted: Any = one.type if isinstance(one.type, UnionType) else get_origin(one.type) or one.type
        if one.name in known and not isinstance(known[one.name], wanted):
            raise TypeError(f"{one.name} is of another type")
    return known
