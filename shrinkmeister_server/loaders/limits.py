"""A bound on the time of what waits for others, however often they send a little."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Timer

from shrinkmeister.exceptions import StorageError


@contextmanager
def deadline(seconds: float, interrupt: Callable[[], object], who: str) -> Iterator[None]:
    """Raises StorageError, "<who> took more than <seconds> s", where the block does, whatever it raised.

    interrupt  called in another thread if the time ends before the block, and never after the block: makes
               that fail or end which the block waits for, as shutting its socket does. Must not raise
    """
    over = Event()

    def end() -> None:
        over.set()
        interrupt()

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        finally:
            timer.cancel()
            # What it interrupts may be closed after the block, and its number be another file's.
            timer.join()
    except Exception as error:
        if over.is_set():
            raise _late(seconds, who) from error
        raise
    # What was interrupted may look as if it had come to its end.
    if over.is_set():
        raise _late(seconds, who)


def _late(seconds: float, who: str) -> StorageError:
    return StorageError(f"{who} took more than {seconds:g} s")
