"""The colours of libvips' pictures."""

from contextlib import suppress
from typing import Any

import pyvips

from shrinkmeister_server.engines.colours.profiles import Profile, Space, has_tables

PROFILE = "icc-profile-data"


def managed(image: Any) -> Any:
    """Return a picture whose colours look the same, with a new profile or without one."""
    if not image.get_typeof(PROFILE):
        return image
    icc = image.get(PROFILE)
    space: Space = "RGB" if image.bands > 2 else "GRAY"
    image = image.copy()
    if image.interpretation in ("srgb", "b-w") and (profile := Profile.parse(icc)):
        image.set_type(pyvips.GValue.blob_type, PROFILE, profile.written(space))
        return image
    if image.interpretation == "srgb" and has_tables(icc):
        with suppress(pyvips.Error):
            # Computed at once, or an error would occur only while the picture is written.
            image = image.icc_transform("srgb", embedded=True, intent="perceptual").copy_memory().copy()
    image.remove(PROFILE)
    return image
