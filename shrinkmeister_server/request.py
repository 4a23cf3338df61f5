"""A thumbnail that a browser, or a site in its eager mode, asks for."""

from collections.abc import Callable
from dataclasses import dataclass

from shrinkmeister.cache.coordination import MakerState
from shrinkmeister.exceptions import ClientGoneError
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister_server.disconnection import never
from shrinkmeister_server.observability.timing import Timing


@dataclass(frozen=True)
class Request:
    """A request for one thumbnail; a batch has several.

    resolution  "2" if a browser asked for @2x
    eager       whether a site asks: its source need not be in the allow-list, it ignores and remembers no
                failure, and its storage may give other URLs than the server's
    state       the cache's state, if the caller has looked it up
    has_time    whether there is time to do more than answer from that state
    is_gone     returns whether the client, and with it every reason to go on, is gone
    """

    spec: ThumbnailSpec
    timing: Timing
    resolution: str | None = None
    eager: bool = False
    state: MakerState | None = None
    has_time: bool = True
    is_gone: Callable[[], bool] = never

    def check_client(self) -> None:
        """Raise ClientGoneError if the client is gone. Call it before each costly step."""
        if self.is_gone():
            raise ClientGoneError("the client has closed the connection, and no other one waits")
