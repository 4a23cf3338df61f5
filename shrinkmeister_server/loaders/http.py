"""Sources by URL, at hosts of the web."""

from shrinkmeister.exceptions import SourceMissingError, StorageError
from shrinkmeister.protocol.spec import Source
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.loaders.connections import open_url
from shrinkmeister_server.loaders.limits import check_size

# Values of Content-Encoding. Other ones, such as "identity", do not change the bytes.
COMPRESSIONS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}


def load(source: Source, max_bytes: int) -> bytes:
    """Return the bytes of a source `https://host/path`."""
    config = get_server_config()
    # Compared one by one: the setting may be a text, and `in` would find a part of it.
    is_private = any(host == source.container for host in config.private_hosts)
    with open_url(str(source), is_private, config.source_seconds) as response:
        if response.status in (404, 410):
            raise SourceMissingError("the source's host has no such file")
        # A redirect is an error too: the host that the allow-list names has to answer itself.
        if response.status != 200:
            raise StorageError(f"the source's host answered {response.status}")
        # The server did not ask for compression, and a few bytes may fill all memory when decompressed.
        codings = response.headers.get("Content-Encoding", "").lower().split(",")
        if COMPRESSIONS & {coding.strip() for coding in codings}:
            raise StorageError("the source's host has sent it compressed")
        check_size(response.length_remaining or 0, max_bytes)
        data = bytearray()
        for part in response.stream(65536, decode_content=False):
            data += part
            check_size(len(data), max_bytes)
        return bytes(data)
