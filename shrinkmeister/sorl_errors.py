"""Errors of functions that sorl's callers use, for code that catches sorl's errors.

    try:
        delete(category.image)
    except ThumbnailError:
        pass

The classes of `shrinkmeister.exceptions` do not depend on sorl, so that the protocol works without it. Here
an error gets a class that is sorl's too. A SettingError does not: sorl raises Django's ImproperlyConfigured
for wrong settings, and `except ThumbnailError` must not hide them.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sorl.thumbnail.helpers import ThumbnailError
from sorl.thumbnail.parsers import ThumbnailParseError

# The module, not its classes: pickle would find such a class here instead of the one that is sorl's too.
from shrinkmeister import exceptions
from shrinkmeister.conf import SettingError

P = ParamSpec("P")
R = TypeVar("R")

_kinds: dict[type[exceptions.ShrinkmeisterError], type[exceptions.ShrinkmeisterError]] = {}


def as_sorls(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function of sorl's interface: each ShrinkmeisterError is then a ThumbnailError too."""

    @wraps(function)
    def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except SettingError:
            raise
        except exceptions.ShrinkmeisterError as error:
            # The same object, so that its traceback, its cause and its attributes stay.
            error.__class__ = sorl_kind(type(error))
            raise

    return translated


def sorl_kind(kind: type[exceptions.ShrinkmeisterError]) -> type[exceptions.ShrinkmeisterError]:
    """Return a subclass of an error's class that is sorl's too."""
    if issubclass(kind, ThumbnailError):
        return kind
    sorls = ThumbnailParseError if issubclass(kind, exceptions.SpecError) else ThumbnailError
    # setdefault is atomic: of several threads, all get the class of the first.
    return _kinds.setdefault(kind, type(kind.__name__, (kind, sorls), {"__module__": __name__}))


def __getattr__(name: str) -> Any:
    """Make a class that pickle asks for: each process makes one when it needs it."""
    kind = getattr(exceptions, name, None)
    if isinstance(kind, type) and issubclass(kind, exceptions.ShrinkmeisterError):
        return sorl_kind(kind)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
