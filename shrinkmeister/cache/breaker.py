"""A breaker: after a failure, a call is not tried again for some seconds."""

import math
from collections.abc import Callable

# A page of 100 thumbnails waits for a dead cache once in this time.
BREAKER_SECONDS = 5.0


class Breaker:
    """Open for BREAK seconds after each failure. It knows nothing of what it guards."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = -math.inf

    @property
    def is_open(self) -> bool:
        return self._clock() < self._until

    @property
    def has_failed(self) -> bool:
        """Whether the last call that was tried has failed."""
        return self._until > -math.inf

    def fail(self) -> None:
        self._until = self._clock() + BREAKER_SECONDS

    def succeed(self) -> None:
        self._until = -math.inf
