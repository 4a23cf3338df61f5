"""gunicorn's settings: `gunicorn --config gunicorn.conf.py shrinkmeister_server.wsgi`, behind nginx.

A slow client holds a thread of gunicorn for as long as it likes. So a proxy before gunicorn has to read
whole requests, bodies included. The server's own settings read the environment. gunicorn itself reads only
WEB_CONCURRENCY, the number of workers (1 by default).
"""

import os

from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.settings import LOGGING

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shrinkmeister_server.settings")
limits = get_server_config()
# Seconds of the longest request: a batch begins its last thumbnail, waits for another server to make it,
# waits for a place to make it, and makes it.
worst = limits.batch_seconds + 2 * limits.wait_seconds + limits.source_seconds + limits.max_seconds

# Workers share the memory of what is loaded before they start. libvips is loaded later, by each of them.
preload_app = True
# A thread works while another one waits for S3.
threads = 2
# Seconds after which gunicorn kills a worker that does not answer, or that has to stop.
timeout = graceful_timeout = int(worst) + 10
# Workers report here that they are alive. On a slow disk, gunicorn would take them for dead.
worker_tmp_dir = "/dev/shm"
logconfig_dict = LOGGING
# The service has no home directory, in which gunicorn would put its control socket.
control_socket_disable = True
