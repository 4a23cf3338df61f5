"""Memory that a process takes for sources: `python -m tests.support.peaks <engine> <module> <sources>`.

Prints JSON: the name of each source -> the error that it is refused with, or null, and megabytes. A source
may take the process to its limit, which is why this is a process of its own.
"""

import json
import resource
import sys
from importlib import import_module
from pathlib import Path

# Of addresses, of which libraries reserve more than they use.
LIMIT = 6 << 30


def peak() -> int:
    """In MB. VmHWM, since the peak of getrusage begins with that of the process before its exec."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def main(engine: str, module: str, sources: str) -> None:
    import django
    from django.conf import settings

    settings.configure(INSTALLED_APPS=["sorl.thumbnail"], THUMBNAIL_BUCKET="b", THUMBNAIL_ENGINE=engine)
    django.setup()

    from shrinkmeister.exceptions import ShrinkmeisterError
    from shrinkmeister.protocol.spec import Source, ThumbnailSpec
    from shrinkmeister_server.observability.timing import Timing
    from shrinkmeister_server.rendering.render import render
    from tests.support.pictures import picture

    spec = ThumbnailSpec(Source("s3", "photos", "one.jpg"), "30x20", {"format": "JPEG", "crop": "center"})
    # A format that loads the plugins that few sources need.
    render(picture((64, 48), "TIFF"), spec, (), Timing())
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    found: dict[str, tuple[str | None, int]] = {}
    for name, make in getattr(import_module(module), sources).items():
        data = make()
        # Sets VmHWM back to what is in use: proc_pid_clear_refs(5).
        Path("/proc/self/clear_refs").write_text("5")
        before, error = peak(), None
        try:
            render(data, spec, (), Timing())
        except ShrinkmeisterError as refused:
            error = type(refused).__name__
        found[name] = (error, peak() - before)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
