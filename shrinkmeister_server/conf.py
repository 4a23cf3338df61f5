"""The server's own settings, as one frozen value; `shrinkmeister.conf` has those of both sides."""

from dataclasses import dataclass

from django.conf import settings

from shrinkmeister.conf import per_configuration


@dataclass(frozen=True)
class ServerConfig:
    """max_source_bytes   bytes of a source that are read at most
    max_pixels         width times height of a source that is decoded at most
    lock_seconds       after which another server may make what one seems to be making
    wait_seconds       for which a request waits for another server's thumbnail
    redirect_max_age   seconds for which browsers and CDNs may keep a redirect
    """

    max_source_bytes: int
    max_pixels: int
    lock_seconds: int
    wait_seconds: int
    redirect_max_age: int


@per_configuration
def get_server_config() -> ServerConfig:
    return ServerConfig(
        max_source_bytes=settings.THUMBNAIL_MAX_SOURCE_BYTES,
        max_pixels=settings.THUMBNAIL_MAX_PIXELS,
        lock_seconds=settings.THUMBNAIL_LOCK_SECONDS,
        wait_seconds=settings.THUMBNAIL_WAIT_SECONDS,
        redirect_max_age=settings.THUMBNAIL_REDIRECT_MAX_AGE,
    )
