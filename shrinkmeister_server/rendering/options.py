"""Validate the values of sorl's options, so that a wrong value does not look like a bug in an engine."""

from collections.abc import Callable, Mapping
from typing import Any

from sorl.thumbnail.parsers import parse_cropbox

from shrinkmeister.exceptions import SpecError

# No picture has so many pixels on a side. A number with hundreds of digits does not fit into a float.
MAX_NUMBER = 2**31


def validate_options(options: Mapping[str, Any]) -> None:
    """Raise SpecError for an option whose value no engine can use."""
    for name, (fits, form) in FORMS.items():
        if name not in options or (name == "padding_color" and not options.get("padding")):
            continue  # sites send the colour that they set, but engines ignore it without padding
        try:
            is_valid = fits(options[name])
        except (TypeError, ValueError, OverflowError):
            is_valid = False
        if not is_valid:
            raise SpecError(f"the option {name} is {options[name]!r}, but must be {form}")


def _is_box(value: Any) -> bool:
    if not value:
        return True
    left, top, right, bottom = box = parse_cropbox(value)
    are_numbers = all(isinstance(side, int | float) and abs(side) < MAX_NUMBER for side in box)
    return are_numbers and left < right and top < bottom


def _is_radius(value: Any) -> bool:
    return not value or (isinstance(value, int | float | str) and 0 <= int(value) < MAX_NUMBER)


def _is_quality(value: Any) -> bool:
    return isinstance(value, int | str) and 0 <= int(value) <= 100


FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "crop": (lambda value: not value or isinstance(value, str), "text, such as 'center'"),
    "cropbox": (_is_box, "left, top, right and bottom of a box, such as '0,0,200,100'"),
    "rounded": (_is_radius, "a number of pixels"),
    "blur": (_is_radius, "a number of pixels"),
    "quality": (_is_quality, "a whole number from 0 to 100"),
    "padding_color": (lambda value: isinstance(value, str), "text, such as '#ffffff'"),
}
