"""The keys and object names of a thumbnail: pure functions of its spec.

    record_key(spec)                          t1:4nmm2zhv...        its record in the shared cache
    source_key(source)                        s1:7dzsbhyq...        the record of its source
    lock_key(spec)                            l1:4nmm2zhv...        set while a server makes it
    failure_key(spec)                         f1:4nmm2zhv...        why making it failed, for some seconds
    change_key(source)                        c1:7dzsbhyq...        the last change, for an hour
    adopted_key(place)                        a1:q2c5tn7k...        what sorl knew about an image
    object_name(spec, "cache/")               cache/aeq5.../4nmm2zhv....jpg
    object_name(spec, "cache/", "2")          cache/aeq5.../4nmm2zhv...@2x.jpg

A digest is 160 bits of SHA-256 in lower-case base32, 32 characters. It is short, and the same on file
systems that fold case. The digit after the letter is the version of the recipe: a new version finds no
value of the old one. `tests/vectors/specs.json` pins the keys.
"""

import re
from base64 import b32encode
from functools import lru_cache
from hashlib import sha256

from shrinkmeister.protocol.spec import CACHE_SIZE, EXTENSIONS, Source, ThumbnailSpec

#: The Unix time from which the cache has a record of every stored thumbnail.
COMPLETE_SINCE_KEY = "complete"
#: The Unix time of the last loss of objects: records verified before it are distrusted.
DISTRUST_BEFORE_KEY = "doubt"

DIGEST = "[a-z2-7]{32}"
# The keys of records of thumbnails, of sources and of adopted images.
RECORD_KEY = re.compile(rf"(t1|s1|a1):{DIGEST}", re.ASCII)
OBJECT = re.compile(
    rf"{DIGEST}/{DIGEST}(@[0-9]+(\.[0-9]+)?x)?\.({'|'.join(EXTENSIONS.values())})", re.ASCII
)


# A request to the server needs six, and each takes 6 microseconds.
@lru_cache(maxsize=CACHE_SIZE)
def digest(canonical: bytes) -> str:
    return b32encode(sha256(canonical).digest()[:20]).decode().lower()


def record_key(spec: ThumbnailSpec) -> str:
    return f"t1:{digest(spec.canonical)}"


def lock_key(spec: ThumbnailSpec) -> str:
    return f"l1:{digest(spec.canonical)}"


def failure_key(spec: ThumbnailSpec) -> str:
    return f"f1:{digest(spec.canonical)}"


def change_key(source: Source) -> str:
    return f"c1:{digest(source.canonical)}"


def source_key(source: Source) -> str:
    return f"s1:{digest(source.canonical)}"


def adopted_key(place: Source) -> str:
    """place: that of a thumbnail or a source whose size sorl's key-value store had"""
    return f"a1:{digest(place.canonical)}"


def folder_name(source: Source, prefix: str) -> str:
    """Return the folder of all thumbnails of a source, so that deleting them takes one list."""
    return f"{prefix}{digest(source.canonical)}/"


@lru_cache(maxsize=CACHE_SIZE)
def object_name(spec: ThumbnailSpec, prefix: str, resolution: str | None = None) -> str:
    """resolution: "2" for @2x; None for the thumbnail itself."""
    suffix = f"@{resolution}x" if resolution else ""
    return f"{folder_name(spec.source, prefix)}{digest(spec.canonical)}{suffix}.{spec.extension}"


def is_object_name(name: str, prefix: str) -> bool:
    """Return whether `object_name` makes such names. Commands delete no other objects."""
    return name.startswith(prefix) and bool(OBJECT.fullmatch(name.removeprefix(prefix)))


def record_key_of_object(name: str) -> str:
    """Return the key of a thumbnail's record by the name of an object of any resolution."""
    return f"t1:{name.rpartition('/')[2].partition('.')[0].partition('@')[0]}"


def source_key_of_object(name: str) -> str:
    """Return the key of the source's record by the name of such an object."""
    return f"s1:{name.split('/')[-2]}"
