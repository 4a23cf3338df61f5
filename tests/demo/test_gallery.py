"""The example project in a real browser: cold, warm, beside sorl's own backend, on files and on S3."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.demo import Demo, running_demo
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import PATIENT
from tests.support.pictures import picture

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails]

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MINUTES = 60_000
ALL_LOADED = """(count) => {
    const images = [...document.querySelectorAll("img[data-counted]")];
    return images.length === count && images.every((image) => image.complete && image.naturalWidth > 0);
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo"), photos=60) as demo:
        yield demo


class Visitor:
    """A browser with an empty cache that remembers what it has asked for since it last opened a page."""

    def __init__(self, browser: "Browser", demo: Demo, scale: int = 1) -> None:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, device_scale_factor=scale)
        self.page: Page = context.new_page()
        self._demo = demo
        self._requests: list[str] = []
        self.page.on("request", lambda request: self._requests.append(request.url))

    def open(self, path: str, images: int) -> None:
        """Opens a page of the site, and waits until all of its images have really loaded."""
        self._requests.clear()
        # sorl's own backend makes all thumbnails before it answers.
        self.page.goto(f"{self._demo.url}{path}", timeout=2 * MINUTES)
        self.page.wait_for_function(ALL_LOADED, arg=images, timeout=2 * MINUTES)

    def asked_server(self) -> int:
        return sum(url.startswith(self._demo.server_url) for url in self._requests)

    def badges(self, kind: str) -> int:
        return self.page.locator(f".badge.{kind}").count()


def served(demo: Demo, at_least: int) -> int:
    """Thumbnails that the thumbnail server was asked for, by its own log, which lags behind its answers."""

    def count() -> int:
        lines = demo.log.read_text().splitlines()
        return sum(line.startswith("thumbnail server") and '" 302 ' in line for line in lines)

    wait_until(lambda: count() >= at_least, f"{at_least} thumbnails in the demo's log", 60)
    return count()


def test_a_cold_gallery_and_a_warm_one(demo: Demo, browser: "Browser") -> None:
    visitor = Visitor(browser, demo)
    visitor.open("/", 60)
    assert visitor.badges("lazy") == 60
    assert visitor.asked_server() == 60
    assert served(demo, 60) == 60

    visitor.open("/", 60)
    assert visitor.badges("recorded") == 60
    assert visitor.asked_server() == 0

    # A visitor with an empty cache sees final URLs too: it is not the browser that remembered.
    stranger = Visitor(browser, demo)
    stranger.open("/", 60)
    assert stranger.asked_server() == 0
    assert served(demo, 60) == 60


def test_a_page_with_twice_the_resolution(demo: Demo, browser: "Browser") -> None:
    visitor = Visitor(browser, demo, scale=2)
    visitor.open("/", 60)
    visitor.page.locator(".grid a").first.click()
    visitor.page.wait_for_function(ALL_LOADED, arg=1, timeout=MINUTES)
    image = visitor.page.locator("img[data-counted]")
    assert "@2x." in image.evaluate("image => image.currentSrc")
    # The screen has two pixels for each of the page's: all of them are there.
    assert image.evaluate("image => image.naturalWidth") == 900
    visitor.page.reload()
    visitor.page.wait_for_function(ALL_LOADED, arg=1, timeout=MINUTES)
    assert visitor.badges("recorded") == 1
    assert "@2x." in image.evaluate("image => image.currentSrc")


def test_uploading_and_deleting(demo: Demo, browser: "Browser", tmp_path: Path) -> None:
    file = tmp_path / "Zürich & co.jpg"
    file.write_bytes(picture((1200, 900), orientation=6))
    visitor = Visitor(browser, demo)
    visitor.page.goto(f"{demo.url}/upload")
    visitor.page.fill("input[name=title]", "A new photo")
    visitor.page.set_input_files("input[name=image]", str(file))
    visitor.page.click("button.first")
    visitor.page.wait_for_function(ALL_LOADED, arg=60, timeout=MINUTES)
    first = visitor.page.locator(".grid a").first
    assert "A new photo" in first.inner_text()
    first.click()
    visitor.page.wait_for_function(ALL_LOADED, arg=1, timeout=MINUTES)
    # It stands upright, as its EXIF orientation says.
    assert visitor.page.locator("img[data-counted]").evaluate("i => i.naturalHeight > i.naturalWidth")
    visitor.page.click("button.danger")
    visitor.page.wait_for_function(ALL_LOADED, arg=60, timeout=MINUTES)
    assert "A new photo" not in visitor.page.locator(".grid").inner_text()


def test_the_same_page_with_sorls_own_backend(demo: Demo, browser: "Browser") -> None:
    visitor = Visitor(browser, demo)
    visitor.open("/?backend=sorl", 60)
    assert visitor.badges("sorl") == 60
    assert visitor.asked_server() == 0


def test_it_stops_both_servers(tmp_path: Path) -> None:
    with running_demo(tmp_path, photos=1) as demo:
        pass
    assert demo.process.returncode == 0
    import urllib.error
    import urllib.request

    for url in (demo.url, demo.server_url):
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(url)


def test_the_same_demo_on_redis_and_s3(
    browser: "Browser",
    tmp_path: Path,
    redis_server: RedisServer,
    redis_location: str,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
) -> None:
    photos, thumbs = s3_bucket(public=True), s3_bucket(public=True)
    variables = {
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        "DEMO_SOURCE_BUCKET": photos,
        "THUMBNAIL_BUCKET": thumbs,
        **s3_server.variables,
        **PATIENT,
    }
    with running_demo(tmp_path, photos=6, variables=variables) as demo:
        visitor = Visitor(browser, demo)
        visitor.open("/", 6)
        assert visitor.badges("lazy") == 6
        visitor.open("/", 6)
        assert visitor.badges("recorded") == 6
        assert visitor.asked_server() == 0
        final = visitor.page.locator("img[data-counted]").first.get_attribute("src")
        assert final is not None
        assert final.startswith(f"{s3_server.endpoint_url}/{thumbs}/cache/")
