"""Mark every process that a run of tests starts, and end all of them when the run ends, however it ends.

A mark is a limit on the size of files, far above every file. Linux hands limits down to every descendant.
Process groups, environments and death signals are less reliable: nginx, Chromium and gunicorn change them.
A run with several pytest processes has one mark for each. The first process's watchdog ends the whole run.
On other systems than Linux nothing is marked.
"""

import functools
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Process ids of Linux have at most 22 bits.
BITS = 22
BASE = 1 << 61
PROC = Path("/proc")


@functools.cache
def watch() -> None:
    """Mark this process and its later descendants. Start a watchdog that outlives this process.

    Without a watchdog, tests that are killed leave what their servers have started.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit that the user has set stays.
    is_limited = hard != resource.RLIM_INFINITY or 0 <= soft < BASE
    if not sys.platform.startswith("linux") or is_limited:
        return
    is_first = soft == resource.RLIM_INFINITY
    run = os.getpid() if is_first else (soft - BASE) >> BITS
    # The watchdog itself is not marked.
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    subprocess.Popen(
        [sys.executable, "-SP", __file__, str(os.getpid()), str(run), "run" if is_first else "process"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # Ctrl-C in a terminal does not reach it.
        start_new_session=True,
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, (BASE + (run << BITS) + os.getpid(), hard))


def descendants() -> dict[int, str]:
    """Return the other living processes with this process's mark: their ids and command lines."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return {pid: _command(pid) for pid, mark in _marks() if mark == soft and pid != os.getpid()}


def is_running(pid: int) -> bool:
    """Return whether a process exists, other than as a zombie that its parent has not waited for."""
    try:
        return "\nState:\tZ" not in (PROC / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _marks() -> Iterator[tuple[int, int]]:
    """Yield the id and the mark of each running process that has one."""
    for folder in PROC.glob("[0-9]*"):
        try:
            lines = (folder / "limits").read_text().splitlines()
        except OSError:  # it has ended
            continue
        for line in lines:
            if line.startswith("Max file size"):
                value = line.split()[3]
                if value.isdigit() and int(value) >= BASE and is_running(int(folder.name)):
                    yield int(folder.name), int(value)


def _command(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""


def _main(watched: int, run: int, is_first: bool) -> None:
    """Wait until a process has ended, then end what has its mark, or the mark of any process of its run."""
    try:
        ended = os.pidfd_open(watched)
    except ProcessLookupError:
        pass
    else:
        select.select([ended], [], [])
    lowest = BASE + (run << BITS) + (0 if is_first else watched)
    highest = lowest | ((1 << BITS) - 1) if is_first else lowest
    # A process may start another one while they are being ended.
    while left := [pid for pid, mark in _marks() if lowest <= mark <= highest]:
        for pid in left:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "run")
