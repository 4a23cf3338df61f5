"""sorl engines that decode only as much of a source as its thumbnails need."""

from shrinkmeister.exceptions import ShrinkmeisterError


class OldLibvipsError(ShrinkmeisterError, ImportError):
    """pyvips has loaded a libvips that is too old."""

    hint = (
        "If the system has the headers of libvips, pip builds pyvips for that libvips, not for the bundled "
        "one. Restore the bundled one: `pip install --force-reinstall --no-deps pyvips-binary`."
    )
