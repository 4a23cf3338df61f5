"""What a request spent its time on, as the header `Server-Timing` says it: https://www.w3.org/TR/server-timing/"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# The phases in which a thumbnail is made, and not looked or waited for.
MAKING = frozenset({"fetch", "decode", "resize", "encode", "store", "record"})


class Timing:
    """The phases of one request, and in `outcome` how it came by its thumbnail.

    lookup  the shared cache, and the bucket where records may have been lost
    wait    another server makes the thumbnail
    fetch   reading the source
    decode  as far as it is done before anything else; engines that do not tell have it in `resize`
    resize  all that changes the picture
    encode  writing it as a file
    store   into the storage of thumbnails
    record  into the shared cache

    found   the shared cache knew it
    stored  it was in the bucket, and is recorded again
    waited  another server has made it meanwhile
    made    by this request
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._start = clock()
        self._end: float | None = None
        self.outcome: str | None = None
        #: By phase.
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        """Adds what the block takes, also if it fails."""
        start = self._clock()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + self._clock() - start

    def stop(self) -> None:
        self._end = self._clock()

    def total(self) -> float:
        """Seconds since it began, until now or until it was stopped."""
        return (self._clock() if self._end is None else self._end) - self._start

    def making(self) -> float:
        """Seconds that making the thumbnail took."""
        return sum(seconds for phase, seconds in self.seconds.items() if phase in MAKING)

    def header(self) -> str:
        """`fetch;dur=12.3, decode;dur=40.1`, in milliseconds."""
        return ", ".join(f"{phase};dur={seconds * 1000:.1f}" for phase, seconds in self.seconds.items())
