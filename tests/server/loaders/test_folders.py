"""Sources in a folder that the server may not read."""

import errno
import os
from typing import Any

import pytest
from django.core.files.storage import storages

from shrinkmeister.exceptions import StorageDeniedError, StorageError
from shrinkmeister.protocol.spec import Source
from shrinkmeister_server.loaders.storage import load


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EACCES, StorageDeniedError), (errno.EIO, StorageError)],
    ids=["EACCES", "EIO"],
)
def test_a_file_that_the_server_may_not_read(
    media: Any, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StorageError]
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(storages["default"], "_open", refuse)
    with pytest.raises(StorageError) as raised:
        load(Source("storage", "default", "photos/dawn.jpg"), 1000)
    assert type(raised.value) is kind
