"""How many thumbnails a process makes at once, and how many requests wait for that. Others are refused.

Each thumbnail in the making may hold a decoded source in memory, and each waiting request holds a thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister.exceptions import OverloadError
from shrinkmeister_server.conf import get_server_config


class Limiter:
    """Counts the thumbnails in the making and the waiting requests of a process.

    slots        how many thumbnails are made at once
    max_waiting  how many requests may wait, for a slot or for another server
    """

    def __init__(self, slots: int, max_waiting: int) -> None:
        self._slots = BoundedSemaphore(slots)
        self._max_waiting = max_waiting
        self._waiting = BoundedSemaphore(max_waiting)
        self._batches = Lock()

    @contextmanager
    def slot(self, seconds: float) -> Iterator[None]:
        """Hold a slot for the block. Raises OverloadError if none becomes free in so many seconds."""
        if not self._slots.acquire(blocking=False):
            with self.waiting():
                if not self._slots.acquire(timeout=seconds):
                    raise OverloadError(f"no slot to make a thumbnail became free in {seconds:g} s")
        try:
            yield
        finally:
            self._slots.release()

    @contextmanager
    def batch(self) -> Iterator[bool]:
        """Return whether a batch may make thumbnails: one at a time, or batches would hold all threads."""
        may_make = self._batches.acquire(blocking=False)
        try:
            yield may_make
        finally:
            if may_make:
                self._batches.release()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count as waiting for the block. Raises OverloadError if too many requests wait."""
        if not self._waiting.acquire(blocking=False):
            raise OverloadError(f"{self._max_waiting} requests wait already")
        try:
            yield
        finally:
            self._waiting.release()


@reset_on_setting_change
def get_limiter() -> Limiter:
    config = get_server_config()
    return Limiter(config.max_making, config.max_waiting)
