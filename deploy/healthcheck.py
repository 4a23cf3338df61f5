"""Asks the server of its own container whether it is well, as Docker's HEALTHCHECK: ends with 0 or 1."""

import os
import sys
from http.client import HTTPConnection

from shrinkmeister_server.settings import ALLOWED_HOSTS

# ".example.com" allows example.com too, and "*" anything.
host = ALLOWED_HOSTS[0].lstrip(".").replace("*", "localhost")
connection = HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=9)
connection.request("GET", "/healthz", headers={"Host": host})
sys.exit(connection.getresponse().status != 200)
