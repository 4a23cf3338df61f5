"""A question of `shrinkmeister doctor` to a thumbnail server, and the answer; both are encrypted JSON.

    question   {"ask":"examine","nonce":"pDFAQ5JAnVgOyp2EiK8zfw","time":1795612345}
    answer     {"nonce":"pDFAQ5JAnVgOyp2EiK8zfw","time":1795612345,"secret":0,"protocols":{...},...}

Only holders of the secret can ask, or read an answer. Each question has a new nonce, so an answer that
repeats it comes from a holder of the secret. Questions and answers have different keys, so a question that
is sent back is not an answer. `docs/reference/protocol.md` defines each byte.
"""

import json
import platform
import re
import time
from base64 import b64decode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter
from typing import Any, TypeVar

import shrinkmeister
from shrinkmeister.conf import Config, get_config, reset_on_setting_change
from shrinkmeister.conf.table import SITE_SETTINGS
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
# What each side writes to the shared cache, under the nonce.
SITE_NOTE, SERVER_NOTE = "site", "server"
PACKAGES = ("Django", "sorl-thumbnail", "Pillow", "pyvips")
COMPARED = tuple(row for row in SITE_SETTINGS if row.differs)

M = TypeVar("M", "Question", "Answer")


@dataclass(frozen=True)
class Question:
    """A question of the site."""

    ask: str  # EXAMINE, or REMOVE to delete the probe that EXAMINE with the same nonce has stored
    nonce: str  # 128 random bits
    time: int  # Unix time of the site

    def __post_init__(self) -> None:
        if self.ask not in (EXAMINE, REMOVE) or not NONCE.fullmatch(self.nonce):
            raise ValueError("`ask` or `nonce` is not valid")
        if type(self.time) is not int or not 1 <= self.time <= MAX_INTEGER:
            raise ValueError("`time` is not a point in time")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the server. To REMOVE, it has only the first three members and `bucket_error`."""

    nonce: str
    time: int  # Unix time of the server
    secret: int  # place of the server's secret that decrypted the question, 0 for the first
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # `facts_of` the server
    cache_read: bool = False  # whether the server has read the site's note
    cache_error: str | None = None
    bucket_error: str | None = None  # what the server cannot do with the probe, and why
    bucket_url: str | None = None  # of the probe, for browsers


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


def facts_of(config: Config) -> dict[str, dict[str, Any]]:
    """Return what a side knows about itself, as JSON values, which `comparison` compares.

    The settings lack the address of the shared cache: it may contain a password, and have two names.
    """
    settings = {row.name: attrgetter(row.attribute)(config) for row in COMPARED}
    versions = {"shrinkmeister": shrinkmeister.__version__, "Python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "protocols": PROTOCOLS,
        "versions": versions,
        "settings": {**settings, "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": sorted(config.resolutions)},
    }


def _json(message: Question | Answer) -> bytes:
    return json.dumps(asdict(message), separators=(",", ":"), ensure_ascii=False).encode()


def _parse(kind: type[M], payload: bytes) -> M:
    """Return a message without members that a later version has added. Raises TokenError."""
    try:
        given: Any = json.loads(payload)
        known = {one.name: given[one.name] for one in fields(kind) if one.name in given}
        return kind(**known)
    except (TypeError, ValueError, RecursionError) as error:
        raise TokenError(f"the {kind.__name__.lower()} is genuine, but malformed: {error}") from error
