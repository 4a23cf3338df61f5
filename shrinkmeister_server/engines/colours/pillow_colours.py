"""The colours of Pillow's pictures."""

from io import BytesIO
from typing import Any

from shrinkmeister_server.engines.colours.profiles import Space
from shrinkmeister_server.engines.colours.source_colours import SRGB_PROFILE, SourceColours, SourceSpace

_SPACES: dict[str, Space] = {
    "1": "GRAY",
    "L": "GRAY",
    "LA": "GRAY",
    "P": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
}
_CMYK_OR_16_BITS: dict[str, SourceSpace] = {"CMYK": "CMYK", "I;16": "GRAY", "I;16B": "GRAY", "I": "GRAY"}
# Modes that have one colour for transparency. After scaling, a pixel would be transparent by chance.
_KEYED = {"1": "LA", "L": "LA", "RGB": "RGBA"}


def colours_of(picture: Any, data: bytes) -> SourceColours:
    """Return the colours of an opened source."""
    space = _SPACES.get(picture.mode) or _CMYK_OR_16_BITS.get(picture.mode, "other")
    return SourceColours.of(space, picture.info.get("icc_profile"), data)


def prepared(picture: Any, colours: SourceColours, colorspace: str | None) -> Any:
    """Return a source's picture in a form for sorl's steps."""
    if icc := colours.at_first(colorspace):
        return _converted(picture, icc)
    if picture.mode in _KEYED and "transparency" in picture.info:
        return picture.convert(_KEYED[picture.mode])
    return picture


def finished(picture: Any, colours: SourceColours, format: str) -> tuple[Any, bytes | None]:
    """Return a thumbnail's picture, and the profile that its file carries."""
    outcome = colours.at_last(_SPACES.get(picture.mode), format)
    if outcome.convert:
        picture = _converted(picture, outcome.convert)
    return picture, outcome.carry


def _converted(picture: Any, icc: bytes) -> Any:
    """Return a picture in sRGB, or as it is if the profile is broken."""
    from PIL import ImageCms

    if picture.mode == "P":
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    alpha = picture.getchannel("A") if picture.mode in ("LA", "RGBA") else None
    opaque = picture.convert(picture.mode[:-1]) if alpha else picture
    try:
        source, target = (ImageCms.ImageCmsProfile(BytesIO(one)) for one in (icc, SRGB_PROFILE))
        converted: Any = ImageCms.profileToProfile(
            opaque, source, target, ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return picture
    if alpha:
        converted.putalpha(alpha)
    converted.info = picture.info
    return converted
