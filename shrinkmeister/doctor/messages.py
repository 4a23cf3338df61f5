"""A question of `shrinkmeister doctor` to a thumbnail server, and the answer; both are encrypted JSON.

    question   {"ask":"examine","nonce":"pDFAQ5JAnVgOyp2EiK8zfw","time":1795612345}
    answer     {"nonce":"pDFAQ5JAnVgOyp2EiK8zfw","time":1795612345,"secret":0,"protocols":{...},...}

Only holders of the secret can ask, or read an answer. Each question has a new nonce, so an answer that
repeats it comes from a holder of the secret. Questions and answers have different keys, so a question that
is sent back is not an answer. `docs/protocol.md` defines each byte.
"""

import json
import re
import secrets as random
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Self, TypeVar, cast, get_origin

from shrinkmeister.conf import get_config, reset_on_setting_change
from shrinkmeister.exceptions import TokenError, TokenExpiredError
from shrinkmeister.protocol.encryption import Cipher
from shrinkmeister.protocol.keys import digest
from shrinkmeister.protocol.spec import MAX_INTEGER

QUESTION_INFO = b"shrinkmeister doctor question 1"
ANSWER_INFO = b"shrinkmeister doctor answer 1"
# The version of each format that site and server have to share.
PROTOCOLS = {"token": 1, "record": 1, "doctor": 1}
EXAMINE = "examine"
REMOVE = "remove"
NONCE = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
# A question may be this much older or newer than the server's time.
QUESTION_SECONDS = 300
MAX_ANSWER_LENGTH = 60_000
# The smallest PNG: one pixel.
PROBE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="
)
PROBE_TYPE = "image/png"
# No source has this canonical form, so no job that deletes the thumbnails of a source finds the probe.
PROBE_FOLDER = digest(b'["doctor"]')

M = TypeVar("M")


@dataclass(frozen=True)
class Question:
    """What the site asks."""

    ask: str  # EXAMINE, or REMOVE to delete the probe that EXAMINE with the same nonce has stored
    nonce: str  # 128 random bits
    time: int  # Unix time of the site

    def __post_init__(self) -> None:
        if self.ask not in (EXAMINE, REMOVE) or not NONCE.fullmatch(self.nonce):
            raise ValueError("`ask` or `nonce` is not valid")

    @classmethod
    def new(cls, ask: str, now: float) -> Self:
        return cls(ask, random.token_urlsafe(16), int(now))


@dataclass(frozen=True)
class CacheTrial:
    """How the server's use of the shared cache went."""

    kind: str = ""  # driver and class, without the address
    found: str | None = None  # text from where the site had written
    written: str | None = None  # text for the site to read
    error: str | None = None


@dataclass(frozen=True)
class BucketTrial:
    """How the server's use of the storage of thumbnails went."""

    done: list[str] = field(default_factory=list)  # of "look", "store", "find", "address"; or "remove"
    failed: str | None = None  # the step that failed
    error: str | None = None
    url: str | None = None  # of the probe, for browsers


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server answers."""

    nonce: str
    time: int  # Unix time of the server
    secret: int  # place of the server's secret that decrypted the question, 0 for the first
    protocols: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    engine: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)  # those that both sides need equal
    cache: CacheTrial
    bucket: BucketTrial


class MessageCipher:
    """Encrypts and decrypts questions and answers with the secrets of one side."""

    def __init__(self, secrets: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        self._questions = Cipher(secrets, QUESTION_INFO)
        self._answers = Cipher(secrets, ANSWER_INFO, MAX_ANSWER_LENGTH)
        self._clock = clock

    def encrypt_question(self, question: Question, secret: int = 0) -> str:
        """Encrypt with the secret at a place, 0 for the first."""
        return self._questions.encrypt(_json(question), secret)

    def decrypt_question(self, text: str) -> tuple[Question, int]:
        """Return the question, and the place of the secret that decrypts it.

        Raises TokenError, or TokenExpiredError for a genuine question of another time.
        """
        payload, secret = self._questions.decrypt(text)
        question, now = _parse(Question, payload), int(self._clock())
        if abs(now - question.time) > QUESTION_SECONDS:
            raise TokenExpiredError(
                f"the question has the time {question.time}, and the time here is {now}"
            )
        return question, secret

    def encrypt_answer(self, answer: Answer) -> str:
        """Encrypt with the secret that decrypted the question: the site is certain to have that one."""
        return self._answers.encrypt(_json(answer), answer.secret)

    def decrypt_answer(self, text: str, question: Question) -> Answer:
        """Return the answer. Raises TokenError unless a holder of the secret answers this question."""
        answer = _parse(Answer, self._answers.decrypt(text)[0])
        if answer.nonce != question.nonce:
            raise TokenError("the answer is genuine, but to another question")
        return answer


@reset_on_setting_change
def get_message_cipher() -> MessageCipher:
    """Return the cipher of this process. Raises SettingError."""
    return MessageCipher([secret.reveal() for secret in get_config().secrets])


def probe_name(nonce: str, prefix: str) -> str:
    """Return the probe's name, in the form of a thumbnail's: `prune` and the lifecycle rule delete it."""
    return f"{prefix}{PROBE_FOLDER}/{digest(nonce.encode())}.png"


def _json(message: Question | Answer) -> bytes:
    return json.dumps(asdict(message), separators=(",", ":"), ensure_ascii=False).encode()


def _parse(kind: type[M], payload: bytes) -> M:
    try:
        message: Any = _read(kind, json.loads(payload))
        if not 1 <= message.time <= MAX_INTEGER:
            raise ValueError("`time` is out of range")
        return cast(M, message)
    except (TypeError, ValueError, RecursionError) as error:
        raise TokenError(f"the {kind.__name__.lower()} is genuine, but malformed: {error}") from error


def _read(kind: Any, given: Any) -> Any:
    """Return a dataclass of this kind from JSON, without members that a later version has added."""
    if not isinstance(given, dict):
        raise TypeError("it is not a JSON object")
    values = {}
    for one in fields(kind):
        if one.name in given:
            value, wanted = given[one.name], cast(Any, one.type)
            if is_dataclass(wanted):
                value = _read(wanted, value)
            elif not isinstance(wanted, UnionType):
                wanted = get_origin(wanted) or wanted
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise TypeError(f"`{one.name}` has another type")
            values[one.name] = value
    return kind(**values)
