"""A limit on how often a log line is written."""

import math
from collections.abc import Callable

# Log bad data or slowness at most once per this many seconds.
LOG_INTERVAL = 60.0


class Throttle:
    """Lets a message pass once per `seconds`. Each message needs its own throttle."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._closed_until = -math.inf

    def passes(self) -> bool:
        now = self._clock()
        if now < self._closed_until:
            return False
        self._closed_until = now + self._seconds
        return True
