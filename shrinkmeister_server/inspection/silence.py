"""Keeps the libraries of images from writing about a source: past the log, and a line for each of its rows.

What is wrong with a source is one line of the log, which the server writes itself.
"""

import ctypes
import logging
import warnings
from contextlib import suppress
from functools import cache


@cache
def silence_libraries() -> None:
    """Silence them in this process, unless a site has set the level of their loggers itself."""
    from PIL import _imaging

    # Python remembers each warning that it shows. DecompressionBombWarning is of another category.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    # Pillow silences libtiff's warnings, but not its errors, which go to stderr.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)
    for name in ("PIL", "pyvips"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)
