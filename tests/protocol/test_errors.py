"""The taxonomy of errors: one root, a code for each class, and one map of what follows from each."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from shrinkmeister.conf import SettingError
from shrinkmeister.drivers.base import CacheSettingError
from shrinkmeister.environment import VariableError
from shrinkmeister.error_policy import (
    LOG_HINT,
    POLICIES,
    REMEMBERED,
    UNEXPECTED,
    code_of,
    hint_of,
    policy_of,
)
from shrinkmeister.exceptions import (
    EmptyFileError,
    HostNotListedError,
    NotStoredError,
    OutOfMemoryError,
    PrivateNameError,
    ReadOnlyError,
    RecordError,
    ShrinkmeisterError,
    SourceError,
    SourceInvalidError,
    StorageDeniedError,
    TokenError,
)
from shrinkmeister.sorl_errors import sorl_kind
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister_server.aws_lambda.events import EventError
from shrinkmeister_server.deployment.stage import StageError
from tests import INSTALLED

# No answer of the server is about one of these.
WITHOUT_ANSWER = {
    *(EmptyFileError, HostNotListedError, NotStoredError, PrivateNameError, ReadOnlyError, RecordError),
    *(VariableError, EventError, StageError),
    # Only their subclasses are raised.
    *(ShrinkmeisterError, SourceError),
}
# Has the row of SettingError, and its own code.
SUBCLASSES = {CacheSettingError}
# Exceptions that the doctor reports as findings.
OTHERS = {"Unreachable"}


def kinds(kind: type[ShrinkmeisterError] = ShrinkmeisterError) -> Iterator[type[ShrinkmeisterError]]:
    """Return a class and all that are derived from it, but for sorl's kinds and those of tests."""
    if kind.__module__.startswith("shrinkmeister") and kind.__module__ != "shrinkmeister.sorl_errors":
        yield kind
    for child in kind.__subclasses__():
        yield from kinds(child)


def test_all_errors_have_one_root() -> None:
    named = {kind.__name__ for kind in kinds()}
    for path in INSTALLED.glob("shrinkmeister*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = " ".join(map(ast.unparse, node.bases))
                if re.search(r"(Error|Exception|Warning)\b", bases):
                    assert node.name in named | OTHERS, f"{path}: {node.name}"


def test_each_class_has_a_code_of_its_own() -> None:
    codes = [kind.__dict__.get("code", "") for kind in kinds()]
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes), codes
    assert len({*codes, UNEXPECTED}) == len(codes) + 1


def test_each_class_has_a_row_or_no_answer() -> None:
    assert {*kinds()} == {*POLICIES} - {Exception} | WITHOUT_ANSWER | SUBCLASSES
    assert not WITHOUT_ANSWER & {*POLICIES}


def test_a_class_has_the_row_of_its_nearest_parent() -> None:
    sources = POLICIES[SourceInvalidError]
    assert policy_of(sorl_kind(SourceInvalidError)("broken")) == sources
    assert policy_of(CacheSettingError("wrong", "right")) == POLICIES[SettingError]
    assert policy_of(KeyError()) == POLICIES[Exception]
    assert not policy_of(StorageDeniedError()).retry
    assert policy_of(OutOfMemoryError()).remembered is None


def test_what_is_remembered_fits_into_a_record() -> None:
    """Other versions of the server know these names."""
    assert {name: kind.__name__ for name, kind in REMEMBERED.items()} == {
        "missing": "SourceMissingError",
        "large": "SourceTooLargeError",
        "format": "SourceFormatError",
        "slow": "SourceTooSlowError",
        "invalid": "SourceInvalidError",
    }


def test_codes_and_hints() -> None:
    assert [code_of(error) for error in (TokenError(), KeyError())] == ["token", UNEXPECTED]
    assert (EmptyFileError.code, NotStoredError.code) == ("empty-file", "not-stored")
    assert hint_of("token") == POLICIES[TokenError].hint
    for unknown in ("of-tomorrow", None, 7):
        assert hint_of(unknown) == LOG_HINT


class TestStorages:
    """Django's storages raise ImproperlyConfigured; what opens them raises SettingError."""

    @pytest.mark.parametrize(
        "parameters",
        [
            {"BACKEND": "no.such.Storage"},
            {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"no_such_option": 1}},
        ],
    )
    def test_one_that_cannot_be_opened(self, settings: Any, parameters: dict[str, Any]) -> None:
        settings.STORAGES = {**settings.STORAGES, "default": parameters}
        with pytest.raises(SettingError) as raised:
            get_thumbnail_storage()
        assert raised.value.id == "shrinkmeister.E103"
