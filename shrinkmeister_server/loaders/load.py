"""Pick the loader of a source by its scheme.

Error messages never name the source: they end up in logs, and the contents of a token are secret.
"""

from shrinkmeister.protocol.spec import Source
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.loaders import s3, storage
from shrinkmeister_server.loaders.allow_list import check_allowed


def load_allowed(source: Source) -> bytes:
    """Return the bytes of a source if the allow-list names it.

    Raises SourceNotAllowedError, and the errors of `load`.
    """
    check_allowed(source)
    return load(source)


def load(source: Source) -> bytes:
    """Return the bytes of any source.

    Raises SourceMissingError, SourceTooLargeError, or StorageError where a bucket, a storage or a host
    fails or is slow.
    """
    max_bytes = get_server_config().max_source_bytes
    if source.scheme == "s3":
        return s3.load(source, max_bytes)
    if source.scheme == "storage":
        return storage.load(source, max_bytes)
    from shrinkmeister_server.loaders import http  # loads urllib3, which few servers need

    return http.load(source, max_bytes)
