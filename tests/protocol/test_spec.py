"""Specs, keys and object names, against the vectors and at their edges."""

import copy
import pickle
from enum import Enum
from hashlib import sha256
from typing import Any

import pytest
from django.utils.safestring import mark_safe

from shrinkmeister.exceptions import SpecError
from shrinkmeister.protocol.keys import (
    adopted_key,
    change_key,
    failure_key,
    is_object_name,
    lock_key,
    object_name,
    record_key,
    record_key_of_object,
    source_key,
    source_key_of_object,
)
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from tests.vectors import load

VECTORS = load("specs")
SOURCE = Source("s3", "photos", "a.jpg")


def described(vector: dict[str, Any]) -> str:
    return str(vector["description"])


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=described)
def test_vector(vector: dict[str, Any]) -> None:
    spec = ThumbnailSpec(Source(*vector["source"]), vector["geometry"], vector["options"])
    assert spec.canonical == vector["canonical"].encode()
    assert sha256(spec.canonical).hexdigest() == vector["canonical_sha256"]
    assert record_key(spec) == vector["record_key"]
    assert lock_key(spec) == vector["lock_key"]
    assert failure_key(spec) == vector["failure_key"]
    assert source_key(spec.source) == vector["source_key"]
    assert change_key(spec.source) == vector["change_key"]
    assert adopted_key(spec.source) == vector["adopted_key"]
    assert is_object_name(vector["object_name"], "cache/")
    assert is_object_name(vector["object_name_2x"], "cache/")
    assert not is_object_name(vector["object_name"], "thumbs/")
    assert record_key_of_object(vector["object_name_2x"]) == vector["record_key"]
    assert source_key_of_object(vector["object_name_2x"]) == vector["source_key"]
    assert object_name(spec, "cache/") == vector["object_name"]
    assert object_name(spec, "cache/", "2") == vector["object_name_2x"]
    for name in (vector["object_name"], vector["object_name_2x"]):
        assert record_key_of_object(name) == vector["record_key"]
    assert ThumbnailSpec.parse(spec.canonical) == spec


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=described)
def test_invalid_vector(vector: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        ThumbnailSpec.parse(vector["canonical"].encode())


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=described)
def test_a_vector_that_is_not_written(vector: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        ThumbnailSpec(Source(*vector["source"]), vector["geometry"], vector["options"])


@pytest.mark.parametrize("vector", VECTORS["sources"], ids=lambda vector: vector["text"])
def test_a_source_as_text(vector: dict[str, Any]) -> None:
    assert Source.parse(vector["text"]) == Source(*vector["source"])


@pytest.mark.parametrize("text", VECTORS["invalid_sources"])
def test_texts_of_no_source(text: str) -> None:
    with pytest.raises(SpecError):
        Source.parse(text)


def test_every_vector_has_a_key_of_its_own_where_pictures_differ() -> None:
    keys = [vector["record_key"] for vector in VECTORS["valid"]]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "geometry", ["", "x", "300x", "0", "0x5", "-1", "300X200", "1e3", "123456", "٣", "3\n"]
)
def test_impossible_geometries(geometry: str) -> None:
    with pytest.raises(SpecError, match="geometry"):
        ThumbnailSpec(SOURCE, geometry)


def test_geometry_has_to_be_text() -> None:
    with pytest.raises(SpecError, match="300"):
        ThumbnailSpec(SOURCE, 300)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", [object(), b"bytes", {1, 2}, float("nan"), float("inf"), 1e-9, 1e300, 2**53, [object()]]
)
def test_options_that_cannot_travel(value: Any) -> None:
    with pytest.raises(SpecError, match="mine="):
        ThumbnailSpec(SOURCE, "10x10", {"mine": value})


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(SpecError):
        len(ThumbnailSpec(Source("s3", "photos", "\ud800.jpg"), "10x10").canonical)


def test_calls_that_ask_for_the_same_picture_have_the_same_key() -> None:
    plain = ThumbnailSpec(SOURCE, "10x10", {"crop": "center", "cropbox": [1, 2, 3, 4]})
    same = ThumbnailSpec(
        SOURCE,
        mark_safe("10x10"),
        {
            "cropbox": (1, 2, 3, 4),
            "crop": mark_safe("center"),
            "quality": 95,
            "raise_errors": True,
            "image_info": {"icc_profile": b"..."},
        },
    )
    assert record_key(same) == record_key(plain)


def test_what_an_engine_may_tell_apart_has_its_own_key() -> None:
    variants: list[dict[str, Any]] = [{}, {"upscale": 1}, {"quality": "95"}, {"crop": ""}, {"crop": None}]
    assert len({record_key(ThumbnailSpec(SOURCE, "10x10", options)) for options in variants}) == len(
        variants
    )


def test_specs_that_are_kept_are_those_of_their_own_arguments() -> None:
    class Upper(str):
        """As Django's SafeString is: equal to other text, and of another type."""

    variants: list[dict[str, Any]] = [
        {"upscale": 1},
        {"upscale": True},
        {"upscale": 1.5},
        {"quality": "95"},
        {"crop": Upper("center")},
        {"crop": "center", "blur": 2},
        {"cropbox": [1, 2, 3, True]},
        {"cropbox": [1, 2, 3, 1]},
    ]
    for _ in range(2):
        for options in variants:
            made, kept = (
                ThumbnailSpec(SOURCE, "10x10", options),
                ThumbnailSpec.kept(SOURCE, "10x10", options),
            )
            assert made.canonical == kept.canonical

    class Size(str, Enum):  # noqa: UP042 - a StrEnum prints its text, and this one its name
        SMALL = "300x200"

    for geometry in (Size.SMALL, "300x200"):
        assert ThumbnailSpec.kept(SOURCE, geometry, {"crop": Size.SMALL}).canonical.endswith(
            b'"300x200",{"crop":"300x200"}]'
        )
    assert ThumbnailSpec.kept(SOURCE, "9", {"blur": 2}) is ThumbnailSpec.kept(SOURCE, "9", {"blur": 2})


def test_a_spec_is_equal_to_one_of_the_same_canonical_form() -> None:
    one, other = ThumbnailSpec(SOURCE, "9", {"upscale": 1}), ThumbnailSpec(SOURCE, "9", {"upscale": True})
    assert one != other
    assert {one, ThumbnailSpec(SOURCE, "9", {"upscale": 1})} == {one}
    assert other != other.canonical


def test_full_options_are_all_that_an_engine_reads() -> None:
    options = ThumbnailSpec(SOURCE, "10x10", {"crop": "center"}).full_options()
    assert options["crop"] == "center"
    assert options["quality"] == 95
    assert options["progressive"] is True


def test_defaults_are_those_of_sorl() -> None:
    from sorl.thumbnail.base import ThumbnailBackend
    from sorl.thumbnail.conf import defaults

    from shrinkmeister.protocol.spec import DEFAULT_OPTIONS, EXTENSIONS

    ours = dict(DEFAULT_OPTIONS)
    assert ours.pop("progressive") == defaults.THUMBNAIL_PROGRESSIVE
    assert ours.pop("orientation") == defaults.THUMBNAIL_ORIENTATION
    assert ours.pop("blur") == defaults.THUMBNAIL_BLUR
    assert ours.pop("flatten") == defaults.THUMBNAIL_FLATTEN
    assert ours == ThumbnailBackend.default_options
    from sorl.thumbnail.base import EXTENSIONS as SORL_EXTENSIONS

    # sorl before 13.1 has no AVIF.
    assert dict(EXTENSIONS) == {**SORL_EXTENSIONS, "AVIF": "avif"}


def test_options_cannot_be_changed() -> None:
    """A process keeps specs, and gives the same one to all its pages."""
    source = Source("s3", "photos", "a.jpg")
    spec = ThumbnailSpec.kept(source, "300", {"quality": 80})
    options: Any = spec.options
    with pytest.raises(TypeError):
        options["quality"] = 10
    spec.full_options()["quality"] = 10
    assert ThumbnailSpec.kept(source, "300", {"quality": 80}).options == {"quality": 80}
    nested = ThumbnailSpec(source, "300", {"own": {"a": [1]}})
    nested.full_options()["own"]["a"].append(2)
    assert nested.full_options()["own"] == {"a": [1]}


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda spec: pickle.loads(pickle.dumps(spec))])
def test_copies_and_pickles_are_equal(again: Any) -> None:
    spec = ThumbnailSpec(Source("s3", "photos", "a.jpg"), "300", {"quality": 80, "own": [1, {"a": None}]})
    assert again(spec) == spec
    assert again(spec).options == spec.options
