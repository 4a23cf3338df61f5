"""The clients in other languages: their own tests, which run the vectors, and each with a real server.

A client's example program is a page with one thumbnail, and prints it.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests import ROOT
from tests.conftest import left_out_if_missing
from tests.servers.process import find_program
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import PATIENT, running_thumbnail_server
from tests.support.pictures import picture, size_of

pytestmark = [pytest.mark.outside, pytest.mark.clients, pytest.mark.makes_thumbnails]

CLIENTS = ROOT / "clients"
SECRET = "the secret of all clients is long enough"
FORMER = "the secret of before is long enough too"
NAME = "Zürich/日本 1+1.jpg"


@dataclass(frozen=True)
class Client:
    """A client's folder and commands.

    programs        the programs that it needs, with Debian's packages
    prepare         commands that run first, in its folder
    test            the command that runs its tests, in its folder
    example         the command of its example
    example_folder  where the example runs, relative to its folder
    """

    folder: str
    programs: dict[str, str]
    prepare: tuple[tuple[str, ...], ...]
    test: tuple[str, ...]
    example: tuple[str, ...]
    example_folder: str = ""

    def run(self, *command: str, folder: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=CLIENTS / self.folder / folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=600,
        )

    def ready(self) -> None:
        with left_out_if_missing():
            for program, package in self.programs.items():
                find_program(program, package)
        for command in self.prepare:
            done = self.run(*command)
            assert done.returncode == 0, done.stdout + done.stderr


PHP = {"php": "php-cli", "phpunit": "phpunit"}
ALL = [
    Client(
        "javascript",
        {"node": "nodejs", "npm": "npm"},
        (("npm", "ci", "--no-audit", "--no-fund"),),
        ("npm", "test"),
        ("node", "example/thumbnail.js"),
    ),
    Client("php", PHP, (), ("phpunit",), ("php", "example/thumbnail.php")),
    Client(
        "go",
        {"go": "golang"},
        (("go", "vet", "./..."), ("go", "-C", "example", "vet", "./...")),
        # Go's cache of test results does not see changes of the vectors.
        ("go", "test", "-count=1", "./..."),
        ("go", "run", "."),
        "example",
    ),
]


@pytest.fixture(params=ALL, ids=lambda client: client.folder)
def client(request: pytest.FixtureRequest) -> Client:
    client: Client = request.param
    client.ready()
    return client


def test_its_own_tests(client: Client) -> None:
    done = client.run(*client.test)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Page:
    """A client's example, which runs with these environment variables."""

    client: Client
    variables: dict[str, str]

    def show(self, *arguments: str, **variables: str) -> dict[str, Any]:
        done = self.run(*arguments, **variables)
        assert done.returncode == 0, done.stderr
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = (*self.client.example, *arguments)
        return self.client.run(
            *command, folder=self.client.example_folder, **{**self.variables, **variables}
        )


def test_against_a_real_server(
    client: Client, tmp_path: Path, s3_server: S3Server, s3_bucket: Callable[..., str], redis_location: str
) -> None:
    """The server makes a thumbnail at the client's URL, and the client then finds its record."""
    media, thumbs = s3_bucket(), s3_bucket(public=True)
    s3_server.client().put_object(Bucket=media, Key=NAME, Body=picture((400, 300)))
    variables = {
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": "1.5,2",
    }
    of_server = {"THUMBNAIL_BUCKET": thumbs, "THUMBNAIL_SOURCES": f"s3://{media}", **s3_server.variables}
    with running_thumbnail_server(tmp_path, {**variables, **of_server}) as server:
        page = Page(client, {**variables, "THUMBNAIL_SERVER_URL": f"{server.url}/", **PATIENT})
        wanted = (
            f"s3://{media}/{NAME}",
            "300",
            "crop=noop",
            "quality=80",
            "format=WEBP",
            "blur=1.5",
            "mine=[1]",
        )

        lazy = page.show(*wanted)
        assert lazy["url"].startswith(f"{server.url}/A")
        assert {**lazy, "url": ""} == {"url": "", "width": None, "height": None, "lazy": True}
        answer = urllib3.request("GET", lazy["url"], redirect=False, retries=False, timeout=60)
        assert answer.status == 302, server.log.read_text()

        final = page.show(*wanted)
        assert final == {"url": answer.headers["Location"], "width": 300, "height": 225, "lazy": False}
        shown = urllib3.request("GET", final["url"], timeout=60)
        assert (shown.status, size_of(shown.data)) == (200, (300, 225))
        assert shown.headers["Content-Type"] == "image/webp"

        # Pages that rotate the secret, that have another secret, and whose cache is down.
        rotated = page.show(*wanted, THUMBNAIL_SECRET_KEY=FORMER, THUMBNAIL_SECRET_KEY_FALLBACKS=SECRET)
        assert rotated == final
        stranger = page.show(*wanted, THUMBNAIL_SECRET_KEY=FORMER)
        assert (stranger["lazy"], stranger["width"]) == (True, None)
        assert urllib3.request("GET", stranger["url"], redirect=False, timeout=60).status == 403
        without = page.show(*wanted, THUMBNAIL_CACHE_LOCATION="redis://127.0.0.1:1/0")
        assert without == lazy
        assert page.show(*wanted, THUMBNAIL_CACHE_LOCATION="") == lazy
        assert page.show(*wanted, THUMBNAIL_ALTERNATIVE_RESOLUTIONS="3") == {
            **lazy,
            "width": 300,
            "height": 225,
        }


def test_errors_name_the_invalid_value_but_no_secret(client: Client) -> None:
    page = Page(
        client, {"THUMBNAIL_SECRET_KEY": SECRET, "THUMBNAIL_SERVER_URL": "https://thumbs.example.com"}
    )
    for arguments, variables, part in (
        (("s3://photos/a.jpg", "0x0"), {}, "0x0"),
        (("photos/a.jpg", "300"), {}, "photos/a.jpg"),
        (("s3://photos/a.jpg", "300", "format=TIFF"), {}, "TIFF"),
        (("s3://photos/a.jpg", "300"), {"THUMBNAIL_SECRET_KEY": "too short"}, "32"),
        (
            ("s3://photos/a.jpg", "300"),
            {"THUMBNAIL_SERVER_URL": "https://site:hunter2@thumbs.example.com"},
            "***@thumbs.example.com",
        ),
        (("s3://photos/a.jpg", "300"), {"THUMBNAIL_SECRET_KEY": "hunter2" * 6}, "7 characters"),
        (
            ("s3://photos/a.jpg", "300"),
            {"THUMBNAIL_SERVER_URL": "thumbs.example.com"},
            "thumbs.example.com",
        ),
    ):
        done = page.run(*arguments, **variables)
        assert done.returncode, arguments
        assert part in done.stderr
        assert not done.stdout
        assert "too short" not in done.stderr
        assert "hunter2" not in done.stderr
        assert SECRET not in done.stderr
    wanted = ("s3://photos/a.jpg", "300")
    for location in (
        "redis://:hunter2@host:port/0",
        "redis://:hunter2%zz@host/0",
        "reds://:hunter2@host/0",
    ):
        done = page.run(*wanted, THUMBNAIL_CACHE_LOCATION=location)
        # PHP connects at the first look-up, so that the invalid location is a failure of the cache.
        part = "shared cache" if client.folder == "php" else "THUMBNAIL_CACHE_LOCATION"
        assert part in done.stderr
        assert "hunter2" not in done.stdout + done.stderr
    # Lists have the same syntax as the server's.
    assert page.show(*wanted, THUMBNAIL_ALTERNATIVE_RESOLUTIONS="1.5, 2,")["lazy"]
