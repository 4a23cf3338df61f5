"""A secret is rotated, on the server first or on the site first: pages that are open meanwhile stay whole.

The steps are those of docs/how-to/rotate-the-secret.md; a page lives through one of them.
"""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from shrinkmeister_server import pipeline
from shrinkmeister_server.rendering import render as rendering
from tests.support.pages import lazy
from tests.support.pictures import picture
from tests.support.sides import Server

pytestmark = pytest.mark.survives("changes of the secret")

OLD = "mW4zq1T8vKx0cN5rB7yHj2LdSg9PfUaE3iQoZtRk"
NEW = "Yb6hJ0nVs3XwEu8KpD1rTg7MqZc4LaFi9OvRy2Bk"
MEDIA_URL = "https://example.com/media/"

Secrets = tuple[str, ...]
# (of the site, of the server), each with the one that it seals with first.
SERVER_FIRST: list[tuple[Secrets, Secrets]] = [
    ((OLD,), (OLD,)),
    ((OLD,), (NEW, OLD)),
    ((NEW, OLD), (NEW, OLD)),
    ((NEW,), (NEW,)),
]
SITE_FIRST: list[tuple[Secrets, Secrets]] = [
    ((OLD,), (OLD,)),
    ((OLD,), (OLD, NEW)),
    ((NEW, OLD), (OLD, NEW)),
    ((NEW, OLD), (NEW, OLD)),
    ((NEW,), (NEW,)),
]


@pytest.mark.parametrize("steps", [SERVER_FIRST, SITE_FIRST], ids=["server first", "site first"])
def test_rotation(
    steps: list[tuple[Secrets, Secrets]],
    media: Path,
    server: Server,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Mock(wraps=rendering.render)
    monkeypatch.setattr(pipeline, "render", made)

    def use(secrets: Secrets) -> None:
        settings.THUMBNAIL_SECRET_KEY, *settings.THUMBNAIL_SECRET_KEY_FALLBACKS = secrets

    def shown(urls: list[str]) -> None:
        for url in urls:
            if url.startswith("https://thumbs"):
                answer = server.get(url)
                assert answer.status_code == 302
                url = answer["Location"]
            assert storages["default"].exists(url.removeprefix(MEDIA_URL))

    names: list[str] = []
    open_page: list[str] = []
    for number, (site_secrets, server_secrets) in enumerate(steps):
        # One more photo in each step, and two thumbnails of it: one is asked for at once, and one later.
        names.append(storages["default"].save(f"photos/{number}.jpg", ContentFile(picture((400, 300)))))
        use(server_secrets)
        shown(open_page)  # the page of before this step
        use(site_secrets)
        page = [lazy(name, geometry).url for name in names for geometry in ("300x200", "100")]
        use(server_secrets)
        shown(page[::2])
        open_page = page
    shown(open_page)
    assert made.call_count == 2 * len(steps)
    # Each has been recorded again with the new secret, and was not made again for that.
    use(steps[-1][0])
    assert not any(lazy(name, geometry).lazy for name in names for geometry in ("300x200", "100"))


def test_a_site_that_is_ahead_of_its_server_is_told(
    media: Path, photo: str, server: Server, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.THUMBNAIL_SECRET_KEY = NEW
    url = lazy(photo).url
    settings.THUMBNAIL_SECRET_KEY = OLD
    assert server.get(url).status_code == 403
    assert "not encrypted with a known secret" in caplog.text
    assert NEW not in caplog.text
