"""What is counted for Prometheus, on the server, over its processes, and on a site."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import urllib3
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from sorl.thumbnail import get_thumbnail

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cache.connection import BREAKER_SECONDS
from shrinkmeister.conf import DAY, SettingError, get_config, get_tokens
from shrinkmeister.exceptions import DriverError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from tests.servers.process import wait_until
from tests.servers.thumbnails import running_thumbnail_server
from tests.support.pages import record
from tests.support.pictures import picture
from tests.support.sides import Server

SPEC = ThumbnailSpec(Source("storage", "default", "photos/dawn.jpg"), "300x200", {"crop": "center"})
SECRET = "the secret of the tests, which is long enough"
Counts = dict[tuple[str, frozenset[tuple[str, str]]], float]


def url_of(spec: ThumbnailSpec = SPEC) -> str:
    return f"/{get_tokens().encrypt(spec)}.{spec.extension}"


def counted(text: str) -> Counts:
    """Of what `GET /metrics` answers: (name, labels) -> value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def count(name: str, **labels: str) -> float:
    """Of this process."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def metrics(settings: Any) -> None:
    settings.THUMBNAIL_METRICS = True


@pytest.mark.usefixtures("metrics")
class TestServer:
    def test_requests_by_what_came_of_them(self, server: Server, photo: str) -> None:
        before = counted(server.get("/metrics").content.decode())
        for url in (url_of(), url_of(), url_of(), "/AAAA.jpg", "/nothing"):
            server.get(url)
        answer = server.get("/metrics")
        assert answer["Content-Type"].startswith("text/plain; version=")
        assert answer["Cache-Control"] == "no-store"
        after = counted(answer.content.decode())

        def more(name: str, **labels: str) -> float:
            key = (name, frozenset(labels.items()))
            return after[key] - before.get(key, 0)

        assert more("shrinkmeister_requests_total", outcome="made", code="", status="302") == 1
        assert more("shrinkmeister_requests_total", outcome="found", code="", status="302") == 2
        assert more("shrinkmeister_requests_total", outcome="TokenError", code="token", status="403") == 1
        assert more("shrinkmeister_requests_total", outcome="-", code="", status="404") == 1
        assert more("shrinkmeister_making_seconds_count") == 1
        assert more("shrinkmeister_phase_seconds_count", phase="encode") == 1
        assert more("shrinkmeister_phase_seconds_count", phase="lookup") == 3

    def test_a_look_up_counts_once_for_each_request(self, server: Server, photo: str) -> None:
        """One that makes a thumbnail looks three times."""
        results = ("hit", "miss", "stale")
        before = [count("shrinkmeister_lookups_total", result=one) for one in results]
        for _ in range(3):
            server.get(url_of())
        after = [count("shrinkmeister_lookups_total", result=one) for one in results]
        assert [late - early for early, late in zip(before, after, strict=True)] == [2, 1, 0]


class TestSwitchedOff:
    def test_there_are_no_metrics(self, server: Server) -> None:
        assert server.get("/metrics").status_code == 404

    @pytest.mark.outside
    def test_the_library_is_not_loaded(self) -> None:
        """By the whole server, and by all of a site that shows thumbnails."""
        script = """
import sys
from django.conf import settings
settings.configure(ROOT_URLCONF="shrinkmeister_server.urls", INSTALLED_APPS=["shrinkmeister"])
import django
django.setup()
import shrinkmeister_server.urls, shrinkmeister_server.middleware, shrinkmeister.backend
print("prometheus_client" in sys.modules)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"

    def test_without_the_library_the_check_says_what_to_install(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        settings.THUMBNAIL_METRICS = True
        with pytest.raises(SettingError, match=re.escape('pip install "shrinkmeister[metrics]"')):
            get_config()


@pytest.mark.usefixtures("metrics")
class TestSite:
    """In prometheus_client's own registry, where a site's exporter finds them."""

    def test_look_ups_of_pages(self, media: Path) -> None:
        record("a.jpg", crop="center")
        hits, misses = (count("shrinkmeister_lookups_total", result=one) for one in ("hit", "miss"))
        assert not get_thumbnail("a.jpg", "300x200", crop="center").lazy
        assert get_thumbnail("b.jpg", "300x200", crop="center").lazy
        assert count("shrinkmeister_lookups_total", result="hit") == hits + 1
        assert count("shrinkmeister_lookups_total", result="miss") == misses + 1

    def test_one_that_is_stale(self, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        record("a.jpg", crop="center")
        monkeypatch.setattr(get_shared_cache().lookups, "now", lambda: time.time() + 30 * DAY)
        before = count("shrinkmeister_lookups_total", result="stale")
        get_thumbnail("a.jpg", "300x200", crop="center")
        assert count("shrinkmeister_lookups_total", result="stale") == before + 1

    def test_a_cache_that_fails_and_answers_again(
        self, media: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shared = get_shared_cache()
        now = [0.0]
        monkeypatch.setattr(shared.connection, "clock", lambda: now[0])
        failures = count("shrinkmeister_cache_failures_total", operation="read")

        def open_after_a_page() -> float:
            get_thumbnail("a.jpg", "300x200", crop="center")
            return count("shrinkmeister_cache_open", operation="read")

        assert open_after_a_page() == 0
        with monkeypatch.context() as failing:
            failing.setattr(shared.connection.driver, "get_many", Mock(side_effect=DriverError("refused")))
            assert open_after_a_page() == 1
        assert open_after_a_page() == 1  # it is not asked
        now[0] += BREAKER_SECONDS
        assert open_after_a_page() == 0
        assert count("shrinkmeister_cache_failures_total", operation="read") == failures + 1


@pytest.mark.outside
@pytest.mark.makes_thumbnails
def test_the_processes_of_a_server_count_together(tmp_path: Path, settings: Any) -> None:
    """Each answers for all: what is read twice from one of them, or from two, is the same."""
    settings.THUMBNAIL_SECRET_KEY = SECRET
    counts, photos = tmp_path / "counts", tmp_path / "photos"
    counts.mkdir()
    photos.mkdir()
    (photos / "dawn.jpg").write_bytes(picture())
    location = {"location": str(tmp_path), "base_url": "https://example.com/"}
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": location}
    variables = {
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_LOCATION": "redis://127.0.0.1:1/0",
        "STORAGES": json.dumps({"default": storage}),
        "THUMBNAIL_METRICS": "true",
        "PROMETHEUS_MULTIPROC_DIR": str(counts),
    }
    with running_thumbnail_server(tmp_path, variables, workers=2, threads=1) as server:

        def get(path: str) -> str:
            # A connection of its own, which either of the workers may take.
            answer = urllib3.request(
                "GET", server.url + path, redirect=False, headers={"Connection": "close"}, timeout=60
            )
            return f"{answer.status} {answer.data.decode()}" if path != "/metrics" else answer.data.decode()

        def asked() -> float:
            labels = {("outcome", "TokenError"), ("code", "token"), ("status", "403")}
            return counted(get("/metrics")).get(("shrinkmeister_requests_total", frozenset(labels)), 0.0)

        requests = 0

        def both_have_counted() -> bool:
            nonlocal requests
            assert get("/AAAA.jpg").startswith("403")
            requests += 1
            return len([*counts.glob("counter_*.db")]) == 2

        wait_until(both_have_counted, "both processes to take a request", 60)
        assert [asked() for _ in range(10)] == [requests] * 10
        get(url_of())
        told = counted(get("/metrics"))
        assert told["shrinkmeister_cache_open", frozenset({("operation", "read")})] == 1
        assert told["shrinkmeister_making_seconds_count", frozenset()] == 1
