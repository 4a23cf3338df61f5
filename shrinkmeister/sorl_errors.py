"""Errors at sorl's own interface, for code that catches what sorl raises there.

    try:
        delete(category.image)
    except ThumbnailError:
        pass

The classes of `shrinkmeister.exceptions` do not know sorl, since the protocol works without it. So an
error that reaches sorl's callers gets a class that is sorl's too. A SettingError does not: for wrong
settings sorl raises Django's ImproperlyConfigured as well, and no `except ThumbnailError` should hide them.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sorl.thumbnail.helpers import ThumbnailError
from sorl.thumbnail.parsers import ThumbnailParseError

# No class of it by its name: pickle would find that one in the place of sorl's.
from shrinkmeister import exceptions
from shrinkmeister.conf import SettingError

P = ParamSpec("P")
R = TypeVar("R")

_kinds: dict[type[exceptions.ShrinkmeisterError], type[exceptions.ShrinkmeisterError]] = {}


def as_sorls(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate what sorl's callers call: each error of ours that it raises is a ThumbnailError too."""

    @wraps(function)
    def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except SettingError:
            raise
        except exceptions.ShrinkmeisterError as error:
            # Not another error, so that its traceback, its cause and its attributes stay.
            error.__class__ = sorl_kind(type(error))
            raise

    return translated


def sorl_kind(kind: type[exceptions.ShrinkmeisterError]) -> type[exceptions.ShrinkmeisterError]:
    """Return a subclass of an error's class that is sorl's too."""
    if issubclass(kind, ThumbnailError):
        return kind
    sorls = ThumbnailParseError if issubclass(kind, exceptions.SpecError) else ThumbnailError
    # Python's dictionaries let one of several threads set a key first.
    return _kinds.setdefault(kind, type(kind.__name__, (kind, sorls), {"__module__": __name__}))


def __getattr__(name: str) -> Any:
    """Let pickle find the classes, which processes make when they need them."""
    kind = getattr(exceptions, name, None)
    if isinstance(kind, type) and issubclass(kind, exceptions.ShrinkmeisterError):
        return sorl_kind(kind)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
