"""What this process makes: requests for the same thing wait for the first one, the leader.

That needs no shared cache. Requests to other processes wait for the lock there.

    making, leads = in_flight.join(key)
    in_flight.lead(making, make)              if it leads: makes the thing, and wakes its followers
    in_flight.follow(making, end, is_gone)    if it follows: waits until the leader has ended
"""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Generic, TypeVar

from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister_server.served import ServedThumbnail

# How often a waiting request looks whether its own client is still there.
WATCH_SECONDS = 1.0

T = TypeVar("T")


@dataclass(eq=False)
class Making(Generic[T]):
    """One thing in the making.

    key        the same for requests that want the same thing
    followers  how many requests wait for it
    result     None until it is made, and if making it failed
    error      why making it failed
    """

    key: Hashable
    followers: int = 0
    ended: Event = field(default_factory=Event)
    result: T | None = None
    error: Exception | None = None


class InFlight(Generic[T]):
    def __init__(self) -> None:
        self._lock = Lock()
        self._makings: dict[Hashable, Making[T]] = {}

    def join(self, key: Hashable) -> tuple[Making[T], bool]:
        """Return what is in the making under a key, and whether the caller leads.

        A leader has to call `lead`. Others may call `follow`.
        """
        with self._lock:
            if making := self._makings.get(key):
                return making, False
            making = self._makings[key] = Making(key)
            return making, True

    def lead(self, making: Making[T], make: Callable[[], T]) -> T:
        try:
            making.result = make()
            return making.result
        except Exception as error:
            making.error = error
            raise
        finally:
            self.close(making)
            making.ended.set()

    def follow(self, making: Making[T], end: float, is_gone: Callable[[], bool]) -> bool:
        """Return whether the leader has ended before that time of the monotonic clock.

        Returns early, with False, if the follower's client is gone.
        """
        with self._lock:
            making.followers += 1
        try:
            while not making.ended.is_set():
                left = end - time.monotonic()
                if left <= 0 or is_gone():
                    return False
                making.ended.wait(min(left, WATCH_SECONDS))
            return True
        finally:
            with self._lock:
                making.followers -= 1

    def close(self, making: Making[T]) -> None:
        """Let no more requests follow. Those that follow already get the result."""
        with self._lock:
            self._remove(making)

    def abandon(self, making: Making[T]) -> bool:
        """Close, unless a request follows. Return whether none does."""
        with self._lock:
            if making.followers:
                return False
            self._remove(making)
            return True

    def _remove(self, making: Making[T]) -> None:
        if self._makings.get(making.key) is making:
            del self._makings[making.key]


@reset_on_setting_change
def get_in_flight() -> InFlight[ServedThumbnail]:
    return InFlight()
