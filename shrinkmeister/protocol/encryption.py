"""Bytes as encrypted text that only holders of the secret can read or write.

The text has only letters, digits, - and _. Its bytes: version (1), then AES-256-SIV (RFC 5297) of the
payload, with the version byte as associated data. SIV is deterministic: the same payload gives the same
text on every host. HKDF-SHA256 (RFC 5869) derives a key for each purpose from the secret, so a text of one
purpose is invalid for all others. `docs/reference/protocol.md` defines each byte.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable

from shrinkmeister.exceptions import TokenError

VERSION = b"\x01"
# AES-256-SIV takes two keys of 256 bits.
KEY_LENGTH = 64
# gunicorn accepts request lines of 4,094 bytes. An S3 key has at most 1,024.
MAX_LENGTH = 3800
ALPHABET = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def derive_key(secret: str, info: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret.encode())


class Cipher:
    """Encrypts with the first secret by default and decrypts with any, so that secrets can be rotated.

    info        the purpose
    max_length  the longest text that is decrypted, in characters
    """

    def __init__(self, secrets: Iterable[str], info: bytes, max_length: int = MAX_LENGTH) -> None:
        # Imported when the first URL is made: loading takes 20 ms, and Django's start does not need it.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        # ValueError: the text is shorter than SIV's own 16 bytes.
        self._invalid = (InvalidTag, ValueError)
        self._ciphers = [AESSIV(derive_key(secret, info, KEY_LENGTH)) for secret in secrets]
        if not self._ciphers:
            raise ValueError("Cipher needs at least one secret")
        self._max_length = max_length

    def encrypt(self, payload: bytes, secret: int = 0) -> str:
        return _text(VERSION + self._ciphers[secret].encrypt(payload, [VERSION]))

    def decrypt(self, text: str) -> tuple[bytes, int]:
        """Return the payload, and the index of the secret that decrypts it. Raises TokenError."""
        if len(text) > self._max_length or not ALPHABET.fullmatch(text) or len(text) % 4 == 1:
            raise TokenError("the token is not base64url, or its length is impossible")
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        # Spare bits in the last character would give one thumbnail several URLs.
        if _text(data) != text:
            raise TokenError("the token is not in its canonical form")
        # OpenSSL compares the tag in constant time. The comparisons here reveal nothing: the caller knows
        # the text, and the number of secrets tried only shows which of them fits.
        if data[:1] != VERSION:
            raise TokenError("the token has an unknown version")
        for index, cipher in enumerate(self._ciphers):
            try:
                return cipher.decrypt(data[1:], [VERSION]), index
            except self._invalid:
                continue
        raise TokenError("the token was not encrypted with a known secret")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
