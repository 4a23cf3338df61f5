"""How long a page or fragment may be cached: until the URLs of its thumbnails change."""

import math
import time
from dataclasses import dataclass

#: How long a page with lazy thumbnails may be cached. A browser that shows it makes the server render them,
#: and the next page has their final URLs.
LAZY_SECONDS = 60


@dataclass
class Lifetime:
    """The lifetime of the thumbnails that have been rendered so far.

    lazy  whether one of them has a lazy URL
    ends  the Unix time at which the first of their URLs expires
    """

    lazy: bool = False
    ends: float = math.inf

    def note(self, lazy: bool, ends: float) -> None:
        self.lazy |= lazy
        self.ends = min(self.ends, ends)

    def cache_seconds(self, most: int | None, lazy: int = LAZY_SECONDS) -> int | None:
        """Return for how many seconds a cache may keep the page, at most `most`; None for no limit.

        This is half of the time until the first URL expires. The last visitor who gets the page from the
        cache needs the other half to load the images.

        lazy: the limit in seconds for a page with a lazy thumbnail
        """
        limits = (lazy if self.lazy else math.inf, math.inf if most is None else most)
        seconds = min(*limits, (self.ends - time.time()) / 2)
        return None if seconds == math.inf else max(0, int(seconds))
