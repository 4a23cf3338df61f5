"""The settings of the site that go with those of the server: the same by construction."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shrinkmeister.environment import Environment
from shrinkmeister_server.deployment.stage import SECRETS, variables_of

# What both sides must have equal, and how a variable becomes a setting.
SHARED: dict[str, Callable[[Environment, str], Any]] = {
    "THUMBNAIL_SECRET_KEY": Environment.text,
    "THUMBNAIL_SECRET_KEY_FALLBACKS": Environment.names,
    "THUMBNAIL_CACHE_BACKEND": Environment.text,
    "THUMBNAIL_CACHE_LOCATION": Environment.text,
    "THUMBNAIL_CACHE_NAME": Environment.text,
    "THUMBNAIL_CACHE_KEY_PREFIX": Environment.text,
    "THUMBNAIL_BUCKET": Environment.text,
    "THUMBNAIL_PREFIX": Environment.text,
    "THUMBNAIL_STORAGE": Environment.text,
    "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": Environment.numbers,
    "THUMBNAIL_TTL": Environment.integer,
    "THUMBNAIL_CHECK_TTL": Environment.integer,
    "THUMBNAIL_EXPIRE_DAYS": Environment.integer,
}
UNKNOWN_URL = "https://..."


def site_settings(variables: Mapping[str, str], server_url: str = UNKNOWN_URL) -> str:
    """Python, to be pasted behind `import os` into the site's settings. No secret is in it."""
    return "\n".join(_lines(variables, server_url)) + "\n"


def _lines(variables: Mapping[str, str], server_url: str) -> Iterator[str]:
    yield 'INSTALLED_APPS = ["shrinkmeister", *INSTALLED_APPS]'
    yield 'THUMBNAIL_BACKEND = "shrinkmeister.backend.ShrinkmeisterBackend"'
    comment = "  # what `zappa deploy` tells" if server_url == UNKNOWN_URL else ""
    yield f"THUMBNAIL_SERVER_URL = {_literal(server_url)}{comment}"
    env = Environment(variables)
    for name, read in SHARED.items():
        if not variables.get(name, "").strip():
            continue
        if name not in SECRETS:
            yield f"{name} = {_literal(read(env, name))}"
        elif read is Environment.names:
            yield f'{name} = [key.strip() for key in os.environ["{name}"].split(",") if key.strip()]'
        else:
            yield f'{name} = os.environ["{name}"]'


def _literal(value: object) -> str:
    return (
        f'"{value}"'
        if isinstance(value, str) and value.isprintable() and not set(value) & {'"', "\\"}
        else repr(value)
    )


def tell(cli: Any) -> None:
    """Print the settings of the site, once all is deployed."""
    from click import echo

    variables = variables_of(cli.stage_config)
    secret = ", ".join(name for name in SHARED if name in SECRETS and variables.get(name, "").strip())
    echo(f"\nIn the settings of the site, with {secret} in its environment as here:\n")
    echo(site_settings(variables, _server_url(cli)))
    echo("Then, on the site: python manage.py shrinkmeister doctor\n")


def _server_url(cli: Any) -> str:
    """Where browsers reach what Zappa has deployed, as far as it knows."""
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
