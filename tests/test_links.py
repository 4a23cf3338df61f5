"""`make docs-links`: which links it finds broken, and that this repository has none of these."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from urllib.error import HTTPError, URLError

import pytest

from tests import ROOT

pytest.importorskip("markdown_it")

PAGE = """
# A page: `code`, and more

(a-label)=
## Twice

[a file](other.md) [a heading](other.md#there) [its own](#a-page-code-and-more)
[a label](#a-label) ![a picture](a%20b.png)
[another site](https://example.com/none) [by mail](mailto:a@example.com) `[code](none.md)`

[no file](none.md) [no heading](other.md#none) [no own](#none) ![no picture](none.png)
"""


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, for a repository of two pages."""
    spec = spec_from_file_location("links", ROOT / "docs" / "links.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "other.md").write_text("# There\n")
    (tmp_path / "a b.png").touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "of-others.md").touch()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def test_broken_links(links: ModuleType, tmp_path: Path) -> None:
    assert [path.name for path in links.markdown_files()] == ["other.md", "page.md"]
    broken = [line.split()[1] for line in links.broken_links(tmp_path / "page.md")]
    assert broken == ["none.md", "other.md#none", "#none", "none.png"]


def test_this_repository_has_none(links: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "ROOT", ROOT)
    files = links.markdown_files()
    assert ROOT / "README.md" in files
    assert [line for path in files for line in links.broken_links(path)] == []


@pytest.mark.parametrize(
    ("answer", "online"),
    [
        (None, True),
        (HTTPError("https://example.com/", 403, "", {}, None), True),  # type: ignore[arg-type]
        (URLError("no route"), False),
        (TimeoutError(), False),
    ],
)
def test_links_to_other_sites_are_left_out_without_internet(
    answer: Exception | None,
    online: bool,
    links: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "page.md").write_text("# No links\n")

    def urlopen(url: str, timeout: float) -> object:
        if answer:
            raise answer
        return (tmp_path / "other.md").open()

    commands: list[list[str]] = []

    def run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(links.urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(links.subprocess, "run", run)
    assert links.main() == 0
    ((python, *options),) = commands
    assert python == sys.executable
    assert ("linkcheck_ignore=.*" in options) != online
    assert ("SKIPPED" in capsys.readouterr().out) != online
