"""Limits of time and size for loading a source."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Timer

from shrinkmeister.exceptions import SourceTooLargeError, StorageError


def check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise SourceTooLargeError(f"the source has more than {max_bytes} bytes")


@contextmanager
def deadline(seconds: float, interrupt: Callable[[], object], peer: str) -> Iterator[None]:
    """Limit the time of a block that waits for a peer, even if the peer keeps sending a little.

    Raises StorageError, "<peer> took more than <seconds> s", if the block takes longer.

    interrupt  makes the block's waiting end or fail, for example by shutting its socket. Another thread
               calls it when the time is over, and never after the block
    """
    over = Event()

    def end() -> None:
        over.set()
        # What it interrupts may have just ended by itself.
        with suppress(OSError, RuntimeError, ValueError):
            interrupt()

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    failure = None
    try:
        yield
    except Exception as error:
        failure = error
        if not over.is_set():
            raise
    finally:
        timer.cancel()
        # After the block a socket may be closed and its number belong to another file.
        timer.join()
    # An interrupted block may also look as if it had finished.
    if over.is_set():
        raise late(peer, seconds) from failure


def late(peer: str, seconds: float) -> StorageError:
    return StorageError(f"{peer} took more than {seconds:g} s")
