"""The rows of the tables of settings.

A row is a field of a frozen class, named as its setting is: Config (table.py) and CacheConfig
(cache_table.py) have the rows of the site, ServerConfig (shrinkmeister_server/conf.py) those of the server.
Checks, the server's environment, the command line, `init`, the doctor and docs/reference/settings.md read
them.
"""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from enum import Enum
from functools import partial
from typing import Any

from shrinkmeister.environment import Form

# Who has a setting: the site in Django's settings, the server as an environment variable, or both. EQUAL
# means that both need the same value.
Who = Enum("Who", ["SITE", "SERVER", "BOTH", "EQUAL"])
SITE, SERVER, BOTH, EQUAL = Who


@dataclass(frozen=True)
class Setting:
    """One setting.

    form            how a variable's text becomes the value that Django's settings have
    about           what it does, in Markdown, with links relative to docs/
    default         None if the setting has no default, or if a library defines it
    server_default  the server's, if it is another one; MISSING if the server does not start without a value
    shown           the default in docs/reference/settings.md, if it is not the one above
    differs         what happens if site and server have different values, which the doctor compares
    read            returns what Config has for the value of Django's settings (values.py)
    id, hint        the system check that reports a wrong value, and what to write instead. Without an id,
                    sorl, Django or django-storages check the value themselves
    secret          whether the value may be or contain a password
    attribute       where Config has the value, such as "cache.key_prefix"; "" if it is only a part there
    """

    who: Who
    form: Form
    about: str
    default: Any = None
    server_default: Any = None
    shown: str = ""
    differs: str = ""
    read: Callable[[Any], Any] = lambda value: value
    id: str = ""
    hint: str = ""
    secret: bool = False
    name: str = ""
    attribute: str = ""


def setting(
    who: Who, form: Form, about: str, default: Any = None, optional: bool = False, **more: Any
) -> Any:
    """Return a field of a frozen class: one row of the table.

    optional: whether the field has the default too, for callers that make an instance themselves
    """
    row = Setting(who, form, about, default, **more)
    return field(default=default if optional else MISSING, metadata={"settings": (row,)})


site, both, equal = (partial(setting, who) for who in (SITE, BOTH, EQUAL))


def combined(*settings: Setting) -> Any:
    """Return a field whose value is made of several settings, or of other fields."""
    return field(metadata={"settings": settings})


def settings_of(kind: type, path: str = "") -> Iterator[Setting]:
    """Yield the rows of a frozen class, and of the frozen classes in its fields."""
    for one in fields(kind):
        attribute = f"{path}{one.name}"
        settings = one.metadata.get("settings", ())
        for row in settings:
            name = row.name or f"THUMBNAIL_{attribute.replace('.', '_').upper()}"
            yield replace(row, name=name, attribute=attribute if len(settings) == 1 else "")
        if isinstance(one.type, type) and is_dataclass(one.type):
            yield from settings_of(one.type, f"{attribute}.")
