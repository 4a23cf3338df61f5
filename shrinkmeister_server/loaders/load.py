"""Source -> bytes, under the limits, from what the allow-list names and from nowhere else.

Messages of errors do not name the source: they end up in logs, and a token's content is nobody else's.
"""

import errno
import re
from contextlib import closing, suppress
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import InvalidStorageError, storages

from shrinkmeister.conf import get_config, reset_on_setting_change
from shrinkmeister.conf.credentials import is_safe
from shrinkmeister.exceptions import (
    ShrinkmeisterError,
    SourceMissingError,
    SourceNotAllowedError,
    SourceTooLargeError,
    SpecError,
    StorageError,
)
from shrinkmeister.protocol.spec import Source
from shrinkmeister.sources import allowed, object_key
from shrinkmeister.storage.buckets import alias_storage, bucket_storage, is_s3
from shrinkmeister.storage.compat import (
    AZURE_BACKEND,
    GOOGLE_BACKEND,
    MOST_NAME_BYTES,
    check,
    is_a,
    is_missing,
)
from shrinkmeister.storage.s3_errors import bucket_errors
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.loaders.limits import deadline

# Of an answer's Content-Encoding.
COMPRESSIONS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; what no key can be, no object has.
MISSING = ("NoSuchKey", "KeyTooLongError")


def fetch(source: Source) -> bytes:
    """The bytes of a source that the allow-list names.

    Raises SourceNotAllowedError, and what `read` raises.
    """
    # A storage takes ".." for a way out of the folder that the allow-list names.
    if any(part in (".", "..") for part in _parts(source)):
        raise SourceNotAllowedError("the source's name has '.' or '..' in its path")
    if not allowed(source, get_config().sources):
        raise SourceNotAllowedError(
            f"THUMBNAIL_SOURCES does not name {source.scheme}://{source.container} or that folder of it"
        )
    return read(source)


def _parts(source: Source) -> list[str]:
    """Of the name, however it is spelled: django-storages takes a backslash for a slash; a host decodes
    "%2e" and takes no "?" for a part of a path, and some take no ";" for one.
    """
    name, of_url = source.name, source.scheme in ("http", "https")
    parts = re.split(r"[/\\]", unquote(re.split("[?#]", name)[0] if of_url else name))
    return [part.partition(";")[0] for part in parts] if of_url else parts


def read(source: Source) -> bytes:
    """The bytes of any source.

    Raises SourceMissingError, SourceTooLargeError, or StorageError where the place of sources fails, or is
    slow.
    """
    readers = {"s3": _from_bucket, "storage": _from_storage}
    return readers.get(source.scheme, _from_url)(source, get_server_config().max_source_bytes)


def _from_bucket(source: Source, most: int) -> bytes:
    return _object(_s3_storage_of(source), source.name, most)


def _object(storage: Any, key: str, most: int) -> bytes:
    """Return the bytes of an object in the bucket of an S3 storage."""
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import SSLError

    with bucket_errors(f"the bucket {storage.bucket_name!r}"):
        answer = _answer(storage, key)
        try:
            return _body(answer, most)
        except (BotoCoreError, SSLError):
            # botocore tries again where no answer comes, but not where one breaks off.
            return _body(_answer(storage, key), most)


def _answer(storage: Any, key: str) -> Any:
    """What a bucket answers, of which the body is not read yet."""
    client = storage.connection.meta.client
    try:
        return client.get_object(Bucket=storage.bucket_name, Key=key)
    except client.exceptions.ClientError as error:
        # A missing bucket is a wrong setting, and not to be told from a missing file by its status.
        if error.response.get("Error", {}).get("Code") in MISSING:
            raise SourceMissingError("the bucket has no such object") from error
        raise


def _body(answer: Any, most: int) -> bytes:
    # Not as its own context manager, which gives the stream beneath: that compares no length or checksum.
    with closing(answer["Body"]) as body:
        _refuse_above(most, answer["ContentLength"])
        with deadline(get_server_config().source_seconds, lambda: _shut(body), "the source's bucket"):
            return bytes(body.read())


def _shut(body: Any) -> None:
    # It may have ended by itself just now.
    with suppress(OSError, RuntimeError, ValueError):
        body._raw_stream.shutdown()


@reset_on_setting_change
def _storages() -> dict[tuple[str, str], Any]:
    """By scheme and container. Building a storage costs 0.1 s. The allow-list bounds them."""
    return {}


def _s3_storage_of(source: Source) -> Any:
    """Return the S3 storage of a source's bucket or alias, which keeps its connections."""
    place = (source.scheme, source.container)
    if place not in _storages():
        own = source.scheme == "s3"
        container = source.container
        _storages()[place] = bucket_storage(container, get_config()) if own else alias_storage(container)
    return _storages()[place]


def _from_storage(source: Source, most: int) -> bytes:
    try:
        storage = storages[source.container]
    except InvalidStorageError as error:
        raise StorageError(f"STORAGES has no alias {source.container!r}") from error
    if is_s3(storage):
        # One request, with the patience of all buckets. The storage itself would ask three times.
        storage = _s3_storage_of(source)
        try:
            key = object_key(str(storage.location), source.name)
        except SpecError as error:
            raise SourceNotAllowedError("the source's name leads out of the storage") from error
        return _object(storage, key, most)
    try:
        # A file of Azure knows its size only after it has fetched all of its bytes.
        if is_a(storage, AZURE_BACKEND):
            _refuse_above(most, storage.size(source.name))
        with _opened(storage, source) as file:
            _refuse_above(most, file.size)
            return bytes(file.read())
    except (ShrinkmeisterError, MemoryError):
        raise
    except SuspiciousOperation as error:
        raise SourceNotAllowedError("the source's name leads out of the storage") from error
    # A storage raises whatever its library raises; the rest of it means that the storage failed.
    except Exception as error:
        if is_missing(error):
            raise SourceMissingError("the storage has no such file") from error
        too_long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
        if too_long or len(source.name.encode()) > MOST_NAME_BYTES:
            raise SourceMissingError("the storage has no file of so long a name") from error
        cause = error if is_safe(error) else None
        raise StorageError(f"the storage {source.container!r}: {type(error).__name__}") from cause


def _opened(storage: Any, source: Source) -> Any:
    try:
        return storage.open(source.name)
    except FileNotFoundError:
        # Google's storage raises it for a missing bucket too, which a listing does not mistake.
        if is_a(storage, GOOGLE_BACKEND):
            try:
                check(storage)
            except Exception as error:
                raise StorageError(f"the storage {source.container!r}: {type(error).__name__}") from error
        raise


def _from_url(source: Source, most: int) -> bytes:
    from shrinkmeister_server.loaders.connections import answer_of

    config = get_server_config()
    private = any(host == source.container for host in config.private_hosts)
    with answer_of(str(source), private, config.source_seconds) as answer:
        if answer.status in (404, 410):
            raise SourceMissingError("the source's host has no such file")
        # The host that is listed has to answer itself: no redirects.
        if answer.status != 200:
            raise StorageError(f"the source's host answered {answer.status}")
        # It was not asked for, and a few bytes may be a memory full of them. Other codings are none.
        codings = answer.headers.get("Content-Encoding", "").lower().split(",")
        if COMPRESSIONS & {coding.strip() for coding in codings}:
            raise StorageError("the source's host has sent it compressed")
        _refuse_above(most, answer.length_remaining or 0)
        data = bytearray()
        for part in answer.stream(65536, decode_content=False):
            data += part
            _refuse_above(most, len(data))
        return bytes(data)


def _refuse_above(most: int, size: int) -> None:
    if size > most:
        raise SourceTooLargeError(f"the source has more than {most} bytes")
