"""Decide whether an error is caused by a thumbnail's source and options, or by this server.

For a broken file, image libraries raise errors of almost any type: SyntaxError (PNG), RuntimeError (AVIF),
TypeError (TIFF), IndexError (GIF). From other code, the last two mean a mistake in that code. So the
decision needs the code that raised the error as well as its type.
"""

import re
from traceback import walk_tb

# Python raises these for mistakes in code, such as an engine's or a site's.
MISTAKES = (AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError)
# Where Pillow reads and writes files. Pillow refuses a broken file there, before other code sees it.
READERS = re.compile(r"PIL\.(ImageFile|\w+Plugin)")
OWN_MODULES = re.compile(r"shrinkmeister(_server)?\..+")


def is_about_source(error: Exception) -> bool:
    """Return whether the source or the options caused an error from an engine or the inspection.

    Any other error is a mistake in code, or this machine has run out of something.
    """
    # sorl before 13.3 has no EngineError, and a site with such a version may import this module.
    from sorl.thumbnail.helpers import EngineError

    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    origin = modules[-1] if modules else ""
    if _is_about_machine(error, origin):
        return False
    # Shrinkmeister's own code refuses a source with its own errors, or with sorl's EngineError.
    if OWN_MODULES.fullmatch(origin) and not isinstance(error, EngineError):
        return False
    return not isinstance(error, MISTAKES) or any(map(READERS.fullmatch, modules))


def _is_about_machine(error: Exception, origin: str) -> bool:
    # Pillow's own OSErrors have no number. sorl raises EngineError if it cannot run a program.
    for one in (error, error.__cause__ or error.__context__):
        if isinstance(one, OSError) and one.errno:
            return True
    return isinstance(error, RuntimeError) and origin == "threading"  # no more threads can be started
