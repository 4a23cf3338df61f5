"""The headers of the server's answers: what browsers and pages may do with them; and which Host it is."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.conf import get_tokens
from shrinkmeister.environment import ORIGINS
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from tests.conf.test_environment import manage
from tests.support.sides import Server

SPEC = ThumbnailSpec(Source("storage", "default", "photos/dawn.jpg"), "300x200", {"crop": "center"})
SITE, OTHER = "https://www.example.com", "https://other.example.com"


def thumbnail() -> str:
    return f"/{get_tokens().encrypt(SPEC)}.jpg"


@pytest.fixture
def answers(server: Server, photo: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """One of each kind, asked for by a page of SITE."""
    settings.THUMBNAIL_METRICS = True
    answers = {
        "a redirect": server.get(thumbnail(), origin=SITE),
        "a refusal": server.get("/AAAA.jpg", origin=SITE),
        "JSON": server.get("/AAAA.jpg", origin=SITE, accept="application/json"),
        "nothing": server.get("/nothing", origin=SITE),
        "another method": server.ask("POST", thumbnail()),
        "another host": server.get(thumbnail(), host="elsewhere.example.com"),
        "health": server.get("/healthz", origin=SITE),
        "liveness": server.get("/livez", origin=SITE),
        "metrics": server.get("/metrics", origin=SITE),
    }
    monkeypatch.setattr("shrinkmeister_server.views.thumbnail", lambda request: 1 / 0)
    answers["a surprise"] = server.get(thumbnail(), origin=SITE)
    assert [answer.status_code for answer in answers.values()] == [
        *(302, 403, 403, 404, 405, 400, 200, 200, 200, 500)
    ]
    return answers


def test_of_every_answer(answers: dict[str, Any]) -> None:
    for kind, answer in answers.items():
        assert answer["X-Content-Type-Options"] == "nosniff", kind
        assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'", kind
        assert answer["Referrer-Policy"] == "strict-origin-when-cross-origin", kind
        assert not answer.has_header("Server"), kind
        assert not answer.has_header("X-Powered-By"), kind
        # To whom takes JSON, a thumbnail's URL gives that; what is not kept need not say so.
        assert answer.get("Vary") == ("Accept" if kind == "a redirect" else None), kind
        assert not answer.cookies, kind
        cached = "public, max-age=300" if kind == "a redirect" else "no-store"
        assert answer["Cache-Control"] == cached, kind


def test_any_page_may_show_what_is_of_a_thumbnail(answers: dict[str, Any]) -> None:
    for kind, answer in answers.items():
        # A page of somebody else, open in the network of those who run the server.
        ours = kind in ("liveness", "health", "metrics")
        assert answer["Cross-Origin-Resource-Policy"] == ("same-origin" if ours else "cross-origin"), kind
        assert not answer.has_header("Access-Control-Allow-Origin"), kind
        assert not answer.has_header("Timing-Allow-Origin"), kind


def test_any_page_may_read_it_if_that_is_said(server: Server, photo: str, settings: Any) -> None:
    settings.THUMBNAIL_CORS_ORIGINS = ["*"]
    for path, shared in ((thumbnail(), "*"), ("/AAAA.jpg", "*"), ("/healthz", None)):
        answer = server.get(path, origin=SITE)
        assert answer.get("Access-Control-Allow-Origin") == shared
        assert answer.get("Timing-Allow-Origin") == shared
        assert "Origin" not in answer.get("Vary", "")


@pytest.mark.parametrize("origin", [SITE, OTHER, "null", None])
@pytest.mark.parametrize("path", ["a thumbnail", "/AAAA.jpg", "/nothing"])
def test_pages_of_listed_origins_alone(
    server: Server, photo: str, settings: Any, origin: str | None, path: str
) -> None:
    settings.THUMBNAIL_CORS_ORIGINS = [SITE, "https://m.example.com"]
    headers = {"origin": origin} if origin else {}
    answer = server.get(thumbnail() if path == "a thumbnail" else path, **headers)
    # Also of answers that let nobody read: a cache keeps them for others.
    assert answer["Vary"] == ("Accept, Origin" if path == "a thumbnail" else "Origin")
    assert answer.get("Access-Control-Allow-Origin") == (SITE if origin == SITE else None)
    assert answer["Timing-Allow-Origin"] == f"{SITE}, https://m.example.com"


@pytest.mark.parametrize(("origin", "allowed"), [(SITE, True), (OTHER, False)])
@pytest.mark.parametrize(
    ("path", "method", "methods"),
    [
        ("/AAAA.jpg", "GET", "GET, HEAD, OPTIONS"),
        ("/thumbnails", "POST", "POST, OPTIONS"),
        ("/x", "GET", "GET, HEAD"),
    ],
)
def test_preflights(
    server: Server, settings: Any, origin: str, allowed: bool, path: str, method: str, methods: str
) -> None:
    settings.THUMBNAIL_CORS_ORIGINS = [SITE]
    answer = server.ask("OPTIONS", path, origin=origin, **{"access-control-request-method": method})
    assert answer.status_code == (404 if path == "/x" else 200)
    assert answer.get("Access-Control-Allow-Origin") == (SITE if allowed else None)
    assert answer.get("Access-Control-Allow-Methods") == (methods if allowed else None)
    assert answer.get("Access-Control-Allow-Headers") == ("*" if allowed else None)
    assert answer.get("Access-Control-Max-Age") == ("86400" if allowed else None)


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("*", ["*"]),
        ("https://a.example.com, http://[::1]:8000", ["https://a.example.com", "http://[::1]:8000"]),
        ("http://localhost:3000", ["http://localhost:3000"]),
    ],
)
def test_origins(value: str, origins: list[str]) -> None:
    assert ORIGINS.read({"O": value}, "O") == origins


@pytest.mark.parametrize(
    "value",
    [
        "https://a.example.com/",
        "a.example.com",
        "https://*.example.com",
        "*,https://a.example.com",
        "null",
        "https://A.example.com",
        "https://a.example.com/page",
        ",",
    ],
)
def test_what_is_no_origin(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"variable O is .* such as https://www\.example\.com"):
        ORIGINS.read({"O": value}, "O")


@pytest.mark.parametrize("redirect", [False, True], ids=["plain", "with a redirect to HTTPS"])
@pytest.mark.parametrize("path", ["a thumbnail", "/AAAA.jpg", "/nothing", "/", "/metrics", "/healthz/"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "elsewhere.example.com"},
        {"host": "elsewhere.example.com", "x-forwarded-host": "thumbs.example.com"},
        {"host": "thumbs.example.com.elsewhere.example.com"},
        {"host": "thumbs.example.com@elsewhere.example.com"},
        {"host": "thumbs.example.com:x"},
    ],
    ids=lambda headers: " and ".join(headers.values()),
)
def test_another_host_is_refused_but_for_probes(
    server: Server, photo: str, settings: Any, headers: dict[str, str], path: str, redirect: bool
) -> None:
    settings.THUMBNAIL_METRICS = True
    settings.SECURE_SSL_REDIRECT = redirect
    answer = server.get(thumbnail() if path == "a thumbnail" else path, **headers)
    assert answer.status_code == 400
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"elsewhere" not in answer.content


def test_what_a_proxy_says_of_the_host_is_not_looked_at(server: Server, photo: str) -> None:
    answer = server.get(thumbnail(), **{"x-forwarded-host": "elsewhere.example.com"})
    assert answer.status_code == 302
    assert "elsewhere" not in str(answer.headers)


@pytest.mark.outside
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {
            "SECURE_SSL_REDIRECT": "true",
            "SECURE_HSTS_SECONDS": "31536000",
            "SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO,https",
        },
    ],
    ids=["behind a proxy", "with HSTS"],
)
def test_the_deployment_check_has_nothing_to_say(variables: dict[str, str]) -> None:
    status, output = manage("check", "--deploy", "--fail-level", "WARNING", **variables)
    assert status == 0, output
    assert "WARNINGS" not in output


@pytest.mark.outside
def test_a_debugging_server_is_told_of() -> None:
    status, output = manage("check", "--deploy", "--fail-level", "WARNING", DEBUG="true")
    assert status != 0
    assert "security.W018" in output


def test_https_where_it_is_asked_for(server: Server, photo: str, settings: Any, media: Path) -> None:
    settings.SECURE_HSTS_SECONDS = 3600
    assert server.get(thumbnail())["Strict-Transport-Security"] == "max-age=3600"
