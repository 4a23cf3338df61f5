"""Values that a process keeps for some seconds, and of those only so many."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class TTLCache(Generic[V]):
    """By text keys, for all threads. What was set least lately goes first.

    seconds  for which a value is kept
    most     how many are kept
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._values: OrderedDict[str, tuple[float, V]] = OrderedDict()
        self._lock = Lock()
        #: How often something was dropped: what was read before that may be of before.
        self.drops = 0

    def get(self, key: str) -> V | None:
        kept = self._values.get(key)
        return kept[1] if kept and self._clock() < kept[0] else None

    def set(self, key: str, value: V, drops: int | None = None) -> None:
        """drops: what that was when the value was read; if something was dropped since, it is not kept."""
        with self._lock:
            if drops not in (None, self.drops):
                return
            self._values[key] = (self._clock() + self._seconds, value)
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def drop(self, keys: Iterable[str]) -> None:
        with self._lock:
            self.drops += 1
            for key in keys:
                self._values.pop(key, None)
