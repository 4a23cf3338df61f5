"""The colours of Pillow's pictures."""

from contextlib import suppress
from io import BytesIO
from typing import Any

from shrinkmeister_server.engines.colours.profiles import Profile, Space, has_tables

SPACES: dict[str, Space] = {"1": "GRAY", "L": "GRAY", "LA": "GRAY", "P": "RGB", "RGB": "RGB", "RGBA": "RGB"}


def managed(picture: Any, icc: object) -> tuple[Any, bytes | None]:
    """Return a picture whose colours look the same, and its profile."""
    space = SPACES.get(picture.mode)
    if space and (profile := Profile.parse(icc)):
        return picture, profile.written(space)
    if picture.mode in ("RGB", "RGBA") and isinstance(icc, bytes) and has_tables(icc):
        from PIL import ImageCms

        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(BytesIO(icc))
            converted: Any = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"))
            converted.info = picture.info
            return converted, None
    return picture, None
