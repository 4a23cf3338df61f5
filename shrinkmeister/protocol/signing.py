"""What shows that a value of the shared cache was written with the secret: by one of us, under that key.

    t1:4nmm...   {"v":1,"w":300,"h":200,...,"m":"mV7dP0Qv1hE"}

Whoever else can write there could otherwise have pages show any URL. `docs/protocol.md` defines each byte.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from functools import lru_cache

from shrinkmeister.exceptions import RecordError
from shrinkmeister.protocol.encryption import derive_key
from shrinkmeister.protocol.spec import CACHE_SIZE

KEY_INFO = b"shrinkmeister record 1"
KEY_LENGTH = 32
# Of HMAC-SHA256. A forger has 2^63 to try on the average, each with a page or the server.
SEAL_LENGTH = 8
SEALED = re.compile(rb'(\{.+),"m":"([A-Za-z0-9_-]{11})"\}', re.DOTALL)


class Seals:
    """Seals with the first secret, and believes any."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._keys = [derive_key(secret, KEY_INFO, KEY_LENGTH) for secret in secrets]
        # A page finds the same bytes again and again.
        self.open = lru_cache(maxsize=CACHE_SIZE)(self._open)

    def seal(self, key: str, body: bytes) -> bytes:
        """body: a JSON object that is not empty; key: under which it will lie, without the prefix."""
        return b'%s,"m":"%s"}' % (body[:-1], _seal(self._keys[0], key, body))

    def _open(self, key: str, data: bytes) -> bytes:
        """The body. Raises RecordError for anything else than what `seal` returned for that key."""
        match = SEALED.fullmatch(data)
        if match:
            body, seal = match[1] + b"}", match[2]
            for secret in self._keys:
                if hmac.compare_digest(seal, _seal(secret, key, body)):
                    return body
        raise RecordError("what was not written with a secret of ours")


def _seal(secret: bytes, key: str, body: bytes) -> bytes:
    mac = hmac.digest(secret, b"%s\n%s" % (key.encode(), body), "sha256")
    return urlsafe_b64encode(mac[:SEAL_LENGTH]).rstrip(b"=")
