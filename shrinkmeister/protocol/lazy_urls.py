"""The URLs of the thumbnail server: making and parsing them.

https://thumbs.example.com/<token>.jpg
https://thumbs.example.com/<token>@2x.jpg
"""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from shrinkmeister.exceptions import TokenError
from shrinkmeister.protocol.spec import EXTENSIONS, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens

_TOKEN = "(?P<token>[A-Za-z0-9_-]+)"
# Limited, since the resolution appears in the log.
_ENDING = rf"(?:@(?P<resolution>[0-9.]{{1,10}})x)?\.(?P<extension>{'|'.join(EXTENSIONS.values())})"
PATTERN = _TOKEN + _ENDING
# An app may also send the whole URL, or only the token. The query is ignored, as in URLs.
_TEXT = re.compile(rf"(?:[^?#]*/)?{_TOKEN}(?:{_ENDING})?(?:[?#].*)?", re.ASCII | re.DOTALL)


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


def lazy_url(server_url: str, tokens: Tokens, spec: ThumbnailSpec) -> str:
    return f"{server_url}/{tokens.encrypt(spec)}.{spec.extension}"
