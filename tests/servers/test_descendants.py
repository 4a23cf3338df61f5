"""No process outlives the tests: a run that is killed takes along what its servers have started."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.servers.descendants import is_running
from tests.servers.process import READY_SECONDS, wait_until

pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are marked on Linux only"),
]

# The worker leaves the group, the session and the parent that it starts with.
WORKER = """
import os, signal
os.setsid()
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
signal.pause()
"""
SERVER = f"""
import signal, subprocess, sys
subprocess.Popen([sys.executable, "-c", {WORKER!r}])
signal.pause()
"""
RUN = f"""
import signal, sys
from pathlib import Path
from tests.servers.process import running
# A shell starts its background jobs with SIGINT ignored, and all their children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
with running([sys.executable, "-c", {SERVER!r}], Path(sys.argv[1])) as process:
    print(process.pid, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "server.log"
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(log)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as run:
        assert run.stdout
        server = int(run.stdout.readline())
        wait_until(lambda: log.read_bytes().endswith(b"\n"), "the worker to start", READY_SECONDS)
        worker = int(log.read_text().split()[-1])
        assert is_running(server)
        assert is_running(worker)
        run.send_signal(number)
    wait_until(lambda: not (is_running(server) or is_running(worker)), "processes to end", READY_SECONDS)
