"""The server's own settings, as one frozen value; `shrinkmeister.conf` has those of both sides."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from django.conf import settings

from shrinkmeister.conf import per_configuration


@dataclass(frozen=True)
class ServerConfig:
    """max_source_bytes   bytes of a source that are read at most
    source_seconds     that reading a source may take
    private_hosts      of sources by URL, with their ports: those that may have private addresses
    max_pixels         width times height of a source that is decoded at most; of all frames of an animation
    max_side           width and height of a thumbnail that is written at most
    max_frames         frames of a thumbnail that is an animation at most
    max_seconds        that decoding, scaling and encoding may take for one source
    max_making         thumbnails that a process makes at once
    max_waiting        requests of a process that wait to make one, or for another server's
    lock_seconds       after which another server may make what one seems to be making
    wait_seconds       for which a request waits for another server's thumbnail
    redirect_max_age   seconds for which browsers and CDNs may keep a redirect
    max_batch          thumbnails that one request may ask for; 0 for none
    batch_seconds      after which such a request begins to make no further one
    error_ttl          seconds for which a source that is missing or no good is not read again
    cors_origins       whose pages may read what is answered, or "*" for all; none without
    metrics            whether requests are counted for Prometheus
    """

    max_source_bytes: int = 40_000_000
    source_seconds: float = 20
    private_hosts: Sequence[str] = ()
    max_pixels: int = 50_000_000
    max_side: int = 8_192
    max_frames: int = 100
    max_seconds: int = 20
    max_making: int = 4
    max_waiting: int = 32
    lock_seconds: int = 60
    wait_seconds: int = 15
    redirect_max_age: int = 300
    error_ttl: int = 60
    max_batch: int = 100
    batch_seconds: int = 10
    cors_origins: Sequence[str] = ()
    metrics: bool = False


@per_configuration
def get_server_config() -> ServerConfig:
    """A setting that is None or absent, as on a site in its eager mode, has its default."""
    names = {one.name: f"THUMBNAIL_{one.name.upper()}" for one in fields(ServerConfig)}
    given = {name: getattr(settings, setting, None) for name, setting in names.items()}
    return ServerConfig(**{name: value for name, value in given.items() if value is not None})
