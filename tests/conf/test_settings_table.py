"""The tables of settings: what comes out of them, and docs/reference/settings.md."""

from dataclasses import dataclass, fields
from typing import Any

import pytest
from django.conf import settings as django_settings

from shrinkmeister.conf.row import EQUAL, SITE, settings_of, site
from shrinkmeister.conf.table import SITE_SETTINGS, SWITCH, Config
from shrinkmeister.doctor.messages import COMPARED
from shrinkmeister.environment import FLAG
from shrinkmeister_server.conf import SETTINGS, VARIABLES, get_server_config
from tests.support.settings_reference import FILE, reference

ROWS = (*SITE_SETTINGS, *VARIABLES)


def test_the_reference_is_that_of_the_tables() -> None:
    """`python -m tests.support.settings_reference` writes it."""
    assert FILE.read_text(encoding="utf-8") == reference()


def test_each_setting_is_one_row() -> None:
    names = [row.name for row in {id(row): row for row in ROWS}.values()]
    assert sorted(names) == sorted(set(names))
    assert all(row.about.endswith(".") for row in ROWS)


def test_a_row_of_the_site_is_no_variable() -> None:
    assert not {row.name for row in VARIABLES if row.who is SITE}


def test_what_has_to_be_equal_is_compared_or_cannot_be() -> None:
    """A secret stays on its side, and a cache may have two names."""
    left_out = {row.name for row in SITE_SETTINGS if row.who is EQUAL} - {row.name for row in COMPARED}
    assert left_out == {row.name for row in SITE_SETTINGS if row.who is EQUAL and row.secret} | {
        "THUMBNAIL_CACHE_NAME"
    }
    assert all(row.who is EQUAL for row in COMPARED)


def test_a_field_names_its_setting() -> None:
    @dataclass(frozen=True)
    class Extended(Config):
        sepia: bool = site(FLAG, "Make all thumbnails brown.", False, **SWITCH)

    added = {row.name: row for row in settings_of(Extended)}.keys() - {row.name for row in SITE_SETTINGS}
    assert added == {"THUMBNAIL_SEPIA"}


@pytest.mark.parametrize("row", list(SETTINGS.values()), ids=lambda row: row.name)
def test_a_default_of_the_server_is_a_value_that_it_takes(row: Any) -> None:
    read = row.read(row.default)
    # An empty list stands for the default, which is empty too.
    assert ([] if read is None else read) == row.default
    assert getattr(get_server_config(), row.attribute) == row.default


def test_each_field_of_the_config_has_a_row() -> None:
    rows = {row.attribute.partition(".")[0] for row in settings_of(Config)}
    # These are made of several settings.
    assert {one.name for one in fields(Config)} - rows == {"secrets", "options"}
    assert not [row for row in settings_of(Config) if hasattr(django_settings, row.name.lower())]
