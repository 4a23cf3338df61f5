"""The WSGI application of the server, as a process loads it."""

import subprocess
import sys

import pytest

from tests import ROOT

# `disconnect` returns whether the receiver was connected.
PROGRAM = """
from shrinkmeister_server.wsgi import application
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

print([
    request_started.disconnect(reset_queries),
    request_started.disconnect(close_old_connections),
    request_finished.disconnect(close_old_connections),
])
"""


@pytest.mark.outside
@pytest.mark.makes_thumbnails
def test_no_request_looks_for_connections_to_databases() -> None:
    variables = {
        "ALLOWED_HOST": "thumbs.example.com",
        "THUMBNAIL_SECRET_KEY": "the secret of a server without a database, long enough",
        "THUMBNAIL_CACHE_LOCATION": "redis://127.0.0.1:1/0",
        "THUMBNAIL_BUCKET": "thumbnails",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[False, False, False]\n"
