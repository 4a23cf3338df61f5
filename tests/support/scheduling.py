"""Which tests share a process of xdist, and which files come first."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# They share the fixture `deployment`, which takes minutes. In two processes there would be two of it.
DEPLOYED = tuple(f"tests/server/deployment/test_{name}.py" for name in ("zappa", "plain_zappa", "lambda"))


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Keeps the tests of a file in one process, and those of all files with a deployment."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return DEPLOYED[0] if file in DEPLOYED else file


def make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    if config.getoption("dist") != "loadfile":
        return None
    # Files are started in the order of `sort`, instead of those with the most tests first.
    config.option.loadscopereorder = False
    return Scheduling(config, log)


def sort(items: list[pytest.Item]) -> None:
    """Move the files that take longest to the front, so that both processes end at about the same time."""
    ranks: dict[str, int] = {}
    for item in items:
        file = item.nodeid.partition("::")[0]
        ranks[file] = min(ranks.get(file, 2), _rank(item))
    items.sort(key=lambda item: ranks[item.nodeid.partition("::")[0]])


def _rank(item: pytest.Item) -> int:
    if "deployment" in getattr(item, "fixturenames", ()):
        return 0
    return 1 if item.get_closest_marker("survives") or item.get_closest_marker("clients") else 2
