"""Whether an error is about the source and the options of a thumbnail, or about this server.

Libraries of images raise errors of nearly any type for a broken file: SyntaxError (a PNG), RuntimeError
(an AVIF), and also TypeError (a TIFF) and IndexError (a GIF), which are mistakes in code elsewhere. So the
type of an error says little without the code that it came from.
"""

import re
from traceback import walk_tb

# What Python raises for a mistake in code, be it an engine's or a site's.
MISTAKES = (AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError)
# Where Pillow reads and writes files. A broken file reaches no other code of Pillow before it is refused.
READERS = re.compile(r"PIL\.(ImageFile|\w+Plugin)")
OURS = re.compile(r"shrinkmeister(_server)?\..+")


def is_about_source(error: Exception) -> bool:
    """Return whether the source or the options caused an error that an engine or the inspection raised.

    Other errors are a mistake in code, or a machine that has run out of something.
    """
    # Here, because sorl before 13.3 has no such class, and a site with that can import this module.
    from sorl.thumbnail.helpers import EngineError

    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    origin = modules[-1] if modules else ""
    if _is_of_machine(error, origin):
        return False
    # Our own code refuses a source with errors of its own, and as sorl's engines do.
    if OURS.fullmatch(origin) and not isinstance(error, EngineError):
        return False
    return not isinstance(error, MISTAKES) or any(map(READERS.fullmatch, modules))


def _is_of_machine(error: Exception, origin: str) -> bool:
    # Pillow's own OSErrors have no number. sorl raises EngineError where a program cannot be run.
    for one in (error, error.__cause__ or error.__context__):
        if isinstance(one, OSError) and one.errno:
            return True
    return isinstance(error, RuntimeError) and origin == "threading"  # it cannot start another thread
