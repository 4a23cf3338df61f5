"""A bound on the time of a block, of which something else interrupts what it waits for."""

from threading import Event
from unittest.mock import Mock

import pytest

from shrinkmeister.exceptions import SourceMissingError, StorageError
from shrinkmeister_server.loaders.limits import deadline

LONG, SHORT = 60, 0.01


def test_a_block_in_time_is_not_interrupted() -> None:
    interrupt = Mock()
    with deadline(LONG, interrupt, "the host"):
        pass
    interrupt.assert_not_called()


def test_what_a_block_in_time_raises_is_its_own() -> None:
    with pytest.raises(SourceMissingError), deadline(LONG, Mock(), "the host"):
        raise SourceMissingError


def test_a_late_block_fails_though_it_ends_well() -> None:
    interrupted = Event()
    with (
        pytest.raises(StorageError, match=r"^the host took more than 0\.01 s$"),
        deadline(SHORT, interrupted.set, "the host"),
    ):
        assert interrupted.wait(LONG)


def test_a_late_block_fails_for_being_late() -> None:
    interrupted = Event()

    def read() -> None:
        assert interrupted.wait(LONG)
        raise OSError("the connection is gone")

    with (
        pytest.raises(StorageError, match="took more than") as failure,
        deadline(SHORT, interrupted.set, "the host"),
    ):
        read()
    assert isinstance(failure.value.__cause__, OSError)
