"""The page of settings, made from their tables. `python -m tests.support.settings_reference` writes it."""

from shrinkmeister.conf.row import BOTH, EQUAL, SERVER, SITE, Setting
from shrinkmeister.conf.table import SITE_SETTINGS
from shrinkmeister.environment import MISSING
from shrinkmeister_server.conf import OTHER_SETTINGS, SETTINGS
from tests import ROOT

FILE = ROOT / "docs" / "reference" / "settings.md"
HEAD = """\
<!-- `python -m tests.support.settings_reference` writes this page, from the rows
in shrinkmeister/conf (table.py, cache_table.py, libraries.py) and shrinkmeister_server/conf.py. -->

# Settings

On the site, each of these settings is a Django setting. On the server, it is an environment variable. Below
each name you find the side that has the setting, and its default. Where both sides need the same value,
[the doctor](../troubleshooting/doctor.md) compares most of them.

In an environment variable, separate the items of a list by commas. If a text begins with "sorl's:",
"Django's:", "django-storages':" or "prometheus_client's:", that library defines the setting.

A lazy URL is a URL of the thumbnail server, which a page shows until the thumbnail exists. A record is the
entry of a stored thumbnail in the shared cache. See [how it works](../understand/how-it-works.md).
"""
# The texts below the headings.
SHARED_NOTE = """
On the server, boto3 reads the S3 keys from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. On Lambda, it
uses the function's role. The `AWS_` settings of this page are those of the server. A site has settings of
the same names, which belong to django-storages, with its own defaults.
"""
SERVER_NOTE = """
A site in [eager mode](../how-to/tests-commands-emails.md) makes thumbnails itself. There, the `THUMBNAIL_`
settings of this section are Django settings.
"""
# Their values lead to the same cache, and may differ.
SAME_CACHE = {"THUMBNAIL_CACHE_NAME", "THUMBNAIL_CACHE_LOCATION"}
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
    parts = (
        ("Both sides, and the storages", SHARED_NOTE, shared),
        ("The site", "", site),
        ("The server", SERVER_NOTE, server),
    )
    return HEAD + "".join(
        f"\n## {title}\n{note}{''.join(map(_entry, rows))}" for title, note, rows in parts
    )


def _entry(row: Setting) -> str:
    who = "both sides, the same cache" if row.name in SAME_CACHE else WHO[row.who]
    facts = [who, *([_default(row)] if _default(row) else [])]
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
