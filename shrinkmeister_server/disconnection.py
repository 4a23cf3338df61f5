"""Whether the client of a request has closed its connection, as far as the WSGI server shows that.

gunicorn puts the socket into the environ, and waitress a function. Other servers show neither; with them,
clients count as connected.
"""

import select
import socket
from collections.abc import Callable, Mapping
from typing import Any

# Linux reports with it that the peer has closed at least its sending side. A client that closes only that
# side counts as gone, as it does for nginx and for net/http of Go.
_CLOSED = getattr(select, "POLLRDHUP", 0)


def client_watch(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Return a function that returns whether the client has closed its connection. It never waits."""
    if has_closed := environ.get("waitress.client_disconnected"):
        return lambda: bool(has_closed())
    connection = environ.get("gunicorn.socket")
    return never if connection is None else lambda: is_closed(connection)


def is_closed(connection: socket.socket) -> bool:
    """Return whether the peer has closed a connection. Reads nothing, so that TLS is not disturbed."""
    if not _CLOSED:
        return False
    descriptor = connection.fileno()
    # Another thread of the WSGI server has closed the socket.
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, _CLOSED)
    return bool(poll.poll(0))


def never() -> bool:
    return False
