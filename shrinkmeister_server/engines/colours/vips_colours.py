"""The colours of libvips' pictures."""

from typing import Any

import pyvips

from shrinkmeister_server.engines.colours.source_colours import SourceColours, SourceSpace

_PROFILE = "icc-profile-data"
_SPACES: dict[str, SourceSpace] = {
    "srgb": "RGB", "rgb": "RGB", "rgb16": "RGB", "b-w": "GRAY", "grey16": "GRAY", "cmyk": "CMYK"
}  # fmt: skip
# The weights of red, green and blue in Pillow's grey: ITU-R BT.601.
_WEIGHTS = [[0.299, 0.587, 0.114]]


def colours_of(image: Any, data: bytes) -> SourceColours:
    """Return the colours of an opened source."""
    icc = image.get(_PROFILE) if image.get_typeof(_PROFILE) else None
    return SourceColours.of(_SPACES.get(image.interpretation, "other"), icc, data)


def prepared(image: Any, colours: SourceColours, colorspace: str | None) -> Any:
    """Return a source's picture in a form for sorl's steps."""
    if icc := colours.at_first(colorspace):
        image = _converted(image, icc)
    # With a profile of its own, libvips would show other colours than browsers and Pillow.
    return _without_ink(image) if image.interpretation == "cmyk" else image


def with_hidden(image: Any, colour: tuple[int, ...]) -> Any:
    """Return a GIF's picture with a colour in its transparent pixels, where libvips leaves black."""
    image = image.colourspace("srgb")
    return image.flatten(background=list(colour)).bandjoin(image.extract_band(3))


def gray(image: Any) -> Any:
    """Return the same grey as Pillow's. libvips' own weights are those of light."""
    image = image.colourspace("srgb")
    if image.bands < 3:
        return image.colourspace("b-w")
    mixed = image.extract_band(0, n=3).recomb(_WEIGHTS).rint().cast("uchar")
    if image.hasalpha():
        mixed = mixed.bandjoin(image.extract_band(image.bands - 1))
    return mixed.copy(interpretation="b-w")


def finished(image: Any, colours: SourceColours, format: str) -> Any:
    """Return a thumbnail's picture with the profile that its file carries."""
    outcome = colours.at_last("RGB" if image.bands > 2 else "GRAY", format)
    if outcome.convert:
        image = _converted(image, outcome.convert)
    return _with_profile(image, outcome.carry)


def _with_profile(image: Any, icc: bytes | None) -> Any:
    if not icc and not image.get_typeof(_PROFILE):
        return image
    image = image.copy()
    image.remove(_PROFILE)
    if icc:
        image.set_type(pyvips.GValue.blob_type, _PROFILE, icc)
    return image


def _converted(image: Any, icc: bytes) -> Any:
    """Return a picture in sRGB, or as it is if the profile is broken."""
    if image.interpretation not in ("srgb", "b-w", "cmyk"):
        image = image.colourspace("srgb")
    managed = _with_profile(image, icc)
    try:
        # Computed at once, or an error would occur only while the picture is written.
        converted = managed.icc_transform("srgb", embedded=True, intent="relative").copy_memory()
    except pyvips.Error:
        return image
    return _with_profile(converted, None)


def _without_ink(image: Any) -> Any:
    """Return a picture of ink as browsers show it without a profile: each ink absorbs its whole share."""
    if image.format == "ushort":
        image = image.msb()
    inks, rest = image.extract_band(0, n=4), image.bands - 4
    light = inks.linear(-1, 255)
    colour = (light.extract_band(0, n=3) * light.extract_band(3) / 255).rint().cast("uchar")
    if rest:
        colour = colour.bandjoin(image.extract_band(4, n=rest))
    return colour.copy(interpretation="srgb")
