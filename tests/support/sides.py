"""Client and server in one process: fixtures that configure both, over storages and caches of choice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client

from shrinkmeister_server.conf import OTHER_SETTINGS, SETTINGS
from tests.site.caches import SharedMemoryCache
from tests.support.pictures import picture

# What shrinkmeister_server/settings.py sets when the environment is silent.
SERVER_SETTINGS: dict[str, Any] = {
    "ROOT_URLCONF": "shrinkmeister_server.urls",
    "MIDDLEWARE": [
        "shrinkmeister_server.observability.access_log.AccessLogMiddleware",
        "shrinkmeister_server.middleware.headers_middleware",
        "django.middleware.security.SecurityMiddleware",
        "shrinkmeister_server.middleware.HostMiddleware",
    ],
    "APPEND_SLASH": False,
    "SECURE_CONTENT_TYPE_NOSNIFF": True,
    **{row.name: row.default for row in (*SETTINGS.values(), *OTHER_SETTINGS) if "THUMBNAIL_" in row.name},
    "THUMBNAIL_LOCK_SECONDS": 30,
    "SECURE_REFERRER_POLICY": "strict-origin-when-cross-origin",
}


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    yield
    for cache in caches.all():
        if type(cache) in (LocMemCache, SharedMemoryCache):
            cache.clear()


@pytest.fixture
def media(settings: Any, tmp_path: Path) -> Path:
    """The site's storage is a folder, which a web server would show at example.com."""
    folder = tmp_path / "media"
    settings.STORAGES = {
        "default": {
            "BACKEND": "django.core.files.storage.filesystem.FileSystemStorage",
            "OPTIONS": {"location": str(folder), "base_url": "https://example.com/media/"},
        },
    }
    settings.THUMBNAIL_SOURCES = ["storage://default"]
    return folder


@pytest.fixture
def photo(media: Path) -> str:
    """The name of a source, 400x300 pixels, in the folder."""
    return storages["default"].save("photos/dawn.jpg", ContentFile(picture((400, 300))))


class Server:
    """The thumbnail server in this process, asked as a browser asks it."""

    def __init__(self, settings: Any) -> None:
        for name, value in SERVER_SETTINGS.items():
            setattr(settings, name, value)
        settings.ALLOWED_HOSTS = ["thumbs.example.com"]
        self._client = Client(raise_request_exception=False)

    def get(self, url: str, **headers: str) -> Any:
        return self._ask("GET", url, headers)

    def head(self, url: str, **headers: str) -> Any:
        return self._ask("HEAD", url, headers)

    def ask(self, method: str, url: str, **headers: str) -> Any:
        return self._ask(method, url, headers)

    def post(self, url: str, body: bytes, **headers: str) -> Any:
        return self._ask("POST", url, headers, body)

    def raw(self, path: bytes, **headers: str) -> Any:
        """The path as a WSGI server hands it over: decoded of its `%`, and perhaps no text."""
        return self._client.get(
            "/", secure=True, headers=self._headers(headers), PATH_INFO=path.decode("latin-1")
        )

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Any:
        path = "/" + url.removeprefix("https://thumbs.example.com").removeprefix("/")
        return self._client.generic(method, path, body, secure=True, headers=self._headers(headers))

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {"host": "thumbs.example.com", **headers}


@pytest.fixture
def server(settings: Any) -> Server:
    return Server(settings)
