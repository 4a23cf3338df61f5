"""sorl engines that decode no more of a source than its thumbnails need."""

from shrinkmeister.exceptions import ShrinkmeisterError


class OldLibvipsError(ShrinkmeisterError, ImportError):
    """pyvips has loaded a libvips that is too old; `hint` says how to get another one."""

    code = "old-libvips"

    hint = (
        "Where the system has the headers of libvips, pip builds pyvips for that one, in the place of the "
        "bundled one. Put that back: `pip install --force-reinstall --no-deps pyvips-binary`."
    )
