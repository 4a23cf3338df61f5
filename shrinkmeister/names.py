"""The name of a thumbnail, for code that keeps it as the name of a file.

    photo.image = get_thumbnail(photo.image, "800").name

A lazy thumbnail has no file yet, and a recorded one may have lost it. So a name is given only after the
storage THUMBNAIL_STORAGE, where plain names are looked up, has said that it has the file.
"""

from typing import Any, NoReturn

from sorl.thumbnail.helpers import ThumbnailError

import shrinkmeister
from shrinkmeister.conf import Config, SettingError, get_config
from shrinkmeister.credentials import caused, described
from shrinkmeister.eager import get_maker
from shrinkmeister.exceptions import NotStoredError
from shrinkmeister.keys import object_name, record_key
from shrinkmeister.links import lazy_url
from shrinkmeister.page import current_page
from shrinkmeister.shared_cache import get_shared_cache
from shrinkmeister.sources import place_of
from shrinkmeister.spec import Source, ThumbnailSpec
from shrinkmeister.thumbnail_storage import open_thumbnail_storage

# How long the thumbnail server may take: as long as it reads a source and works on a thumbnail at most.
SERVER_SECONDS = 40


class NoNameError(NotStoredError, ThumbnailError):  # type: ignore[misc]  # sorl has no types
    """What code catches that was written for sorl."""


def stored_name(spec: ThumbnailSpec, recorded: bool) -> str:
    """Return the name of a thumbnail in THUMBNAIL_STORAGE, after making the thumbnail if it is not there.

    recorded: whether the shared cache has a record of it

    Raises NoNameError.
    """
    config = get_config()
    name = object_name(spec, config.prefix)
    try:
        storage = open_thumbnail_storage(config)
        if not _has_thumbnails(storage, config):
            no_name(
                f"thumbnails are in the bucket {config.bucket!r} (THUMBNAIL_BUCKET), and plain names mean "
                f"files of the storage {config.storage!r} (THUMBNAIL_STORAGE)"
            )
        if storage.exists(name):
            return name
        if recorded:
            # The server believes a record for days, and would not make what is lost.
            get_shared_cache().remove([record_key(spec)])
        _make(spec, config)
        if page := current_page():
            page.forget()
        if storage.exists(name):
            return name
    except NoNameError:
        raise
    # A storage and an engine raise whatever their libraries raise, and a property must raise no
    # AttributeError: templates and hasattr() take that for a thumbnail without a name.
    except Exception as error:
        failed = caused(_error(f"it could not be made: {described(error)}"), error)
    else:
        failed = _error(
            f"it was made, and the storage {config.storage!r} (THUMBNAIL_STORAGE) does not have it. "
            f"The thumbnail server stores thumbnails elsewhere: compare the settings of both"
        )
    raise failed


def adopted_name(name: str) -> str:
    """Return the name of a thumbnail that the former backend has made. Raises NoNameError."""
    try:
        if open_thumbnail_storage(get_config()).exists(name):
            return name
    except Exception as error:
        failed = caused(_error(f"its storage cannot be asked: {described(error)}"), error)
    else:
        failed = _error("sorl made it, and its file is lost")
    raise failed


def no_name(reason: str) -> NoReturn:
    raise _error(reason)


def _error(reason: str) -> NoNameError:
    return NoNameError(f"This thumbnail has no name: {reason}. Use its .url.")


def _has_thumbnails(storage: Any, config: Config) -> bool:
    """Whether a storage finds a thumbnail under its object name."""
    if config.bucket is None:
        return True
    name = f"{config.prefix}x.jpg"
    return place_of(storage, name) == Source("s3", config.bucket, name)


def _make(spec: ThumbnailSpec, config: Config) -> None:
    """Make a thumbnail in this process, where what makes thumbnails is installed; else ask the server."""
    try:
        make = get_maker()
    except SettingError:
        _ask_server(spec, config)
    else:
        make(spec)


def _ask_server(spec: ThumbnailSpec, config: Config) -> None:
    # Pages load this module, and no page asks a server.
    from shrinkmeister.web import get

    agent = {"User-Agent": f"shrinkmeister/{shrinkmeister.__version__}"}
    reply = get(lazy_url(spec, config), SERVER_SECONDS, False, **agent)
    if reply.status >= 400:
        no_name(f"the thumbnail server at {config.server_url} answers {reply.status}; its log says why")
