"""Eager mode: this process makes thumbnails at once, without the thumbnail server.

Use it for a site's own tests, for e-mails and for commands. THUMBNAIL_EAGER turns it on for a process, and

    with eager_thumbnails():
        html = render_to_string("mail.html", ...)

turns it on for a block.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from shrinkmeister.conf import Config, SettingError
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.spec import ThumbnailSpec

# The server is imported on use: a site without eager mode need not install what it imports.
MAKER = "shrinkmeister_server.pipeline.make_for_site"

# The number of open blocks. A generator may close its block after blocks that were opened later.
_eager: ContextVar[int] = ContextVar("shrinkmeister.eager", default=0)


@contextmanager
def eager_thumbnails() -> Iterator[None]:
    """Make missing thumbnails immediately, in this thread or task, until the block ends.

    Do not put a generator's `yield` into the block. Otherwise the generator's caller is in eager mode, too.
    """
    _eager.set(_eager.get() + 1)
    try:
        yield
    finally:
        _eager.set(max(0, _eager.get() - 1))


def is_eager(config: Config) -> bool:
    return config.eager or in_block()


def in_block() -> bool:
    """Return whether a block of `eager_thumbnails()` is open here, as for an e-mail."""
    return _eager.get() > 0


def get_maker() -> Callable[[ThumbnailSpec], tuple[ThumbnailSpec, ThumbnailRecord]]:
    """Return the function that finds or makes a thumbnail as the thumbnail server does, with its errors.

    Raises SettingError if it is not installed.
    """
    try:
        maker: Callable[[ThumbnailSpec], tuple[ThumbnailSpec, ThumbnailRecord]] = import_string(MAKER)
    except ImportError as error:
        raise SettingError(
            "shrinkmeister.E018",
            "Eager mode (THUMBNAIL_EAGER, eager_thumbnails) needs packages that are not installed: "
            f"{error}.",
            'Install them with `pip install "shrinkmeister[server]"`.',
        ) from error
    return maker


def server_settings() -> frozenset[str]:
    try:
        settings: Mapping[str, Any] = import_string("shrinkmeister_server.conf.SETTINGS")
    except ImportError:
        return frozenset()  # the server's package is not installed
    return frozenset(settings)


def server_warnings(config: Config) -> Iterator[CheckMessage]:
    """Yield warnings of the server's settings on a site with valid settings and THUMBNAIL_EAGER."""
    if config.eager:
        yield from import_string("shrinkmeister_server.conf.check_lock")()


def server_problems(config: Config | None) -> Iterator[SettingError]:
    """Yield the problems of the server's settings on this site.

    config: the site's settings if they are valid. If they have THUMBNAIL_EAGER, the engine is loaded too
    """
    if not server_settings():
        return
    yield from import_string("shrinkmeister_server.conf.setting_problems")()
    if config and config.eager:
        try:
            get_maker()
            import_string("shrinkmeister_server.rendering.render.get_engine")()
        except SettingError as error:
            yield error
