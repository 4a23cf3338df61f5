"""docs/reference/checks.md: it lists each id of a system check, and no other."""

import re

from tests import INSTALLED, ROOT

PAGE = ROOT / "docs" / "reference" / "checks.md"
# Kinds and readers of settings leave out "shrinkmeister.".
IN_CODE = re.compile(r'"(?:shrinkmeister\.)?([EWI]\d{3})"')
ON_PAGE = re.compile(r"^\| `shrinkmeister\.([EWI]\d{3})` \|", re.MULTILINE)


def test_the_page_lists_each_check_once() -> None:
    in_code = {
        id for path in INSTALLED.glob("shrinkmeister*/**/*.py") for id in IN_CODE.findall(path.read_text())
    }
    on_page = ON_PAGE.findall(PAGE.read_text())
    assert len(in_code) > 30
    assert sorted(on_page) == sorted(in_code)
