"""What stands behind the URL of the server: `<token>.jpg`, `<token>@2x.jpg`, `<token>@1.5x.jpg`."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from shrinkmeister.conf import get_tokens
from shrinkmeister.exceptions import TokenError
from shrinkmeister.spec import EXTENSIONS, ThumbnailSpec

_TOKEN = "(?P<token>[A-Za-z0-9_-]+)"
# A resolution of any length would stand in the log.
_ENDING = rf"(?:@(?P<resolution>[0-9.]{{1,10}})x)?\.(?P<extension>{'|'.join(EXTENSIONS.values())})"
PATTERN = _TOKEN + _ENDING
# As a text that an app sends: also the whole URL, or the token alone. A query means nothing there either.
_TEXT = re.compile(rf"(?:[^?#]*/)?{_TOKEN}(?:{_ENDING})?(?:[?#].*)?", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Link:
    """resolution: "2" of @2x, or None; extension: None where it was not given"""

    token: str
    extension: str | None = None
    resolution: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises TokenError."""
        match = _TEXT.fullmatch(unquote(text))
        if not match:
            raise TokenError("a text that is no token, and no URL with one")
        return cls(**match.groupdict())

    def open(self) -> ThumbnailSpec:
        """Raises TokenError, and SettingError."""
        spec = get_tokens().open(self.token)
        if self.extension not in (None, spec.extension):
            raise TokenError("the token's thumbnail has another extension")
        return spec
