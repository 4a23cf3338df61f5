"""A spec as an encrypted token, and back.

    tokens = Tokens(["the secret that client and server share, 32 characters or more"])
    tokens.seal(spec)           'AYy2nDq...'     letters, digits, - and _ alone
    tokens.open('AYy2nDq...')   spec

A token is an envelope of the spec's canonical form: the same spec gives the same token on every host and
every render, or no browser and no CDN could cache its URL. `docs/protocol.md` defines each byte. Nothing
here knows Django.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shrinkmeister.exceptions import SpecError, TokenError, TokenExpiredError
from shrinkmeister.protocol.encryption import MAX_LENGTH, Envelopes
from shrinkmeister.protocol.spec import MAX_INTEGER, ThumbnailSpec

KEY_INFO = b"shrinkmeister token 1"


@dataclass(frozen=True)
class Opened:
    """What is in a token.

    expires  Unix time of its end; None for never
    secret   the place of the secret that opened it, 0 for the first
    """

    spec: ThumbnailSpec
    expires: int | None
    secret: int

    def is_over(self, now: float) -> bool:
        return self.expires is not None and now >= self.expires


class Tokens:
    """Seals with the first secret, opens with any.

    url_ttl: seconds after which a token expires, or None. The end is rounded up to whole periods, so
    that a token stays the same within a period and lives for one to two of them.
    """

    def __init__(
        self,
        secrets: Iterable[str],
        url_ttl: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._envelopes = Envelopes(secrets, KEY_INFO)
        self._url_ttl = url_ttl
        self._clock = clock

    def seal(self, spec: ThumbnailSpec) -> str:
        """Raises SpecError where the token would be longer than web servers take."""
        payload = spec.canonical()
        if self._url_ttl is not None:
            expires = (int(self._clock()) // self._url_ttl + 2) * self._url_ttl
            payload = payload[:-1] + b",%d]" % expires
        token = self._envelopes.seal(payload)
        if len(token) > MAX_LENGTH:
            raise SpecError(f"a token of {len(token)} characters: more than {MAX_LENGTH}")
        return token

    def open(self, token: str) -> ThumbnailSpec:
        """Raises TokenError, or TokenExpiredError for one that was genuine."""
        opened = self.read(token)
        if opened.is_over(self._clock()):
            raise TokenExpiredError(f"the token expired at {opened.expires}")
        return opened.spec

    def read(self, token: str) -> Opened:
        """As `open`, also of a token whose time is over. Raises TokenError."""
        envelope = self._envelopes.open(token)
        payload = envelope.payload
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
        return Opened(spec, expires, envelope.secret)
