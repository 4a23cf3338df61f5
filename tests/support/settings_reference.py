"""The page of settings, made from their tables. `python -m tests.support.settings_reference` writes it."""

from shrinkmeister.conf.row import EQUAL, SERVER, SITE, Setting
from shrinkmeister.conf.table import SITE_SETTINGS
from shrinkmeister.environment import MISSING
from shrinkmeister_server.conf import OTHER_SETTINGS, SETTINGS
from tests import ROOT

FILE = ROOT / "docs" / "reference" / "settings.md"
HEAD = """\
# Settings

A setting is a Django setting on the site, and an environment variable on the server. "✓" marks the sides
that have it. "=" means that both sides need the same value; [the doctor](../troubleshooting/doctor.md)
compares most of them. Write commas between the items of a list in a variable. The keys of S3 are boto3's:
`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or on Lambda the function's role.

`python -m tests.support.settings_reference` writes this page. Its rows are in
`shrinkmeister/conf/table.py` and `shrinkmeister_server/conf.py`.
"""
COLUMNS = """\
| setting | site | server | default | what it does |
|---|---|---|---|---|
"""


def reference() -> str:
    shared = [row for row in SITE_SETTINGS if row.who is not SITE]
    site = [row for row in SITE_SETTINGS if row.who is SITE]
    server = [*SETTINGS.values(), *OTHER_SETTINGS]
    parts = {"Both sides, and the storages": shared, "The site": site, "The server": server}
    tables = (f"\n## {title}\n\n{COLUMNS}{''.join(map(_line, rows))}" for title, rows in parts.items())
    return HEAD + "".join(tables)


def _line(row: Setting) -> str:
    mark = "=" if row.who is EQUAL else "✓"
    site, server = ("" if row.who is SERVER else mark), ("" if row.who is SITE else mark)
    return f"| `{row.name}` | {site} | {server} | {_default(row)} | {row.about} |\n"


def _default(row: Setting) -> str:
    if row.shown:
        return row.shown
    if row.server_default not in (None, MISSING) and row.default is not None:
        return f"`{row.default}`; server: `{row.server_default}`"
    value = row.server_default if row.default is None else row.default
    return "" if value is None else f"`{value}`"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
