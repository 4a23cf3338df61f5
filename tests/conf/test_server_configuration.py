"""The server's own settings in Django's settings, where a site in its eager mode has them."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from sorl.thumbnail import get_thumbnail

from shrinkmeister.checks import check_client
from shrinkmeister.conf import SettingError
from shrinkmeister_server.conf import SETTINGS, get_server_config, setting_problems

pytestmark = pytest.mark.makes_thumbnails

WHOLE_NUMBERS = [
    "MAX_SOURCE_BYTES",
    "MAX_PIXELS",
    "MAX_SIDE",
    "MAX_FRAMES",
    "MAX_SECONDS",
    "MAX_MAKING",
    "MAX_WAITING",
    "LOCK_SECONDS",
    "WAIT_SECONDS",
    "REDIRECT_MAX_AGE",
    "ERROR_TTL",
    "MAX_BATCH",
    "BATCH_SECONDS",
]


@pytest.fixture(autouse=True)
def _eagerly(settings: Any) -> None:
    settings.THUMBNAIL_EAGER = True
    for name in ("THUMBNAIL_SERVER_URL", "THUMBNAIL_SOURCES"):
        setattr(settings, name, None)


WRONG: tuple[tuple[str, Any], ...] = (
    *((name, value) for name in WHOLE_NUMBERS for value in ("many", 1.5, True, [1], -1, float("inf"))),
    ("MAX_PIXELS", 0),
    ("MAX_PIXELS", "0"),
    *(("ALLOW_TRUNCATED", value) for value in ("some", 2, ["true"])),
    ("SOURCE_SECONDS", 0),
    ("SOURCE_SECONDS", "soon"),
    ("PRIVATE_HOSTS", 5),
    ("PRIVATE_HOSTS", [5]),
    ("CORS_ORIGINS", ["www.example.com"]),
    ("CORS_ORIGINS", "https://www.example.com/"),
)
RIGHT: tuple[tuple[str, Any, Any], ...] = (
    *((name, "7", 7) for name in WHOLE_NUMBERS),
    ("MAX_PIXELS", 5e7, 50_000_000),
    *(("ALLOW_TRUNCATED", value, True) for value in (True, "true", "1", "YES")),
    *(("ALLOW_TRUNCATED", value, False) for value in (False, "false", "0")),
    ("SOURCE_SECONDS", "1.5", 1.5),
    ("PRIVATE_HOSTS", "a.example.com, b.example.com:8000", ["a.example.com", "b.example.com:8000"]),
    ("PRIVATE_HOSTS", ("a.example.com",), ["a.example.com"]),
    ("PRIVATE_HOSTS", [], []),
    ("CORS_ORIGINS", "*", ["*"]),
    ("CORS_ORIGINS", ["https://www.example.com"], ["https://www.example.com"]),
)


def test_all_are_tried() -> None:
    assert {f"THUMBNAIL_{name}" for name, _ in WRONG} == SETTINGS.keys()


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_found_by_check(name: str, value: Any, settings: Any) -> None:
    setattr(settings, f"THUMBNAIL_{name}", value)
    found = [one for one in check_client(None) if f"THUMBNAIL_{name} is {value!r}" in one.msg]
    assert [one.is_serious() for one in found] == [True] * len(found)
    assert "shrinkmeister.E105" in {one.id for one in found}
    assert all("Write " in (one.hint or "") for one in found)


def test_a_wrong_value_is_not_the_sources_fault(photo: str, settings: Any) -> None:
    settings.THUMBNAIL_MAX_PIXELS = "many"
    with pytest.raises(SettingError) as raised:
        get_thumbnail(photo, "30x20")
    assert raised.value.id == "shrinkmeister.E105"


@pytest.mark.parametrize(("name", "value", "read"), RIGHT)
def test_a_text_is_read_as_the_server_reads_its_environment(
    name: str, value: Any, read: Any, settings: Any
) -> None:
    setattr(settings, f"THUMBNAIL_{name}", value)
    assert getattr(get_server_config(), name.lower()) == read
    assert [
        one for one in check_client(None) if one.id in ("shrinkmeister.E105", "shrinkmeister.W002")
    ] == []


def test_a_thumbnail_with_texts(media: Path, photo: str, settings: Any) -> None:
    settings.THUMBNAIL_MAX_PIXELS = "50000000"
    settings.THUMBNAIL_MAX_SECONDS = "20"
    assert not get_thumbnail(photo, "30x20", crop="center").lazy


@pytest.mark.parametrize("number", [-1, 0, 1])
@pytest.mark.parametrize("name", WHOLE_NUMBERS)
def test_the_server_refuses_the_same_numbers(
    name: str, number: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is read by shrinkmeister_server/settings.py."""
    setattr(settings, f"THUMBNAIL_{name}", number)
    for variable, value in {
        "ALLOWED_HOST": "a",
        "THUMBNAIL_SECRET_KEY": "x",
        f"THUMBNAIL_{name}": number,
    }.items():
        monkeypatch.setenv(variable, str(value))
    try:
        runpy.run_module("shrinkmeister_server.settings")
    except ImproperlyConfigured:
        refused = True
    else:
        refused = False
    assert refused == bool(list(setting_problems()))


def test_an_engine_that_cannot_be_loaded(settings: Any) -> None:
    settings.THUMBNAIL_ENGINE = "no.such.Engine"
    assert "shrinkmeister.E101" in [one.id for one in check_client(None)]


def test_a_slip_is_noticed(settings: Any) -> None:
    settings.THUMBNAIL_MAX_PIXEL = 5
    (found,) = [one for one in check_client(None) if one.id == "shrinkmeister.W002"]
    assert "THUMBNAIL_MAX_PIXELS" in str(found.hint)
