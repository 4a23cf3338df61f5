"""Pages of a site: templates, records as the server writes them, and a site that must not be touched."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.template import Context, Template
from sorl.thumbnail import default, get_thumbnail

from shrinkmeister import cleanup
from shrinkmeister.backend import make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.protocol.keys import DISTRUST_BEFORE_KEY, object_name
from shrinkmeister.protocol.records import SourceRecord, ThumbnailRecord
from shrinkmeister.thumbnails.thumbnail import Thumbnail

CDN = "https://cdn.example.com/"
NAME = "photos/dawn.jpg"


class Untouchable:
    """Stands where nothing may look."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a page touched {name}")


class UntouchableStorage(FileSystemStorage):
    """Knows where it is, and does nothing."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a page asked a storage")

    open = save = delete = exists = listdir = size = url = path = _refuse
    get_created_time = get_modified_time = get_accessed_time = _refuse


class Trips:
    """Counts the look-ups of the shared cache, and the records that each asks for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[int] = []
        driver = type(get_shared_cache().connection.driver)
        get_many = driver.get_many

        def counted(driver: Any, keys: Any) -> Any:
            keys = list(keys)
            self.keys.append(sum(not key.endswith(DISTRUST_BEFORE_KEY) for key in keys))
            return get_many(driver, keys)

        monkeypatch.setattr(driver, "get_many", counted)

    def taken(self) -> int:
        count = len(self.keys)
        self.keys.clear()
        return count


def render(template: str, **context: Any) -> str:
    return Template(template).render(Context(context)).strip()


def record(
    name: str = NAME,
    geometry: str = "300x200",
    resolutions: tuple[str, ...] = (),
    source: SourceRecord | None = None,
    **options: Any,
) -> str:
    """What the server writes when it has made a thumbnail, and the URL in it."""
    spec = make_spec(name, geometry, options, get_config())
    get_shared_cache().records.save(spec, ThumbnailRecord(300, 200, f"{CDN}cache/", resolutions), source)
    return CDN + object_name(spec, "cache/")


def lazy(name: str = NAME, geometry: str = "300x200", **options: Any) -> Thumbnail:
    thumbnail = get_thumbnail(name, geometry, **options)
    assert isinstance(thumbnail, Thumbnail)
    return thumbnail


@pytest.fixture
def untouchable(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A storage, a database and an engine that raise on any touch."""
    settings.STORAGES = {"default": {"BACKEND": "tests.support.pages.UntouchableStorage"}}
    monkeypatch.setattr(default.engine, "_wrapped", Untouchable())
    monkeypatch.setattr(default.kvstore, "_wrapped", Untouchable())

    def refuse(*args: Any) -> None:
        raise AssertionError("a page did SQL")

    with connection.execute_wrapper(refuse):
        yield


@pytest.fixture
def connected_cleanup() -> Iterator[None]:
    """The receivers of THUMBNAIL_CLEANUP, until the end of the test."""
    cleanup.connect()
    yield
    for model in apps.get_models():
        for signal, receiver in cleanup.RECEIVERS:
            signal.disconnect(receiver, sender=model)
