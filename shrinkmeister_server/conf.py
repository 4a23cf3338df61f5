"""The server's own settings, as one frozen value; `shrinkmeister.conf` has those of both sides.

The fields of ServerConfig are the table: each has a default, and how a value of Django's settings is read.
A site in its eager mode has them too, as numbers and lists or as texts out of its environment.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any

from django.conf import settings

from shrinkmeister.conf import Problem, SettingError, reset_on_setting_change
from shrinkmeister.environment import as_flag, as_names, as_origins
from shrinkmeister.secret import without_password


def _field(default: Any, read: Callable[[Any], Any], form: str) -> Any:
    """read: raises ValueError for a value that is not of the form"""
    return field(default=default, metadata={"read": read, "form": form})


def _whole(default: int, least: int = 0) -> Any:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = int(value)
        if number < least or (isinstance(value, float) and number != value):
            raise ValueError
        return number

    return _field(default, read, f"a whole number, {least} at least")


def _seconds(default: float) -> Any:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
        if not 0 < number < float("inf"):
            raise ValueError
        return number

    return _field(default, read, "a number of seconds above 0")


def _list(read_text: Callable[[str], list[str]], form: str) -> Any:
    def read(value: Any) -> list[str]:
        if isinstance(value, list | tuple | set | frozenset):
            if not all(isinstance(one, str) for one in value):
                raise ValueError
            value = ",".join(value)
        if not isinstance(value, str):
            raise ValueError
        return read_text(value) if value.strip() else []

    return _field((), read, form)


def _read_flag(value: Any) -> bool:
    if isinstance(value, str):
        return as_flag(value)
    if not isinstance(value, bool):
        raise ValueError
    return value


@dataclass(frozen=True)
class ServerConfig:
    """max_source_bytes   bytes of a source that are read at most
    source_seconds     that reading a source may take
    private_hosts      of sources by URL, with their ports: those that may have private addresses
    max_pixels         width times height of a source that is decoded at most; of all frames of an animation
    max_side           width and height of a thumbnail that is written at most
    max_frames         frames of a thumbnail that is an animation at most
    max_seconds        that decoding, scaling and encoding may take for one source
    max_making         thumbnails that a process makes at once
    max_waiting        requests of a process that wait to make one, or for another server's
    lock_seconds       after which another server may make what one seems to be making
    wait_seconds       for which a request waits for another server's thumbnail
    redirect_max_age   seconds for which browsers and CDNs may keep a redirect
    max_batch          thumbnails that one request may ask for; 0 for none
    batch_seconds      after which such a request begins to make no further one
    error_ttl          seconds for which a source that is missing or no good is not read again
    cors_origins       whose pages may read what is answered, or "*" for all; none without
    metrics            whether requests are counted for Prometheus
    """

    max_source_bytes: int = _whole(40_000_000, least=1)
    source_seconds: float = _seconds(20)
    private_hosts: Sequence[str] = _list(as_names, "a list of hosts")
    max_pixels: int = _whole(50_000_000, least=1)
    max_side: int = _whole(8_192, least=1)
    max_frames: int = _whole(100, least=1)
    max_seconds: int = _whole(20, least=1)
    max_making: int = _whole(4, least=1)
    max_waiting: int = _whole(32)
    lock_seconds: int = _whole(60, least=1)
    wait_seconds: int = _whole(15)
    redirect_max_age: int = _whole(300)
    error_ttl: int = _whole(60)
    max_batch: int = _whole(100)
    batch_seconds: int = _whole(10)
    cors_origins: Sequence[str] = _list(
        as_origins,
        "a list of origins, such as https://www.example.com (no path, no slash at its end), or *",
    )
    metrics: bool = _field(False, _read_flag, "True or False")


SETTINGS = {f"THUMBNAIL_{one.name.upper()}": one for one in fields(ServerConfig)}


@reset_on_setting_change
def get_server_config() -> ServerConfig:
    """Return the server's settings; one that is None or absent has its default. Raises SettingError."""
    values, problems = _read()
    if problems:
        raise SettingError(*astuple(problems[0]))
    return ServerConfig(**values)


def setting_problems() -> Iterator[Problem]:
    """Yield a problem for each of the server's settings with a wrong value."""
    yield from _read()[1]


def _read() -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems = []
    for name, one in SETTINGS.items():
        value = getattr(settings, name, None)
        if value is None:
            continue
        try:
            values[one.name] = one.metadata["read"](value)
        except (OverflowError, ValueError):
            default = list(one.default) if isinstance(one.default, tuple) else one.default
            problems.append(
                Problem(
                    "shrinkmeister.E105",
                    f"{name} is {without_password(repr(value))}.",
                    f"Write {one.metadata['form']}, or leave it out for {default!r}.",
                )
            )
    return values, problems
