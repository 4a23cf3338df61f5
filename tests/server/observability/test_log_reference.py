"""docs/reference/logs-and-metrics.md, compared with what the program writes."""

import ast
import importlib
import inspect
import re
from itertools import product
from pathlib import Path

import pytest

from shrinkmeister import exceptions
from shrinkmeister.conf.table import SettingError
from shrinkmeister.error_policy import POLICIES
from shrinkmeister_server.observability.timing import Timing
from tests import ROOT

PAGE = (ROOT / "docs/reference/logs-and-metrics.md").read_text(encoding="utf-8")
# Lines of the page whose logger is not a module of ours.
OTHERS = ("django.request", "sorl.thumbnail")
# Outcomes that are neither an error's class nor in Timing, with a status.
OWN = {
    ("200", "batch"),
    ("200", "examined"),
    ("503", "Unhealthy"),
    ("503", "Unfinished"),
    ("any", "-"),
    ("400", "DisallowedHost"),
}
# Errors that are never the failure of a request: they have subclasses that are, or stay on a site.
NEVER = {exceptions.ShrinkmeisterError, Exception}


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def documented_outcomes() -> set[tuple[str, str]]:
    found = set()
    for cell, outcomes, *_ in rows("Outcomes"):
        statuses, names = cell.split(", "), re.findall("`([^`]+)`", outcomes)
        # "400, 411" and two names are one status each.
        pairs = zip(statuses, names, strict=True) if 1 < len(statuses) == len(names) else None
        found |= set(pairs or product(statuses, names))
    return found


def test_each_outcome_is_on_the_page_with_its_status() -> None:
    documented = documented_outcomes()
    made = {(status, one) for status in ("200", "302") for one in ("found", "stored", "waited", "made")}
    errors = {(str(policy.status), kind.__name__) for kind, policy in POLICIES.items() if kind not in NEVER}
    assert errors | made | OWN <= documented
    for status, outcome in documented - errors - made - OWN:
        kind = getattr(exceptions, outcome, None) or {"CacheSettingError": SettingError}[outcome]
        assert str(next(POLICIES[one].status for one in kind.__mro__ if one in POLICIES)) == status


def test_each_phase_is_on_the_page() -> None:
    documented = {re.sub("`", "", phase) for phase, _ in rows("Phases")}
    # Python 3.13 takes the indentation out of docstrings by itself, older ones do not.
    described = inspect.getdoc(Timing)
    assert described is not None
    assert documented == set(re.findall(r"^(\w+) {2,}", described.split("\n\n")[1], re.MULTILINE))


@pytest.mark.parametrize(
    ("logger", "text"), [(row[0].strip("`"), row[1]) for row in rows("Other lines")], ids=str
)
def test_each_other_line_is_what_its_module_writes(logger: str, text: str) -> None:
    if logger in OTHERS:
        return
    written = _texts(Path(str(importlib.import_module(logger).__file__)))
    # What a line takes is an ellipsis on the page, or one of the values that it can be.
    parts = re.split(r"…|\[…\]|(?:read|written to) for \d+ s", text)
    for part in filter(None, (one.strip(" .:()") for one in parts)):
        assert part in written


def _texts(file: Path) -> str:
    """All texts in a module, where each value that a line takes is a line's end."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [one.value if isinstance(one, ast.Constant) else "\n" for one in node.values]
            found.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(re.sub(r"%[sdrg]|%\.\d+f", "\n", node.value))
    return "\n".join(found)
