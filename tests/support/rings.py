"""The fast ring of tests: `pytest --fast` leaves out what starts a process or opens a connection.

A test's fixtures decide, or its mark `outside`. A test that needs the mark and has none fails in this ring.
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

# By this variable fixtures know the ring: a test may ask for a server for one of its parameters only.
FAST = "TEST_FAST"
# Fixtures that start a program, need one or connect to a port where nothing listens.
OUTSIDE = {
    *("redis_server", "memcached_server", "s3_server", "azure_server", "google_server", "browser"),
    *("graphicsmagick", "lambda_python", "lambda_runtime", "deployment", "wheel", "dead_driver"),
}
EVENTS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "socket.connect"}


def is_fast(item: pytest.Item) -> bool:
    """Return whether a test is of the fast ring."""
    marked = any(item.get_closest_marker(name) for name in ("outside", "slow", "survives"))
    return not marked and not OUTSIDE & set(getattr(item, "fixturenames", ()))


class Guard:
    """Refuses processes and connections. A test fails that has tried, even if it has caught the error."""

    def __init__(self) -> None:
        self._refused: list[str] | None = None
        sys.addaudithook(self._audit)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self._refused = []
        try:
            return (yield)
        finally:
            self._refused = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        yield
        if self._refused:
            pytest.fail(f"not marked `outside`, but tried {'; '.join(self._refused)}", pytrace=False)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._refused is not None and event in EVENTS:
            # The program, or the address.
            self._refused.append(f"{event} {arguments[1 if event == 'socket.connect' else 0]!r}")
            raise RuntimeError(f"the fast ring allows no {event}")
