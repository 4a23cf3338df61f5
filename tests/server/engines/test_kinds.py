"""Each kind of picture looks in a thumbnail as it does in a browser."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.engines.comparison import FILE, cell, reference
from tests.server.engines.kinds import KINDS, PILLOW, VIPS, Kind

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.makes_thumbnails


@pytest.fixture(scope="module")
def page(browser: "Browser") -> Iterator[Any]:
    with browser.new_context() as context:
        yield context.new_page()


@pytest.mark.slow
@pytest.mark.parametrize("engine", [PILLOW, VIPS])
@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])
def test_a_thumbnail_shows_what_a_browser_shows(kind: Kind, engine: str, page: Any, server: Any) -> None:
    if not kind.needs:
        pytest.skip("a library here cannot write it")
    found = cell(page, kind, engine)
    # A known difference that is gone does not stay in the table.
    assert found.is_right(kind) == (engine not in kind.differs), found


def test_each_tolerance_has_a_reason() -> None:
    assert [kind.name for kind in KINDS if kind.tolerance > 1 and not kind.why] == []


def test_the_page_has_what_the_kinds_expect() -> None:
    """`python -m tests.server.engines.comparison page` writes it."""
    assert FILE.read_text(encoding="utf-8") == reference()
