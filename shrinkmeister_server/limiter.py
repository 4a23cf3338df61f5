"""How many thumbnails a process makes at once, and how many requests wait for it: the rest is sent away.

Each thumbnail that is made may hold a decoded source, and each request that waits holds a thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister.exceptions import OverloadError
from shrinkmeister_server.conf import get_server_config


class Limiter:
    """places  for those that are made at once
    queue   for those that wait, for a place or for another server
    """

    def __init__(self, places: int, queue: int) -> None:
        self._places = BoundedSemaphore(places)
        self._queue = queue
        self._batches = Lock()
        self._waiting = 0
        self._lock = Lock()

    @contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """One of those that are made. Raises OverloadError where it has none in so many seconds."""
        if not self._places.acquire(blocking=False):
            with self.waiting():
                if not self._places.acquire(timeout=seconds):
                    raise OverloadError(f"no place to make a thumbnail became free in {seconds:g} s")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def batch(self) -> Iterator[bool]:
        """Whether this batch may make thumbnails: one in a process does, or they would hold all threads."""
        may_make = self._batches.acquire(blocking=False)
        try:
            yield may_make
        finally:
            if may_make:
                self._batches.release()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """One of those that wait. Raises OverloadError where so many do already."""
        with self._lock:
            if self._waiting >= self._queue:
                raise OverloadError(f"{self._waiting} requests wait already")
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1


@reset_on_setting_change
def get_gate() -> Limiter:
    """That of this process."""
    config = get_server_config()
    return Limiter(config.max_making, config.max_waiting)
