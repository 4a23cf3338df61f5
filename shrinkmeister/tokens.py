"""A spec as an encrypted token, and back.

    tokens = Tokens(["the secret that client and server share, 32 characters or more"])
    tokens.seal(spec)           'AYy2nDq...'     letters, digits, - and _ alone
    tokens.open('AYy2nDq...')   spec

The bytes of a token: version (1), then AES-256-SIV (RFC 5297) of the spec's canonical form, with the
version byte as associated data. SIV is deterministic: the same spec gives the same token on every host
and every render, or no browser and no CDN could cache its URL. The key is derived from the secret with
HKDF-SHA256 (RFC 5869). `docs/protocol.md` defines each byte. Nothing here knows Django.
"""

import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable

from shrinkmeister.exceptions import SpecError, TokenError, TokenExpiredError
from shrinkmeister.spec import MAX_INTEGER, ThumbnailSpec

VERSION = b"\x01"
KEY_INFO = b"shrinkmeister token 1"
KEY_LENGTH = 64  # of AES-256-SIV
# gunicorn takes request lines of 4,094 bytes; an S3 key has 1,024 at most.
MAX_LENGTH = 3800
ALPHABET = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def derive_key(secret: str, info: bytes, length: int) -> bytes:
    """Another key for each purpose, of one secret."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret.encode())


class Tokens:
    """Seals with the first secret, opens with any: that is how secrets rotate.

    url_ttl: seconds after which a token expires, or None. The end is rounded up to whole periods, so
    that a token stays the same within a period and lives for one to two of them.
    """

    def __init__(
        self,
        secrets: Iterable[str],
        url_ttl: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # When the first URL is made: loading the library takes 20 ms, and Django's start needs none.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._invalid = (InvalidTag, ValueError)  # ValueError: shorter than SIV's own 16 bytes
        self._ciphers = [AESSIV(derive_key(secret, KEY_INFO, KEY_LENGTH)) for secret in secrets]
        if not self._ciphers:
            raise ValueError("Tokens needs one secret at least")
        self._url_ttl = url_ttl
        self._clock = clock

    def seal(self, spec: ThumbnailSpec) -> str:
        """Raises SpecError where the token would be longer than web servers take."""
        payload = spec.canonical()
        if self._url_ttl is not None:
            expires = (int(self._clock()) // self._url_ttl + 2) * self._url_ttl
            payload = payload[:-1] + b",%d]" % expires
        token = _text(VERSION + self._ciphers[0].encrypt(payload, [VERSION]))
        if len(token) > MAX_LENGTH:
            raise SpecError(f"a token of {len(token)} characters: more than {MAX_LENGTH}")
        return token

    def open(self, token: str) -> ThumbnailSpec:
        """Raises TokenError, or TokenExpiredError for one that was genuine."""
        payload = self._decrypt(_bytes(token))
        try:
            fields = json.loads(payload)
            expires = fields[5] if len(fields) == 6 else None
            if expires is not None:
                if type(expires) is not int or not 1 <= expires <= MAX_INTEGER:
                    raise ValueError("the end is not a point in time")
                payload = payload.removesuffix(b",%d]" % expires) + b"]"
            spec = ThumbnailSpec.parse(payload)
        except (SpecError, ValueError, TypeError, LookupError, RecursionError) as error:
            raise TokenError("the token is ours, and what it holds is not a spec") from error
        if expires is not None and self._clock() >= expires:
            raise TokenExpiredError(f"the token expired at {expires}")
        return spec

    def _decrypt(self, data: bytes) -> bytes:
        # OpenSSL compares the tag, in constant time. What is compared here, whoever asks has sent; and how
        # many secrets were tried tells which one fits, and nothing of it.
        if data[:1] != VERSION:
            raise TokenError("the token has an unknown version")
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(data[1:], [VERSION])
            except self._invalid:
                continue
        raise TokenError("the token was not sealed with a secret of this server")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(token: str) -> bytes:
    if len(token) > MAX_LENGTH or not ALPHABET.fullmatch(token) or len(token) % 4 == 1:
        raise TokenError("the token is not base64url of a length that can be")
    data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    # Spare bits in the last character would give one thumbnail several URLs.
    if _text(data) != token:
        raise TokenError("the token is not in its one canonical form")
    return data
