"""A breaker: after a failed call, no call is tried for some seconds."""

import math
from collections.abc import Callable

# How long the breaker stays open, so that a page of 100 thumbnails waits for a dead cache only once.
BREAKER_SECONDS = 5.0


class Breaker:
    """Open for BREAKER_SECONDS after each failure."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = -math.inf

    @property
    def is_open(self) -> bool:
        return self._clock() < self._until

    @property
    def has_failed(self) -> bool:
        """Return whether the last call that was tried has failed."""
        return self._until > -math.inf

    def fail(self) -> None:
        self._until = self._clock() + BREAKER_SECONDS

    def succeed(self) -> None:
        self._until = -math.inf
