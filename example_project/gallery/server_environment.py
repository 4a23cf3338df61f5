"""Turn this site's settings into the environment of its thumbnail server, so that both sides agree.

Both sides use the same names. The server reads mappings as JSON, and lists as values between commas.
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
    """Return the server's whole environment. It inherits PATH and the S3 account from this process."""
    variables = {
        "DJANGO_SETTINGS_MODULE": "shrinkmeister_server.settings",
        "ALLOWED_HOST": f"127.0.0.1,localhost,{urlsplit(settings.THUMBNAIL_SERVER_URL).hostname}",
        "DEBUG": "false",
        # The server has no static files.
        "STORAGES": json.dumps({"default": settings.STORAGES["default"]}),
        # After "Start cold" a remembered redirect would lead to a deleted picture.
        "THUMBNAIL_REDIRECT_MAX_AGE": "0",
    }
    if settings.THUMBNAIL_CACHE_NAME:
        alias: str = settings.THUMBNAIL_CACHE_NAME
        variables["CACHES"] = json.dumps({alias: settings.CACHES[alias]})
    # An empty variable counts as unset, and hides one that this process has inherited.
    variables |= {name: str(_value(name, "") or "") for name in TEXTS}
    variables |= {name: str(_value(name, False)).lower() for name in FLAGS}
    variables |= {name: ",".join(map(str, _value(name, ()))) for name in LISTS}
    return {**os.environ, **variables}


def _value(name: str, default: Any) -> Any:
    return getattr(settings, name, default)
