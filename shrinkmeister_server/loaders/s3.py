"""Sources in S3 buckets."""

from typing import Any

from shrinkmeister.conf import get_config, reset_on_setting_change
from shrinkmeister.exceptions import SourceMissingError
from shrinkmeister.protocol.spec import Source
from shrinkmeister.storage.buckets import alias_storage, bucket_storage
from shrinkmeister.storage.s3_client import bucket_errors
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.loaders.limits import check_size, deadline

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: no object can have a key that is too
# long. NoSuchBucket has the same status, but a missing bucket is a wrong setting.
MISSING = ("NoSuchKey", "KeyTooLongError")


def load_object(storage: Any, key: str, max_bytes: int) -> bytes:
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import SSLError

    with bucket_errors(f"the bucket {storage.bucket_name!r}"):
        response = _get_object(storage, key)
        try:
            return _read_body(response, max_bytes)
        except (BotoCoreError, SSLError):
            # botocore repeats a request that gets no answer, but not one whose answer breaks off.
            return _read_body(_get_object(storage, key), max_bytes)


def get_s3_storage(source: Source) -> Any:
    """Return the S3 storage of a source's bucket or alias, which keeps its connections."""
    place = (source.scheme, source.container)
    if place not in _storages():
        _storages()[place] = (
            bucket_storage(source.container, get_config())
            if source.scheme == "s3"
            else alias_storage(source.container)
        )
    return _storages()[place]


@reset_on_setting_change
def _storages() -> dict[tuple[str, str], Any]:
    """Return the storages by scheme and container. Building one takes 0.1 s. The allow-list bounds them."""
    return {}


def _get_object(storage: Any, key: str) -> Any:
    client = storage.connection.meta.client
    try:
        return client.get_object(Bucket=storage.bucket_name, Key=key)
    except client.exceptions.ClientError as error:
        if error.response.get("Error", {}).get("Code") in MISSING:
            raise SourceMissingError("the bucket has no such object") from error
        raise


def _read_body(response: Any, max_bytes: int) -> bytes:
    body = response["Body"]
    # As a context manager, the body gives urllib3's stream. That one can be interrupted, but only the body
    # compares length and checksum.
    with body as stream:
        check_size(response["ContentLength"], max_bytes)
        with deadline(get_server_config().source_seconds, stream.shutdown, "the source's bucket"):
            return bytes(body.read())
