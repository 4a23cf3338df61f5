"""The eager mode: thumbnails are made at once, in this process, where no browser will ever ask for them.

For a site's own tests, for e-mails and for commands: THUMBNAIL_EAGER for a whole process, or

    with eager_thumbnails():
        html = render_to_string("mail.html", ...)
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.utils.module_loading import import_string

from shrinkmeister.conf import Config, Problem, SettingError
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.spec import ThumbnailSpec

# As text, and loaded when it is wanted: a site without the eager mode has not installed what it needs.
MAKER = "shrinkmeister_server.pipeline.make_for_site"
ENGINE = "shrinkmeister_server.rendering.render.get_engine"
# These need no library of images.
PROBLEMS = "shrinkmeister_server.conf.setting_problems"
SETTINGS = "shrinkmeister_server.conf.SETTINGS"

# How many blocks are open; a generator may close its own after those that were opened later.
_eager: ContextVar[int] = ContextVar("shrinkmeister.eager", default=0)


@contextmanager
def eager_thumbnails() -> Iterator[None]:
    """Makes the thumbnails of this thread or task at once until the block ends.

    Not around a `yield` of a generator: whoever asks that one would be in the block too.
    """
    _eager.set(_eager.get() + 1)
    try:
        yield
    finally:
        _eager.set(max(0, _eager.get() - 1))


def is_eager(config: Config) -> bool:
    return config.eager or _eager.get() > 0


def make_now(spec: ThumbnailSpec) -> tuple[ThumbnailSpec, ThumbnailRecord]:
    """Find or make the thumbnail, as the thumbnail server does. Raises what that raises.

    Returns also the spec that names it, which is another one if the source was changing.
    """
    return get_maker()(spec)


def get_maker() -> Callable[[ThumbnailSpec], tuple[ThumbnailSpec, ThumbnailRecord]]:
    """Raises SettingError where it is not installed."""
    try:
        maker: Callable[[ThumbnailSpec], tuple[ThumbnailSpec, ThumbnailRecord]] = import_string(MAKER)
    except ImportError as error:
        raise SettingError(
            "shrinkmeister.E018",
            f"Thumbnails are to be made at once (THUMBNAIL_EAGER, eager_thumbnails), and what makes them "
            f"is not installed: {error}.",
            "Install it with `pip install shrinkmeister[server]`.",
        ) from error
    return maker


def server_settings() -> frozenset[str]:
    """Return the names of the server's own settings, which the eager mode reads."""
    try:
        settings: Mapping[str, Any] = import_string(SETTINGS)
    except ImportError:
        return frozenset()  # the server's package is not installed
    return frozenset(settings)


def server_problems(config: Config | None) -> Iterator[Problem]:
    """Yield what is wrong with the server's settings on this site.

    config: the site's settings, where these are valid. With THUMBNAIL_EAGER the engine is loaded too
    """
    if not server_settings():
        return
    yield from import_string(PROBLEMS)()
    if config and config.eager:
        try:
            get_maker()
            import_string(ENGINE)()
        except SettingError as error:
            yield error.problem
