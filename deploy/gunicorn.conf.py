"""gunicorn's settings: `gunicorn --config gunicorn.conf.py shrinkmeister_server.wsgi`, behind nginx.

A slow client holds a thread of gunicorn for as long as it likes. So something before it has to read whole
requests, bodies included. What the environment says is read by the server's own settings; gunicorn itself
reads WEB_CONCURRENCY, how many workers there are (1).
"""

import os

from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.settings import LOGGING

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shrinkmeister_server.settings")
limits = get_server_config()
# The last thumbnail of a batch: waiting for another server's, then for a place to make it, then making it.
worst = limits.batch_seconds + 2 * limits.wait_seconds + limits.source_seconds + limits.max_seconds

# A thread works while another one waits for S3.
threads = 2
# Of a worker that does not answer at all, and of one that is told to stop.
timeout = graceful_timeout = int(worst) + 10
# Where workers say that they live: a disk that is slow would have them killed.
worker_tmp_dir = "/dev/shm"
logconfig_dict = LOGGING
# There is nobody to talk to, and no home to have a socket in.
control_socket_disable = True
