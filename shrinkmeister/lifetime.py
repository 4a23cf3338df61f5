"""How long a page, or a fragment of one, may be kept: until its thumbnails have other URLs."""

import math
import time
from dataclasses import dataclass

#: Seconds for which a page with lazy thumbnails may be kept. A browser that shows it has them made, and
#: their final URLs come with the next page that is rendered.
LAZY_SECONDS = 60


@dataclass
class Lifetime:
    """What has been rendered so far.

    lazy  whether a thumbnail has a URL of the thumbnail server
    ends  the Unix time until which all URLs work
    """

    lazy: bool = False
    ends: float = math.inf

    @property
    def is_limited(self) -> bool:
        return self.lazy or self.ends < math.inf

    def note(self, lazy: bool, ends: float) -> None:
        self.lazy |= lazy
        self.ends = min(self.ends, ends)

    def cache_seconds(self, most: int | None, lazy: int = LAZY_SECONDS) -> int | None:
        """Return for how many seconds it may be kept, `most` at most; None for no end.

        It is kept for half of the time for which its URLs work: the visitor who is shown it last needs some
        of that to load the images.

        lazy: the most for what has a lazy thumbnail
        """
        longest = [float(lazy)] if self.lazy else []
        if self.ends < math.inf:
            longest.append((self.ends - time.time()) / 2)
        if not longest:
            return most
        return max(0, int(min(longest if most is None else [*longest, most])))
