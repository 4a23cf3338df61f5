"""A release states the same in several places: versions, licences, and what it was tested with."""

import ast
import json
import re
from configparser import ConfigParser
from pathlib import Path

import pytest

import shrinkmeister
from tests import ROOT

CLIENTS = ROOT / "clients"
PYTHON_VERSION = re.compile(r"(\d+\.\d+\.\d+)(?:(a|b|rc)(\d+))?")
NPM_PHASES = {"a": "alpha", "b": "beta", "rc": "rc"}


def npm_version(version: str) -> str:
    """Return a version of Python in npm's spelling."""
    match = PYTHON_VERSION.fullmatch(version)
    assert match, version
    release, phase, number = match.groups()
    return f"{release}-{NPM_PHASES[phase]}.{number}" if phase else release


def constants(path: Path) -> dict[str, object]:
    """Return the constants of a module that are literals."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def test_the_javascript_client_has_the_same_version() -> None:
    expected = npm_version(shrinkmeister.__version__)
    lock = json.loads((CLIENTS / "javascript" / "package-lock.json").read_text())
    versions = {
        json.loads((CLIENTS / "javascript" / "package.json").read_text())["version"],
        lock["version"],
        lock["packages"][""]["version"],
    }
    assert versions == {expected}


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$", text, re.MULTILINE)
    assert newest
    assert newest[1] == shrinkmeister.__version__
    assert "\n## Unreleased" not in text


def test_the_classifiers_are_the_versions_of_the_matrix() -> None:
    configuration = ConfigParser(interpolation=None)
    configuration.read(ROOT / "setup.cfg")
    classifiers = configuration["metadata"]["classifiers"]
    matrix = constants(ROOT / "noxfile.py")
    pythons, djangos = matrix["PYTHONS"], matrix["DJANGOS"]
    assert isinstance(pythons, tuple)
    assert isinstance(djangos, dict)
    assert re.findall(r"Python :: (3\.\d+)", classifiers) == sorted(pythons)
    assert re.findall(r"Django :: (\d\.\d)", classifiers) == sorted({*sum(djangos.values(), ())})


def test_the_page_of_extras_lists_each_once() -> None:
    configuration = ConfigParser(interpolation=None)
    configuration.read(ROOT / "setup.cfg")
    page = (ROOT / "docs" / "reference" / "extras.md").read_text(encoding="utf-8")
    listed = [
        name
        for row in re.findall(r"^\| (`.+?`) \|", page, re.MULTILINE)
        for name in re.findall("`(.+?)`", row)
    ]
    assert sorted(listed) == sorted(configuration["options.extras_require"])


def test_go_can_download_its_module() -> None:
    """Go reserves paths without a dot in the first element for its own library."""
    paths = [
        re.findall(r"^module (\S+)$", (CLIENTS / "go" / folder / "go.mod").read_text(), re.MULTILINE)
        for folder in ("", "example")
    ]
    ((module,), (example,)) = paths
    assert "." in module.partition("/")[0]
    # A module in a folder of a repository has the folder in its path.
    assert module.endswith("/clients/go")
    assert example == f"{module}/example"


@pytest.mark.parametrize("client", ["go", "javascript", "php"])
def test_each_client_has_the_licence(client: str) -> None:
    assert (CLIENTS / client / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
