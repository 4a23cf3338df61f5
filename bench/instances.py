"""Processes that stand for instances of a Lambda function: each answers one request at a time.

    with running_instances(50, {"THUMBNAIL_BUCKET": ...}) as instances:
        instances[0].ask("/AWpK-8fdtE4F922a....jpg").outcome     "made"

Each has the whole application, connections, S3 client and engine of its own, as a Lambda instance has. It
is called as WSGI calls it: what Zappa does before that is the same for each request, whatever others do.
All are forked from one process that has imported everything and connected to nothing: what importing costs
is measured elsewhere (`bench.start`), and 100 of them start in a moment.
"""

import io
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from shrinkmeister.protocol.spec import ThumbnailSpec
from tests.servers.process import HOST

# Imported by a first request.
LAZY = (
    "boto3",
    "storages.backends.s3",
    "django_redis.cache",
    "django_redis.client",
    "shrinkmeister_server.engines.pillow",
    "shrinkmeister_server.views",
)
# What an instance is asked: the path of a thumbnail, or a page that shows these.
Question = str | tuple[ThumbnailSpec, ...]


@dataclass(frozen=True)
class Reply:
    """outcome: as in the server's log; cpu: seconds that the process computed; s3: requests by method"""

    outcome: str
    cpu: float
    s3: Counter[str]


class Instance:
    def __init__(self, process: Any, connection: Connection) -> None:
        self._process = process
        self._connection = connection

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def ask(self, question: Question) -> Reply:
        self._connection.send(question)
        reply: Reply = self._connection.recv()
        return reply


@contextmanager
def running_instances(count: int, variables: Mapping[str, str]) -> Iterator[list[Instance]]:
    """variables: of the thumbnail server. This process becomes one, too."""
    os.environ.update({"ALLOWED_HOST": HOST, **variables})
    import importlib

    from shrinkmeister_server.wsgi import application

    for name in LAZY:
        importlib.import_module(name)
    context = get_context("fork")
    ours: list[Connection] = []
    instances = []
    for _ in range(count):
        here, there = context.Pipe()
        ours.append(here)
        # A child has all ends that were open before it, which would keep others from seeing ours closed.
        process = context.Process(target=_serve, args=(application, there, list(ours)), daemon=True)
        process.start()
        there.close()
        instances.append(Instance(process, here))
    try:
        yield instances
    finally:
        for connection in ours:
            connection.close()
        for instance in instances:
            instance._process.join()


def _serve(application: Any, connection: Connection, others: list[Connection]) -> None:
    for other in others:
        other.close()
    outcomes, requests = _Outcomes(), _counted_requests()
    logger = logging.getLogger("shrinkmeister_server.observability.access_log")
    logger.handlers, logger.propagate = [outcomes], False
    while True:
        try:
            question = connection.recv()
        except EOFError:
            return
        requests.clear()
        start = time.process_time()
        outcome = outcomes.of(application, question) if isinstance(question, str) else _page(question)
        connection.send(Reply(outcome, time.process_time() - start, Counter(requests)))


class _Outcomes(logging.Handler):
    """Learns from its line in the log what came of a request."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self._last = record.__dict__["request_log"]["outcome"]

    def of(self, application: Any, path: str) -> str:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SERVER_NAME": HOST,
            "SERVER_PORT": "443",
            "HTTP_HOST": HOST,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        answer = application(environ, lambda status, headers, error=None: None)
        b"".join(answer)
        answer.close()
        return self._last


def _page(specs: tuple[ThumbnailSpec, ...]) -> str:
    """What a site does for a page that it has rendered before: one look-up for all."""
    from shrinkmeister.cache import get_shared_cache
    from shrinkmeister.cache.lookups import keys_of
    from shrinkmeister.page import RequestCache

    page = RequestCache()
    for spec in specs:
        page.expect(keys_of(spec).all)
    cache = get_shared_cache()
    missing = [spec for spec in specs if cache.lookups.look_up(spec, reader=page).thumbnail is None]
    assert not missing, f"{len(missing)} thumbnails of a page have no record"
    return "page"


def _counted_requests() -> Counter[str]:
    """What this process sends to S3 from now on, by method; what botocore sends again is counted again."""
    from botocore.httpsession import URLLib3Session

    counts = Counter[str]()
    send = URLLib3Session.send

    def counting(session: Any, request: Any) -> Any:
        counts["LIST" if "prefix=" in request.url else request.method] += 1
        return send(session, request)

    URLLib3Session.send = counting
    return counts
