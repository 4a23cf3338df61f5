"""docs/reference/http.md: its table has each error code of the server, with its status and what follows."""

import re
from pathlib import Path

from shrinkmeister.error_policy import POLICIES
from shrinkmeister.exceptions import ShrinkmeisterError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http.md"
ROW = re.compile(r"^\| (`[a-z`, -]+) \| (\d{3}) \| [^|]+ \| (yes)? ?\| (yes)? ?\|$", re.MULTILINE)


def test_the_page_has_each_error_code() -> None:
    rows = {
        code: (int(status), retry == "yes", remembered == "yes")
        for codes, status, retry, remembered in ROW.findall(PAGE.read_text())
        for code in re.findall(r"[a-z-]+", codes)
    }
    policies = {
        kind.code: (policy.status, policy.retry, policy.remembered is not None)
        for kind, policy in POLICIES.items()
        if issubclass(kind, ShrinkmeisterError)
    }
    assert policies == {code: row for code, row in rows.items() if code in policies}
    # A subclass of SettingError, and answers without an error of Shrinkmeister.
    assert rows.keys() - policies.keys() == {
        *("bad-request", "cache-setting", "method-not-allowed", "not-found", "server-error"),
    }
