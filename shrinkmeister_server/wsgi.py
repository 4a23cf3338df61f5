"""`gunicorn shrinkmeister_server.wsgi`, or any other WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shrinkmeister_server.settings")

application = get_wsgi_application()
