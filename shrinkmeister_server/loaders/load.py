"""Load a source from a place that the allow-list names. Its scheme decides which loader reads it.

THUMBNAIL_SOURCES names buckets, storages and hosts, or folders in them. Error messages never name the
source: they end up in logs, and the contents of a token are secret.
"""

import re
from urllib.parse import unquote

from shrinkmeister.conf import get_config
from shrinkmeister.exceptions import SourceNotAllowedError
from shrinkmeister.protocol.spec import URL_SCHEMES, Source, allowed
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.loaders import s3, storage


def load(source: Source, anywhere: bool = False) -> bytes:
    """Return the bytes of a source.

    anywhere  whether the source need not be in the allow-list

    Raises SourceNotAllowedError, SourceMissingError, SourceTooLargeError, or StorageError where a bucket, a
    storage or a host fails or is slow.
    """
    if not anywhere:
        _check_allowed(source)
    max_bytes = get_server_config().max_source_bytes
    if source.scheme == "s3":
        return s3.load_object(s3.get_s3_storage(source), source.name, max_bytes)
    if source.scheme == "storage":
        return storage.load(source, max_bytes)
    from shrinkmeister_server.loaders import http  # loads urllib3, which few servers need

    return http.load(source, max_bytes)


def _check_allowed(source: Source) -> None:
    # A storage follows ".." out of the folder that the allow-list names.
    if any(part in (".", "..") for part in _path_parts(source)):
        raise SourceNotAllowedError("the source's name has '.' or '..' in its path")
    if not allowed(source, get_config().sources):
        raise SourceNotAllowedError(
            f"THUMBNAIL_SOURCES does not name {source.scheme}://{source.container} or that folder of it"
        )


def _path_parts(source: Source) -> list[str]:
    """Return the parts of a source's path in every way that a storage or a host may read it.

    django-storages reads a backslash as a slash. A host decodes "%2e", as some storages may, and ends
    the path at "?". Some hosts end a part at ";".
    """
    is_url = source.scheme in URL_SCHEMES
    name = re.split("[?#]", source.name)[0] if is_url else source.name
    parts = re.split(r"[/\\]", unquote(name))
    return [part.partition(";")[0] for part in parts] if is_url else parts
