"""`gunicorn shrinkmeister_server.wsgi`, or any other WSGI server."""

import os

from django.conf import settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, reset_queries

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shrinkmeister_server.settings")

application = get_wsgi_application()

if not settings.DATABASES:
    # Otherwise Django looks twice in each request for connections to databases.
    request_started.disconnect(reset_queries)
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
