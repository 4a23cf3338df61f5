"""The page of settings, made from their tables. `python -m tests.support.settings_reference` writes it."""

from shrinkmeister.conf.row import BOTH, EQUAL, SERVER, SITE, Setting
from shrinkmeister.conf.table import SITE_SETTINGS
from shrinkmeister.environment import MISSING
from shrinkmeister_server.conf import OTHER_SETTINGS, SETTINGS
from tests import ROOT

FILE = ROOT / "docs" / "reference" / "settings.md"
HEAD = """\
<!-- `python -m tests.support.settings_reference` writes this page, from the rows
in shrinkmeister/conf/table.py and shrinkmeister_server/conf.py. -->

# Settings

A setting is a Django setting on the site, and an environment variable on the server. Under each name stands
who has it, and its default. Where both sides need the same value, [the
doctor](../troubleshooting/doctor.md) compares most of them.

In a variable, write commas between the items of a list. The keys of S3 are boto3's: `AWS_ACCESS_KEY_ID` and
`AWS_SECRET_ACCESS_KEY`, or on Lambda the function's role.
"""
WHO = {
    EQUAL: "both sides, the same value",
    BOTH: "both sides",
    SITE: "site",
    SERVER: "server",
}

REQUIRED = "required"


def reference() -> str:
    shared = [row for row in SITE_SETTINGS if row.who is not SITE]
    site = [row for row in SITE_SETTINGS if row.who is SITE]
    server = [*SETTINGS.values(), *OTHER_SETTINGS]
    parts = {"Both sides, and the storages": shared, "The site": site, "The server": server}
    return HEAD + "".join(f"\n## {title}\n{''.join(map(_entry, rows))}" for title, rows in parts.items())


def _entry(row: Setting) -> str:
    facts = [WHO[row.who], *([_default(row)] if _default(row) else [])]
    return f"\n### {row.name}\n\n*{' · '.join(facts)}*\n\n{row.about}\n"


def _default(row: Setting) -> str:
    if row.shown:
        return row.shown if row.shown == REQUIRED else f"default {row.shown}"
    if row.server_default not in (None, MISSING) and row.default is not None:
        return f"default `{row.default}`; on the server `{row.server_default}`"
    value = row.server_default if row.default is None else row.default
    return "" if value is None else f"default `{value}`"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
