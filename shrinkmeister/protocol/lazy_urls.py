"""The URLs of the thumbnail server, made and taken apart.

https://thumbs.example.com/<token>.jpg
https://thumbs.example.com/<token>@2x.jpg
"""

import re
from dataclasses import astuple, dataclass
from typing import Self
from urllib.parse import unquote

from shrinkmeister.conf import MISSING_SERVER_URL, Config, SettingError, get_tokens
from shrinkmeister.exceptions import TokenError
from shrinkmeister.protocol.spec import EXTENSIONS, ThumbnailSpec

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


def lazy_url(spec: ThumbnailSpec, config: Config) -> str:
    """The URL at which the thumbnail server makes a thumbnail. Raises SettingError without a server."""
    if config.server_url is None:
        raise SettingError(*astuple(MISSING_SERVER_URL))
    return f"{config.server_url}/{get_tokens().seal(spec)}.{spec.extension}"
