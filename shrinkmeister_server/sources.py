"""Source -> bytes, under the limits, from what the allow-list names and from nowhere else.

Messages of errors do not name the source: they end up in logs, and a token's content is nobody else's.
"""

import errno
import re
import time
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import InvalidStorageError, storages

from shrinkmeister.buckets import bucket_storage
from shrinkmeister.conf import get_config, per_configuration
from shrinkmeister.exceptions import (
    ShrinkmeisterError,
    SourceMissingError,
    SourceNotAllowedError,
    SourceTooLargeError,
    StorageError,
)
from shrinkmeister.sources import allowed
from shrinkmeister.spec import Source
from shrinkmeister_server.conf import get_server_config

# Seconds, for sources by URL; S3 has botocore's own.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; what no key can be, no object has.
MISSING = ("NoSuchKey", "KeyTooLongError")


def fetch(source: Source) -> bytes:
    """The bytes of a source that the allow-list names.

    Raises SourceNotAllowedError, and what `read` raises.
    """
    # A storage takes ".." for a way out of the folder that the allow-list names. django-storages takes
    # a backslash for a slash, and a host decodes "%2e".
    if any(part in (".", "..") for part in re.split(r"[/\\]", unquote(source.name))):
        raise SourceNotAllowedError("the source's name has '.' or '..' in its path")
    if not allowed(source, get_config().sources):
        raise SourceNotAllowedError(
            f"THUMBNAIL_SOURCES does not name {source.scheme}://{source.container} or that folder of it"
        )
    return read(source)


def read(source: Source) -> bytes:
    """The bytes of any source.

    Raises SourceMissingError, SourceTooLargeError, or StorageError where the place of sources fails.
    """
    readers = {"s3": _from_bucket, "storage": _from_storage}
    return readers.get(source.scheme, _from_url)(source, get_server_config().max_source_bytes)


def _from_bucket(source: Source, most: int) -> bytes:
    from botocore.exceptions import BotoCoreError, ClientError

    client = _storage_of(source.container).connection.meta.client
    try:
        answer = client.get_object(Bucket=source.container, Key=source.name)
        _refuse_above(most, answer["ContentLength"])
        with answer["Body"] as body:
            return bytes(body.read())
    except ClientError as error:
        # A missing bucket is a wrong setting, and not to be told from a missing file by its status.
        if error.response.get("Error", {}).get("Code") in MISSING:
            raise SourceMissingError("the bucket has no such object") from error
        raise StorageError(f"the bucket {source.container!r}: {error}") from error
    except BotoCoreError as error:
        raise StorageError(f"the bucket {source.container!r}: {error}") from error


@per_configuration
def _storages() -> dict[str, Any]:
    """By bucket. A storage keeps its connections; building one costs 0.1 s. The allow-list bounds them."""
    return {}


def _storage_of(bucket: str) -> Any:
    if bucket not in _storages():
        _storages()[bucket] = bucket_storage(bucket, get_config())
    return _storages()[bucket]


def _from_storage(source: Source, most: int) -> bytes:
    try:
        storage = storages[source.container]
    except InvalidStorageError as error:
        raise StorageError(f"STORAGES has no alias {source.container!r}") from error
    try:
        with storage.open(source.name) as file:
            _refuse_above(most, file.size)
            return bytes(file.read())
    except (ShrinkmeisterError, MemoryError):
        raise
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise SourceMissingError("the storage has no such file") from error
    except SuspiciousOperation as error:
        raise SourceNotAllowedError("the source's name leads out of the storage") from error
    # A storage raises whatever its library raises; here all of it means that the storage failed.
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            raise SourceMissingError("the storage has no file of so long a name") from error
        raise StorageError(f"the storage {source.container!r}: {type(error).__name__}") from error


def _from_url(source: Source, most: int) -> bytes:
    import urllib3

    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
    try:
        # No redirects: the host that is listed has to answer itself.
        answer = urllib3.request(
            "GET",
            str(source),
            timeout=timeout,
            redirect=False,
            retries=False,
            preload_content=False,
        )
        try:
            if answer.status in (404, 410):
                raise SourceMissingError("the source's host has no such file")
            if answer.status != 200:
                raise StorageError(f"the source's host answered {answer.status}")
            data = bytearray()
            # A read ends when the host sends something; all of it has to end too.
            end = time.monotonic() + READ_TIMEOUT
            for part in answer.stream(65536, decode_content=True):
                data += part
                _refuse_above(most, len(data))
                if time.monotonic() > end:
                    raise StorageError(f"the source's host took more than {READ_TIMEOUT} s")
            return bytes(data)
        finally:
            answer.close()
    except urllib3.exceptions.HTTPError as error:
        raise StorageError(f"the source's host: {type(error).__name__}") from error


def _refuse_above(most: int, size: int) -> None:
    if size > most:
        raise SourceTooLargeError(f"the source has more than {most} bytes")
