"""The example project in a real browser: cold, warm, beside sorl's own backend, on files and on S3."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.servers.demo import MANAGE, Demo, running_demo
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import PATIENT
from tests.support.pictures import picture

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails]

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

MINUTES = 60_000
PHOTOS = 12
# On a busy machine a browser gets its pictures late, and not an error.
VARIABLES = {**PATIENT, "THUMBNAIL_WAIT_SECONDS": "120"}
PHOTOGRAPHS = MANAGE.parent / "gallery" / "photographs"
EXIF_ORIENTATION = 0x0112
ALL_LOADED = """(count) => {
    const images = [...document.querySelectorAll("img[data-counted]")];
    return images.length === count && images.every((image) => image.complete && image.naturalWidth > 0);
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(
        tmp_path_factory.mktemp("demo"), "--photos", f"{PHOTOS}", variables=VARIABLES
    ) as demo:
        yield demo


class Visitor:
    """A browser tab, by default with an empty cache. It knows what its last page has asked for."""

    def __init__(
        self, browser: "Browser", demo: Demo, scale: int = 1, context: "BrowserContext | None" = None
    ) -> None:
        self.context = context or browser.new_context(
            viewport={"width": 1280, "height": 900}, device_scale_factor=scale
        )
        self.page: Page = self.context.new_page()
        # sorl's own backend makes all thumbnails before it answers.
        self.page.set_default_timeout(3 * MINUTES)
        self._demo = demo
        self._requests: list[str] = []
        self.page.on("request", lambda request: self._requests.append(request.url))

    def open(self, path: str, images: int) -> None:
        """Open a page of the site and wait until all of its images have loaded."""
        self._requests.clear()
        self.page.goto(f"{self._demo.url}{path}")
        self.wait_for(images)

    def start_cold(self, images: int) -> None:
        """Press the button and wait for the page that follows."""
        self._requests.clear()
        with self.page.expect_response(lambda answer: answer.request.method == "POST") as posted:
            self.page.click("form[action^='/forget'] button")
        assert posted.value.status == 302
        self.page.wait_for_selector("[role=status]")
        self.wait_for(images)

    def wait_for(self, images: int) -> None:
        self.page.wait_for_function(ALL_LOADED, arg=images)

    def asked_server(self) -> int:
        return sum(url.startswith(self._demo.server_url) for url in self._requests)

    def badges(self, kind: str) -> int:
        return self.page.locator(f".badge.{kind}").count()

    def number(self, name: str) -> int:
        """Return a number of the bar: what the page has cost."""
        return int(self.page.locator(f".numbers [data-number={name}]").inner_text())


def served(demo: Demo, at_least: int) -> int:
    """Return how many thumbnails the server has served by its log, which can lag behind its answers."""

    def count() -> int:
        lines = demo.log.read_text().splitlines()
        return sum(line.startswith("thumbnail server") and '" 302 ' in line for line in lines)

    wait_until(lambda: count() >= at_least, f"{at_least} thumbnails in the demo's log", 60)
    return count()


def test_the_photographs() -> None:
    catalogue = json.loads((PHOTOGRAPHS / "catalogue.json").read_text())
    files = [PHOTOGRAPHS / entry["file"] for entry in catalogue]
    assert len({entry["title"] for entry in catalogue}) == len(set(files)) == 60
    assert {path.name for path in files} == {
        path.name for path in PHOTOGRAPHS.iterdir() if path.suffix not in (".json", ".md")
    }
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    formats, orientations = set(), set()
    for path in files:
        with Image.open(path) as image:
            assert 1200 <= max(image.size) <= 2400
            formats.add(image.format)
            orientations.add(image.getexif().get(EXIF_ORIENTATION, 1))
    assert formats == {"JPEG", "PNG", "WEBP"}
    assert {1, 6} <= orientations


def test_a_cold_gallery_and_a_warm_one(demo: Demo, browser: "Browser") -> None:
    visitor = Visitor(browser, demo)
    visitor.open("/", PHOTOS)
    assert visitor.badges("server.done") == PHOTOS
    assert visitor.number("lazy") == PHOTOS
    assert visitor.asked_server() == PHOTOS
    assert served(demo, PHOTOS) == PHOTOS

    visitor.open("/", PHOTOS)
    assert visitor.badges("storage.done") == PHOTOS
    assert (visitor.number("lazy"), visitor.number("stored")) == (0, PHOTOS)
    assert visitor.number("cache_requests") >= 1
    assert visitor.asked_server() == 0

    # A visitor with an empty cache sees final URLs too, so it is not the browser that remembered them.
    stranger = Visitor(browser, demo)
    stranger.open("/", PHOTOS)
    assert stranger.asked_server() == 0
    assert served(demo, PHOTOS) == PHOTOS


def test_a_fresh_browser_starts_cold(demo: Demo, browser: "Browser") -> None:
    first = Visitor(browser, demo)
    first.open("/", PHOTOS)
    second = Visitor(browser, demo, context=first.context)
    second.open("/?backend=sorl", PHOTOS)
    first.start_cold(PHOTOS)
    assert first.badges("server.done") == first.asked_server() == PHOTOS
    # The other tab was opened before, and its form still works.
    second.start_cold(PHOTOS)
    assert second.badges("page.done") == second.number("made") == PHOTOS
    assert second.asked_server() == 0


def test_a_picture_that_does_not_arrive_has_a_badge_that_says_so(demo: Demo, browser: "Browser") -> None:
    visitor = Visitor(browser, demo)
    visitor.open("/", PHOTOS)
    visitor.context.route(f"{demo.server_url}/**", lambda route: route.abort())
    visitor.page.click("form[action^='/forget'] button")
    visitor.page.wait_for_function(
        "(count) => document.querySelectorAll('.badge.failed').length === count", arg=PHOTOS
    )
    assert visitor.badges("done") == 0


def test_a_page_with_twice_the_resolution(demo: Demo, browser: "Browser") -> None:
    visitor = Visitor(browser, demo, scale=2)
    visitor.open("/", PHOTOS)
    visitor.page.locator(".grid a").first.click()
    visitor.wait_for(1)
    image = visitor.page.locator("img[data-counted]")
    assert "@2x." in image.evaluate("image => image.currentSrc")
    # The browser counts two pixels of the file as one. The file is as large as the photograph, which is
    # smaller than twice 1080 pixels.
    assert image.evaluate("image => image.naturalWidth") == 800
    visitor.page.reload()
    visitor.wait_for(1)
    assert visitor.badges("storage") == 1
    assert "@2x." in image.evaluate("image => image.currentSrc")


def test_uploading_and_deleting(demo: Demo, browser: "Browser", tmp_path: Path) -> None:
    file = tmp_path / "Zürich & co.jpg"
    file.write_bytes(picture((1200, 900), orientation=6))
    visitor = Visitor(browser, demo)
    visitor.page.goto(f"{demo.url}/upload")
    visitor.page.fill("input[name=title]", "A new photo")
    visitor.page.set_input_files("input[name=image]", str(file))
    visitor.page.click("button.first")
    visitor.wait_for(PHOTOS + 1)
    first = visitor.page.locator(".grid a").first
    assert "A new photo" in first.inner_text()
    first.click()
    visitor.wait_for(1)
    # The picture is upright, as its EXIF orientation says.
    assert visitor.page.locator("img[data-counted]").evaluate("i => i.naturalHeight > i.naturalWidth")
    visitor.page.click("button.danger")
    visitor.wait_for(PHOTOS)
    assert "A new photo" not in visitor.page.locator(".grid").inner_text()


def test_the_same_page_with_sorls_own_backend(demo: Demo, browser: "Browser") -> None:
    visitor = Visitor(browser, demo)
    visitor.open("/?backend=sorl", PHOTOS)
    visitor.open("/?backend=sorl", PHOTOS)
    assert visitor.badges("storage.done") == visitor.number("stored") == PHOTOS
    assert visitor.asked_server() == 0


def test_both_backends_side_by_side(demo: Demo, browser: "Browser") -> None:
    visitor = Visitor(browser, demo)
    visitor.page.goto(f"{demo.url}/compare")
    visitor.page.click("form.measure button")
    cells = "[...document.querySelectorAll('td[data-backend]')]"
    visitor.page.wait_for_function(f"{cells}.every(cell => /[0-9]/.test(cell.textContent))")

    def number(visit: str, name: str, backend: str) -> int:
        cell = f"[data-visit={visit}] [data-number={name}] [data-backend={backend}]"
        return int(visitor.page.locator(cell).inner_text())

    assert number("cold", "made", "sorl") == PHOTOS
    assert number("warm", "made", "sorl") == 0
    for visit in ("cold", "warm"):
        assert number(visit, "made", "shrinkmeister") == 0
        assert number(visit, "cache_requests", "shrinkmeister") >= 1
        assert number(visit, "cache_requests", "sorl") >= PHOTOS
    assert number("cold", "queries", "sorl") > PHOTOS > number("cold", "queries", "shrinkmeister")
    assert visitor.asked_server() == PHOTOS


def test_it_shows_all_photographs_and_stops_both_servers(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo, urllib.request.urlopen(demo.url) as answer:
        assert answer.read().count(b"data-counted") == 60
    assert demo.process.returncode == 0
    for url in (demo.url, demo.server_url):
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(url)


def test_a_demo_that_is_started_again_with_fresh(browser: "Browser", tmp_path: Path) -> None:
    with running_demo(tmp_path, "--photos", "2", variables=VARIABLES) as demo:
        visitor = Visitor(browser, demo)
        visitor.open("/", 2)
    with running_demo(tmp_path, "--photos", "2", "--fresh", variables=VARIABLES) as demo:
        # Cookies ignore the port, so this tab has those of the first run.
        visitor = Visitor(browser, demo, context=visitor.context)
        visitor.open("/", 2)
        assert visitor.asked_server() == 2
        visitor.start_cold(2)
        assert visitor.asked_server() == 2


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
        **VARIABLES,
    }
    with running_demo(tmp_path, "--photos", "6", variables=variables) as demo:
        visitor = Visitor(browser, demo)
        visitor.open("/", 6)
        assert visitor.badges("server.done") == 6
        visitor.open("/", 6)
        assert visitor.badges("storage.done") == 6
        assert visitor.page.locator(".badge").first.inner_text() == "from S3"
        assert visitor.number("cache_requests") >= 1
        assert visitor.asked_server() == 0
        final = visitor.page.locator("img[data-counted]").first.get_attribute("src")
        assert final is not None
        assert final.startswith(f"{s3_server.endpoint_url}/{thumbs}/cache/")
