"""This site's settings -> the environment of its thumbnail server, so that both sides agree.

The names are the same on both sides; the server takes mappings as JSON and lists between commas.
"""

import json
import os
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

TEXTS = (
    "THUMBNAIL_SECRET_KEY",
    "THUMBNAIL_BUCKET",
    "THUMBNAIL_STORAGE",
    "THUMBNAIL_PREFIX",
    "THUMBNAIL_ENGINE",
    "THUMBNAIL_TTL",
    "THUMBNAIL_CHECK_TTL",
    "THUMBNAIL_EXPIRE_DAYS",
    "THUMBNAIL_CACHE_KEY_PREFIX",
    "THUMBNAIL_CACHE_BACKEND",
    "THUMBNAIL_CACHE_NAME",
    "THUMBNAIL_CACHE_LOCATION",
    "AWS_S3_ENDPOINT_URL",
    "AWS_S3_REGION_NAME",
    "AWS_S3_ADDRESSING_STYLE",
    "AWS_S3_SIGNATURE_VERSION",
    "AWS_S3_CUSTOM_DOMAIN",
    "AWS_S3_URL_PROTOCOL",
    "AWS_DEFAULT_ACL",
)
FLAGS = ("AWS_QUERYSTRING_AUTH",)
LISTS = (
    "THUMBNAIL_SECRET_KEY_FALLBACKS",
    "THUMBNAIL_SOURCES",
    "THUMBNAIL_ALTERNATIVE_RESOLUTIONS",
)


def server_environment() -> dict[str, str]:
    """All of the server's environment; PATH and the account of S3 are ours."""
    variables = {
        "DJANGO_SETTINGS_MODULE": "shrinkmeister_server.settings",
        "ALLOWED_HOST": f"127.0.0.1,localhost,{urlsplit(settings.THUMBNAIL_SERVER_URL).hostname}",
        "DEBUG": "false",
        # Static files are the site's alone.
        "STORAGES": json.dumps({"default": settings.STORAGES["default"]}),
        # A browser that remembers redirects would show holes after "Start cold".
        "THUMBNAIL_REDIRECT_MAX_AGE": "0",
    }
    if settings.THUMBNAIL_CACHE_NAME:
        alias: str = settings.THUMBNAIL_CACHE_NAME
        variables["CACHES"] = json.dumps({alias: settings.CACHES[alias]})
    # What the site does not set is empty, which is unset to the server, even if inherited.
    variables |= {name: str(_value(name, "") or "") for name in TEXTS}
    variables |= {name: str(_value(name, False)).lower() for name in FLAGS}
    variables |= {name: ",".join(map(str, _value(name, ()))) for name in LISTS}
    return {**os.environ, **variables}


def _value(name: str, default: Any) -> Any:
    return getattr(settings, name, default)
