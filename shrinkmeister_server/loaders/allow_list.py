"""The allow-list: THUMBNAIL_SOURCES names buckets, storages and hosts, or folders in them."""

import re
from urllib.parse import unquote

from shrinkmeister.conf import get_config
from shrinkmeister.exceptions import SourceNotAllowedError
from shrinkmeister.protocol.spec import URL_SCHEMES, Source, allowed


def check_allowed(source: Source) -> None:
    """Raise SourceNotAllowedError unless the allow-list names the source."""
    # A storage follows ".." out of the folder that the allow-list names.
    if any(part in (".", "..") for part in _path_parts(source)):
        raise SourceNotAllowedError("the source's name has '.' or '..' in its path")
    if not allowed(source, get_config().sources):
        raise SourceNotAllowedError(
            f"THUMBNAIL_SOURCES does not name {source.scheme}://{source.container} or that folder of it"
        )


def _path_parts(source: Source) -> list[str]:
    """Return the parts of a source's path in every way that a storage or a host may read it.

    django-storages reads a backslash as a slash. A host decodes "%2e" and ends the path at "?". Some hosts
    end a part at ";".
    """
    if source.scheme not in URL_SCHEMES:
        return re.split(r"[/\\]", source.name)
    path = unquote(re.split("[?#]", source.name)[0])
    return [part.partition(";")[0] for part in re.split(r"[/\\]", path)]
