"""The settings of a site, made from the variables of its server."""

import json
from collections.abc import Mapping

from shrinkmeister.conf.row import EQUAL
from shrinkmeister.conf.table import SITE_SETTINGS
from shrinkmeister.environment import SECRETS

SHARED = {row.name: row for row in SITE_SETTINGS if row.who is EQUAL}
UNKNOWN_URL = "https://..."


def site_settings(variables: Mapping[str, str], server_url: str = UNKNOWN_URL) -> str:
    """Return Python code for the site's settings, below `import os`. It contains no secret."""
    comment = "  # the URL that `zappa deploy` prints" if server_url == UNKNOWN_URL else ""
    lines = [
        'INSTALLED_APPS = ["shrinkmeister", *INSTALLED_APPS]',
        'THUMBNAIL_BACKEND = "shrinkmeister.backend.ShrinkmeisterBackend"',
        f"THUMBNAIL_SERVER_URL = {_literal(server_url)}{comment}",
    ]
    for name, row in SHARED.items():
        if not variables.get(name, "").strip():
            continue
        if not row.secret:
            value = _literal(row.form.read(variables, name))
        elif row.form is SECRETS:
            value = f'[key.strip() for key in os.environ["{name}"].split(",") if key.strip()]'
        else:
            value = f'os.environ["{name}"]'
        lines.append(f"{name} = {value}")
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
