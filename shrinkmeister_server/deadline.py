"""An end for what takes its time: the timeout of a socket begins anew with each byte."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from shrinkmeister.exceptions import StorageError


@contextmanager
def deadline(seconds: float, interrupt: Callable[[], None]) -> Iterator[None]:
    """Bounds the block, which reads a source.

    interrupt: called in another thread when the time is over; makes the block end

    Raises StorageError where it was called, whatever the block has done then.
    """
    over = threading.Event()

    def end() -> None:
        over.set()
        # The block may end by itself just now: then there is nothing to interrupt any more.
        with suppress(OSError, RuntimeError, ValueError):
            interrupt()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    failed: Exception | None = None
    try:
        yield
    except Exception as error:
        failed = error
        if not over.is_set():
            raise
    finally:
        timer.cancel()
    if over.is_set():
        raise StorageError(f"the source took more than {seconds} s") from failed
