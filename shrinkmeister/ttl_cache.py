"""Values that a process keeps for some seconds, up to a number of them."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class TTLCache(Generic[V]):
    """Thread-safe, with text keys. Evicts the oldest entry first.

    seconds  how long a value is kept
    most     how many values are kept
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._values: OrderedDict[str, tuple[float, V]] = OrderedDict()
        self._lock = Lock()
        #: How often values were dropped. A value that was read before the last drop may be outdated.
        self.drops = 0

    def get(self, key: str) -> V | None:
        kept = self._values.get(key)
        return kept[1] if kept and self._clock() < kept[0] else None

    def set(self, key: str, value: V, drops: int | None = None) -> None:
        """Keep a value.

        drops: the number of drops when the value was read; a later drop means that it is not kept
        """
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
