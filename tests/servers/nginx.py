"""nginx for tests, with a configuration of deploy/ or of a test: its `http` block, on ports of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.servers.process import HOST, find_program, free_port, retried, running, wait_for_answer

# All that it writes is in one directory, so that it needs no rights on the machine.
CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    client_body_temp_path {directory}/bodies;
    proxy_temp_path {directory}/answers;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    access_log off;
{http}
}}
"""


def running_nginx(directory: Path, http: Callable[[int, Path], str]) -> AbstractContextManager[str]:
    """Its URL. http: what stands in the `http` block, of the port it has to listen at and a directory."""

    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[str]:
        program = find_program("nginx", "nginx-light")
        port = free_port()
        config, log = directory / "nginx.conf", directory / "nginx.log"
        user = "user root;" if os.getuid() == 0 else ""
        config.write_text(CONFIG.format(directory=directory, user=user, http=http(port, directory)))
        with running([program, "-e", "stderr", "-p", str(directory), "-c", str(config)], log) as process:
            wait_for_answer(process, port, b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.", log)
            yield f"http://{HOST}:{port}"

    return start(directory)
