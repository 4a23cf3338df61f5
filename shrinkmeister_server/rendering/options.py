"""The forms of sorl's options: an engine that gets another form fails with an error like one of a bug."""

from collections.abc import Callable, Mapping
from typing import Any

from sorl.thumbnail.parsers import parse_cropbox

from shrinkmeister.exceptions import SpecError

# No picture has so many pixels on a side; a number of hundreds of digits cannot become a float.
MOST = 2**31


def judge_options(options: Mapping[str, Any]) -> None:
    """Raise SpecError for an option whose value no engine can use."""
    for name, (fits, form) in FORMS.items():
        if name == "padding_color" and not options.get("padding"):
            continue  # a site's setting, which nothing uses then
        if name in options and not _fits(fits, options[name]):
            raise SpecError(f"the option {name} is {options[name]!r}, and has to be {form}")


def _fits(fits: Callable[[Any], bool], value: Any) -> bool:
    try:
        return fits(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_unset(value: Any) -> bool:
    return not value or isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | str)


def _is_box(value: Any) -> bool:
    if not value:
        return True
    left, top, right, bottom = box = parse_cropbox(value)
    are_numbers = all(isinstance(side, int | float) and abs(side) < MOST for side in box)
    return are_numbers and left < right and top < bottom


def _is_radius(value: Any) -> bool:
    return not value or (isinstance(value, int | float | str) and 0 <= int(value) < MOST)


FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "crop": (_is_text_or_unset, "text, such as 'center'"),
    "cropbox": (_is_box, "four numbers, such as '0,0,200,100'"),
    "rounded": (_is_radius, "a number of pixels"),
    "blur": (_is_radius, "a number of pixels"),
    "quality": (_is_number, "a number"),
    "padding_color": (_is_text, "text, such as '#ffffff'"),
}
