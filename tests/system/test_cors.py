"""A page that reads a thumbnail's pixels, in a real browser: page, server and bucket of three origins."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests.servers.process import HOST
from tests.servers.thumbnails import running_thumbnail_server
from tests.support.pictures import picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails]

SECRET = "nQ7xV2mLr9TzKc4WbY8jHs3DfPg6UaE1"
SPEC = ThumbnailSpec(Source("storage", "default", "dawn.jpg"), "30x20", {"crop": "center"})
READ = """
async url => {
    const load = crossOrigin => new Promise(done => {
        const image = new Image();
        image.crossOrigin = crossOrigin;
        image.onload = () => done(image);
        image.onerror = () => done(null);
        image.src = `${url}?${crossOrigin}`;
    });
    const image = await load('anonymous');
    let pixels = 0;
    if (image) {
        const context = document.createElement('canvas').getContext('2d');
        context.drawImage(image, 0, 0);
        pixels = context.getImageData(0, 0, 30, 20).data.length;
    }
    return {
        shown: Boolean(await load(null)),
        pixels,
        fetched: await fetch(`${url}?fetch`).then(answer => answer.status, () => 'refused'),
        // In its own words, of a URL that the page has just shown, and that the browser has kept.
        told: await fetch(`${url}?null`, {headers: {Accept: 'application/json'}})
            .then(answer => answer.json(), () => 'refused'),
        batch: await fetch(new URL('/thumbnails', url), {
            method: 'POST',
            headers: {'Content-Type': 'application/json'},
            body: JSON.stringify({thumbnails: [url, 'AAAA.jpg']}),
        }).then(answer => answer.json(), () => 'refused'),
        timed: performance.getEntriesByType('resource').some(entry => entry.redirectStart > 0),
    };
}
"""


class Host:
    """A folder over HTTP, which any page may read, and which remembers what it is asked with."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.origins: set[str | None] = set()
        self.referers: set[str | None] = set()
        this = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                this.origins.add(self.headers["Origin"])
                this.referers.add(self.headers["Referer"])
                file = folder / self.path.lstrip("/")
                self.send_response(200 if file.is_file() else 404)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Timing-Allow-Origin", "*")
                self.end_headers()
                self.wfile.write(file.read_bytes() if file.is_file() else b"")

            def log_message(self, *args: object) -> None:
                pass

        server = stack.enter_context(ThreadingHTTPServer((HOST, 0), Handler))
        Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        self.url = f"http://{HOST}:{server.server_port}"


@contextmanager
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """A site with an empty page, and a bucket with a photograph."""
    (tmp_path / "page.html").write_text("<!doctype html>")
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    (bucket / SPEC.source.name).write_bytes(picture())
    with ExitStack() as stack:
        yield Host(stack, tmp_path), Host(stack, bucket)


@pytest.mark.parametrize("listed", ["*", "the site", "another site"])
def test_a_page_reads_a_thumbnail(tmp_path: Path, browser: "Browser", listed: str) -> None:
    with hosts(tmp_path) as (site, bucket):
        origins = {"*": "*", "the site": site.url, "another site": "https://other.example.com"}
        location = {"location": str(tmp_path / "bucket"), "base_url": f"{bucket.url}/"}
        storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": location}
        variables = {
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_CACHE_LOCATION": "redis://127.0.0.1:1/0",
            "STORAGES": json.dumps({"default": storage}),
            "THUMBNAIL_CORS_ORIGINS": origins[listed],
        }
        with running_thumbnail_server(tmp_path, variables) as server:
            page = browser.new_page()
            page.goto(f"{site.url}/page.html")
            seen = page.evaluate(READ, f"{server.url}/{Tokens([SECRET]).encrypt(SPEC)}.jpg")
            page.close()
        allowed = listed != "another site"
        told, batch = seen.pop("told"), seen.pop("batch")
        if allowed:
            assert (told["width"], told["height"], told["format"]) == (30, 20, "JPEG")
            assert told["url"].startswith(f"{bucket.url}/cache/")
            refused = {
                "status": 403,
                "error": "This URL was not made by a client of this server.",
                "code": "token",
            }
            assert batch == {"thumbnails": [told, refused]}
        else:
            assert (told, batch) == ("refused", "refused")
        assert seen == {
            "shown": True,
            "pixels": 30 * 20 * 4 if allowed else 0,
            "fetched": 200 if allowed else "refused",
            "timed": allowed,
        }
        # After the redirect, which is why the bucket cannot list the site; its rules may ask for a Referer.
        assert bucket.origins == ({None, "null"} if allowed else {None})
        assert bucket.referers == {f"{site.url}/"}
