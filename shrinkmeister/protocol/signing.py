"""Signatures of the values in the shared cache: each covers the value and its key.

    t1:4nmm...   {"v":1,"w":300,"h":200,...,"m":"mV7dP0Qv1hE"}

Without a signature, anyone who can write to the shared cache could make pages show any URL.
`docs/reference/protocol.md` defines each byte.
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
# Bytes of HMAC-SHA256. A forger needs 2^63 attempts on average, each at a page or at the server.
SIGNATURE_LENGTH = 8
SIGNED = re.compile(rb'(\{.+),"m":"([A-Za-z0-9_-]{11})"\}', re.DOTALL)


class Signer:
    """Signs with the first secret and accepts the signature of any."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._keys = [derive_key(secret, KEY_INFO, KEY_LENGTH) for secret in secrets]
        # A page reads the same bytes again and again.
        self.unsign = lru_cache(maxsize=CACHE_SIZE)(self._unsign)

    def sign(self, key: str, body: bytes) -> bytes:
        """Return a JSON object with its signature.

        key   the value's key in the shared cache, without the prefix
        body  the object, which is not empty
        """
        return b'%s,"m":"%s"}' % (body[:-1], _signature(self._keys[0], key, body))

    def _unsign(self, key: str, data: bytes) -> bytes:
        """Return the body of what `sign` returned for this key. Raises RecordError."""
        match = SIGNED.fullmatch(data)
        if match:
            body, signature = match[1] + b"}", match[2]
            for secret in self._keys:
                if hmac.compare_digest(signature, _signature(secret, key, body)):
                    return body
        raise RecordError("the value has no valid signature")


def _signature(secret: bytes, key: str, body: bytes) -> bytes:
    mac = hmac.digest(secret, b"%s\n%s" % (key.encode(), body), "sha256")
    return urlsafe_b64encode(mac[:SIGNATURE_LENGTH]).rstrip(b"=")
