"""The settings of a site, made from the variables of its server."""

import json
from collections.abc import Mapping
from typing import Any

from shrinkmeister.conf.config import SITE_SETTINGS
from shrinkmeister.conf.table import EQUAL, Setting
from shrinkmeister.environment import SECRETS
from shrinkmeister_server.deployment.stage import variables_of

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
    for name, row in _given(variables).items():
        if not row.secret:
            value = _literal(row.form.read(variables, name))
        elif row.form is SECRETS:
            value = f'[key.strip() for key in os.environ["{name}"].split(",") if key.strip()]'
        else:
            value = f'os.environ["{name}"]'
        lines.append(f"{name} = {value}")
    return "\n".join(lines) + "\n"


def _given(variables: Mapping[str, str]) -> dict[str, Setting]:
    return {name: row for name, row in SHARED.items() if variables.get(name, "").strip()}


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def print_settings(cli: Any) -> None:
    """Print the settings of the site after a deployment."""
    from click import echo

    variables = variables_of(cli.stage_config)
    secret = ", ".join(name for name, row in _given(variables).items() if row.secret)
    echo(f"\nSettings of the site. Its environment needs the same {secret} as the server:\n")
    echo(site_settings(variables, _server_url(cli)))
    echo("Then run on the site: python manage.py shrinkmeister doctor\n")


def _server_url(cli: Any) -> str:
    """Return the URL of what Zappa has deployed, as far as Zappa knows it."""
    if cli.domain:
        return f"https://{cli.domain}/{cli.base_path or ''}".rstrip("/")
    if cli.use_function_url:
        config = cli.zappa.lambda_client.get_function_url_config(FunctionName=cli.lambda_name)
        return str(config["FunctionUrl"]).rstrip("/")
    if cli.use_apigateway:
        url = cli.zappa.get_api_url(
            cli.lambda_name, cli.api_stage, apigateway_version=cli.apigateway_version
        )
        return str(url or UNKNOWN_URL).rstrip("/")
    return UNKNOWN_URL
