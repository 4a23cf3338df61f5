"""sorl's own backend beside ours, on the storages and settings of a test."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.storage import storages
from sorl.thumbnail import default
from sorl.thumbnail.base import ThumbnailBackend
from sorl.thumbnail.images import get_or_create_storage


def follow_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """sorl keeps the storage, the engine and the key-value store that it has seen first."""
    get_or_create_storage.cache_clear()
    default.storage._setup()
    default.engine._setup()
    default.kvstore._setup()
    for kept in (default.storage, default.engine, default.kvstore):
        monkeypatch.setattr(kept, "_wrapped", kept._wrapped)


class Sorl:
    """Makes thumbnails as sorl does."""

    def __init__(self) -> None:
        self.backend = ThumbnailBackend()

    def get(self, file: Any, geometry: str, **options: Any) -> Any:
        return self.backend.get_thumbnail(file, geometry, **options)

    def read(self, file: Any, geometry: str, suffix: str = "", **options: Any) -> bytes:
        """The bytes of a thumbnail; suffix: "@2x" for that resolution."""
        name = self.get(file, geometry, **options).name
        stem, dot, extension = name.rpartition(".")
        with storages["default"].open(f"{stem}{suffix}{dot}{extension}") as stored:
            return bytes(stored.read())


@pytest.fixture
def sorl(monkeypatch: pytest.MonkeyPatch, media: Any, db: None) -> Iterator[Sorl]:
    """For tests that have a storage already."""
    follow_settings(monkeypatch)
    yield Sorl()
    get_or_create_storage.cache_clear()
