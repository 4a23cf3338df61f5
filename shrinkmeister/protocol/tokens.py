"""A spec as an encrypted token, and back; the URLs of the thumbnail server, which contain tokens.

    tokens = Tokens(["the secret that client and server share, 32 characters or more"])
    tokens.encrypt(spec)           'AYy2nDq...'     only letters, digits, - and _
    tokens.decrypt('AYy2nDq...')   spec
    https://thumbs.example.com/<token>.jpg, https://thumbs.example.com/<token>@2x.jpg

A token is the encrypted canonical form of a spec. The same spec gives the same token on every host and
every render; otherwise browsers and CDNs could not cache its URL. `docs/reference/protocol.md` defines
each byte.
"""

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from urllib.parse import unquote

from shrinkmeister.exceptions import SpecError, TokenError, TokenExpiredError
from shrinkmeister.protocol.encryption import MAX_LENGTH, Cipher
from shrinkmeister.protocol.spec import EXTENSIONS, MAX_INTEGER, ThumbnailSpec

KEY_INFO = b"shrinkmeister token 1"
# Tokens whose contents a process keeps: at most some 10 MB, since a token has up to 3,800 characters.
MOST_KEPT = 1000
_TOKEN = "(?P<token>[A-Za-z0-9_-]+)"
# Limited, since the resolution appears in the log.
_ENDING = rf"(?:@(?P<resolution>[0-9.]{{1,10}})x)?\.(?P<extension>{'|'.join(EXTENSIONS.values())})"
PATTERN = _TOKEN + _ENDING
# An app may also send the whole URL, or only the token. The query is ignored, as in URLs.
_TEXT = re.compile(rf"(?:[^?#]*/)?{_TOKEN}(?:{_ENDING})?(?:[?#].*)?", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class TokenContent:
    """The content of a token.

    expires  Unix time; None for never
    secret   the index of the secret that decrypted it
    """

    spec: ThumbnailSpec
    expires: int | None
    secret: int

    def is_expired(self, now: float) -> bool:
        return self.expires is not None and now >= self.expires


class Tokens:
    """Encrypts with the first secret and decrypts with any.

    url_ttl: seconds after which a token expires, or None. The expiry time is rounded up to whole periods.
    So a token stays the same within a period, and lives for one to two of them.
    """

    def __init__(
        self,
        secrets: Iterable[str],
        url_ttl: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cipher = Cipher(secrets, KEY_INFO)
        self._url_ttl = url_ttl
        self._clock = clock
        # Invalid tokens raise, and so are not kept.
        self._kept = lru_cache(MOST_KEPT)(self._read)

    def encrypt(self, spec: ThumbnailSpec) -> str:
        """Return the token of a spec. Raises SpecError if it is longer than web servers accept."""
        payload = spec.canonical
        if self._url_ttl is not None:
            expires = (int(self._clock()) // self._url_ttl + 2) * self._url_ttl
            payload = payload[:-1] + b",%d]" % expires
        token = self._cipher.encrypt(payload)
        if len(token) > MAX_LENGTH:
            raise SpecError(f"the token has {len(token)} characters, more than {MAX_LENGTH}")
        return token

    def decrypt(self, token: str) -> ThumbnailSpec:
        """Return the spec of a token. Raises TokenError, or TokenExpiredError for a genuine one."""
        content = self.read(token)
        if content.is_expired(self._clock()):
            raise TokenExpiredError(f"the token expired at {content.expires}")
        return content.spec

    def read(self, token: str) -> TokenContent:
        """Return the content of a token, even of an expired one. Raises TokenError."""
        return self._kept(token)

    def _read(self, token: str) -> TokenContent:
        payload, secret = self._cipher.decrypt(token)
        try:
            fields = json.loads(payload)
            expires = fields[5] if len(fields) == 6 else None
            if expires is not None:
                if type(expires) is not int or not 1 <= expires <= MAX_INTEGER:
                    raise ValueError("the expiry time is not a point in time")
                payload = payload.removesuffix(b",%d]" % expires) + b"]"
            spec = ThumbnailSpec.parse(payload)
        except (SpecError, ValueError, TypeError, LookupError, RecursionError) as error:
            raise TokenError("the token is genuine, but its content is not a spec") from error
        return TokenContent(spec, expires, secret)


@dataclass(frozen=True)
class Link:
    """resolution: "2" of @2x, or None; extension: None if it was not given"""

    token: str
    extension: str | None = None
    resolution: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parts of a URL, a path or a token. Raises TokenError."""
        match = _TEXT.fullmatch(unquote(text))
        if not match:
            raise TokenError("the text is not a token, nor a URL with a token")
        return cls(**match.groupdict())

    def open(self, tokens: Tokens) -> ThumbnailSpec:
        """Return the spec in the token. Raises TokenError."""
        spec = tokens.decrypt(self.token)
        if self.extension not in (None, spec.extension):
            raise TokenError("the URL's extension is not that of the token's thumbnail")
        return spec
