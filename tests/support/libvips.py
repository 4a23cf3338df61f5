"""The libvips that pyvips has loaded, and which tests need a later one."""

from functools import cache

import pytest

from tests.servers.process import MissingServer

ENGINES = {"vips", "vips_engine", "shrinkmeister_server.engines.vips.Engine"}


def needs_libvips(item: pytest.Item) -> bool:
    """Return whether a test is marked `libvips`, or has the engine among its parameters."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return bool(item.get_closest_marker("libvips")) or any(
        isinstance(value, str) and value in ENGINES for value in parameters
    )


@cache
def find_libvips() -> None:
    """Raise MissingServer where the engine would refuse to start."""
    try:
        import pyvips
    except (ImportError, OSError) as error:
        raise MissingServer(f"libvips ({error})") from None
    if not pyvips.at_least_libvips(8, 15):
        found = f"{pyvips.version(0)}.{pyvips.version(1)}"
        raise MissingServer(
            f"libvips 8.15 or later, instead of the system's {found}"
            " (pip install --force-reinstall --no-deps pyvips-binary)"
        )
