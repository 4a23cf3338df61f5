"""Keep image libraries from writing about a source to stderr or the log, sometimes a line for each row.

The server itself logs what is wrong with a source, in one line.
"""

import ctypes
import logging
import warnings
from contextlib import suppress
from functools import cache


@cache
def silence_libraries() -> None:
    """Silence the libraries in this process. A site that sets the level of their loggers keeps it."""
    from PIL import Image

    # Python remembers each warning that it shows. DecompressionBombWarning is in another category.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    # Pillow silences libtiff's warnings, but not its errors, which libtiff writes to stderr.
    with suppress(OSError, AttributeError):
        compiled = Image.core  # type: ignore[attr-defined]  # Pillow does not export it to type checkers
        ctypes.CDLL(compiled.__file__).TIFFSetErrorHandler(None)
    for name in ("PIL", "pyvips"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)
