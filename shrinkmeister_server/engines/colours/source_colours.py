"""What the numbers of a source's pixels mean, and what a thumbnail does about it.

The rules are those of browsers. This module knows neither library: both engines ask it, and carry it out.
"""

from dataclasses import dataclass
from typing import Any, Literal

from shrinkmeister_server.engines.colours.code_points import NOTHING, stated
from shrinkmeister_server.engines.colours.profiles import SRGB, Profile, Space, space_of, tables_of
from shrinkmeister_server.inspection import gif

SourceSpace = Literal["RGB", "GRAY", "CMYK", "other"]

# A profile of each of these says what pixels of a space mean. A grey picture may have one of RGB.
_FITTING = {"RGB": (b"RGB ",), "GRAY": (b"GRAY", b"RGB "), "CMYK": (b"CMYK",)}
# Formats in which browsers look for a profile.
_CARRIERS = ("JPEG", "PNG", "WEBP", "AVIF")


@dataclass(frozen=True)
class Outcome:
    """What is done with a thumbnail's pixels before they are written.

    convert  the profile from which a library converts them to sRGB
    carry    the profile that the thumbnail carries
    """

    convert: bytes | None = None
    carry: bytes | None = None


@dataclass(frozen=True)
class SourceColours:
    """The meaning of a source's pixels. Without a profile and tables, they are sRGB.

    profile  the numbers of a profile that a thumbnail can carry
    tables   a profile that is too large for a thumbnail
    hidden   the colour of a GIF's transparent pixels, which a JPEG shows
    """

    space: SourceSpace = "RGB"
    profile: Profile | None = None
    tables: bytes | None = None
    hidden: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, space: SourceSpace, icc: object, data: bytes) -> "SourceColours":
        """Return the colours of a source, from its profile and its whole file."""
        # Browsers read no profile of a GIF.
        if data.startswith(b"GIF8"):
            return cls(space, hidden=gif.transparent_colour(data))
        said = stated(data) if space in ("RGB", "GRAY") else NOTHING
        if said.icc:
            icc = said.icc
        profile = said.before
        if not profile and (kind := space_of(icc)):
            if kind not in _FITTING.get(space, ()):
                return cls(space)
            if space in ("RGB", "CMYK") and (tables := tables_of(icc)):
                return cls(space, tables=tables)
            profile = Profile.parse(icc)
        elif not profile:
            profile = said.after
        return cls(space, None if profile is None or profile.is_srgb else profile)

    @classmethod
    def in_options(cls, options: dict[str, Any]) -> "SourceColours":
        """Return what an engine has found, from the options of sorl's methods."""
        found = options.get("image_info", {}).get("colours")
        return found if isinstance(found, cls) else cls()

    def at_first(self, colorspace: str | None) -> bytes | None:
        """Return the profile from which a library converts the source to sRGB, before sorl's steps.

        Nothing can be done later for ink, or if only grey is left.
        """
        return self.tables if self.space == "CMYK" or colorspace == "GRAY" else None

    def at_last(self, space: Space | None, format: str) -> Outcome:
        """Return what is done with a thumbnail of a space in a format."""
        if space and self.profile:
            icc = self.profile.written(space)
            return Outcome(carry=icc) if format in _CARRIERS else Outcome(convert=icc)
        if space == "RGB" and self.space == "RGB":
            return Outcome(convert=self.tables)
        return Outcome()


# The profile to which libraries convert.
SRGB_PROFILE = SRGB.written("RGB")
