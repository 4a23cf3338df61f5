"""sorl's own backend beside ours, on the storages and settings of a test."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.utils.module_loading import import_string
from sorl.thumbnail import default, images
from sorl.thumbnail.base import ThumbnailBackend
from sorl.thumbnail.conf import defaults as sorl_defaults
from sorl.thumbnail.images import get_or_create_storage


def follow_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """sorl keeps the storage, the engine and the key-value store that it has seen first."""
    get_or_create_storage.cache_clear()
    with suppress(ValueError):  # sorl before 13 does not know aliases
        default.storage._setup()
    default.engine._setup()
    default.kvstore._setup()
    if "." in sorl_defaults.THUMBNAIL_STORAGE:
        # sorl before 13 opens a class without OPTIONS, which the storages of tests have.
        default.storage._wrapped = storages[getattr(settings, "THUMBNAIL_STORAGE", "default")]
        monkeypatch.setattr(images, "get_or_create_storage", _storage_of_class)
    for kept in (default.storage, default.engine, default.kvstore):
        monkeypatch.setattr(kept, "_wrapped", kept._wrapped)


def _storage_of_class(path: str) -> Any:
    """Return the first storage of a class."""
    kind = import_string(path)
    return next((one for one in map(storages.__getitem__, storages.backends) if type(one) is kind), None)


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
