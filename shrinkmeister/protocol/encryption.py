"""Bytes as encrypted text that only holders of the secret can read or write.

    envelopes = Envelopes(["the secret that client and server share, 32 characters or more"], b"a purpose")
    envelopes.seal(b"...")      'AYy2nDq...'     letters, digits, - and _ alone
    envelopes.open('AYy2nDq...').payload

The bytes of an envelope: version (1), then AES-256-SIV (RFC 5297) of the payload, with the version byte
as associated data. SIV is deterministic: the same payload gives the same text on every host. The key is
derived from the secret with HKDF-SHA256 (RFC 5869), another one for each purpose, so that what is sealed
for one opens as nothing else. `docs/protocol.md` defines each byte. Nothing here knows Django.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from shrinkmeister.exceptions import TokenError

VERSION = b"\x01"
KEY_LENGTH = 64  # of AES-256-SIV
# gunicorn takes request lines of 4,094 bytes; an S3 key has 1,024 at most.
MAX_LENGTH = 3800
ALPHABET = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def derive_key(secret: str, info: bytes, length: int) -> bytes:
    """Another key for each purpose, of one secret."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret.encode())


@dataclass(frozen=True)
class Opened:
    """secret: the place of the one that opened it, 0 for the first"""

    payload: bytes
    secret: int


class Envelopes:
    """Seals with the first secret unless told otherwise, opens with any: that is how secrets rotate.

    info        the purpose
    max_length  characters of an envelope that is opened at most
    """

    def __init__(self, secrets: Iterable[str], info: bytes, max_length: int = MAX_LENGTH) -> None:
        # When the first URL is made: loading the library takes 20 ms, and Django's start needs none.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._invalid = (InvalidTag, ValueError)  # ValueError: shorter than SIV's own 16 bytes
        self._ciphers = [AESSIV(derive_key(secret, info, KEY_LENGTH)) for secret in secrets]
        if not self._ciphers:
            raise ValueError("Envelopes need one secret at least")
        self._max_length = max_length

    def seal(self, payload: bytes, secret: int = 0) -> str:
        return _text(VERSION + self._ciphers[secret].encrypt(payload, [VERSION]))

    def open(self, text: str) -> Opened:
        """Raises TokenError."""
        data = self._bytes(text)
        # OpenSSL compares the tag, in constant time. What is compared here, whoever asks has sent; and how
        # many secrets were tried tells which one fits, and nothing of it.
        if data[:1] != VERSION:
            raise TokenError("the token has an unknown version")
        for place, cipher in enumerate(self._ciphers):
            try:
                return Opened(cipher.decrypt(data[1:], [VERSION]), place)
            except self._invalid:
                continue
        raise TokenError("the token was not sealed with a secret that is known here")

    def _bytes(self, text: str) -> bytes:
        if len(text) > self._max_length or not ALPHABET.fullmatch(text) or len(text) % 4 == 1:
            raise TokenError("the token is not base64url of a length that can be")
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        # Spare bits in the last character would give one thumbnail several URLs.
        if _text(data) != text:
            raise TokenError("the token is not in its one canonical form")
        return data


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
