"""Django settings of the thumbnail server: the only reader of its environment.

Every variable of shrinkmeister_server/conf.py is a setting of the same name. docs/reference/settings.md
lists them. The server has no database.
"""

import os
import secrets
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shrinkmeister_server.aws_lambda.events import guard
from shrinkmeister_server.aws_lambda.packaged_secrets import files_with_secrets
from shrinkmeister_server.conf import VARIABLES

# This comes first, because Zappa's handler continues without the server if a variable is wrong.
guard()

# Lambda sets both variables, and reserves their names.
ON_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
PACKAGE = os.environ.get("LAMBDA_TASK_ROOT")

values: dict[str, Any] = {
    row.name: row.form.read(
        os.environ, row.name, row.default if row.server_default is None else row.server_default
    )
    for row in VARIABLES
}
globals().update(values)
UNREAD_VARIABLES = [name for name in os.environ if name.startswith("THUMBNAIL_") and name not in values]

# Zappa prints the host only after the first deployment, which has none; see unconfigured.py.
ALLOWED_HOSTS = values["ALLOWED_HOST"] or []
if not (ALLOWED_HOSTS or ON_LAMBDA):
    raise ImproperlyConfigured("The environment variable ALLOWED_HOST is not set.")
# A server whose package contains its secret refuses all requests, too.
FILES_WITH_SECRETS = (
    [file.name for file in files_with_secrets(Path(PACKAGE), os.environ)] if PACKAGE else []
)
# Django requires this key. The server signs nothing with it, so each process makes a new one.
SECRET_KEY = secrets.token_urlsafe(50)

INSTALLED_APPS = ["shrinkmeister_server"]
MIDDLEWARE = [
    "shrinkmeister_server.observability.access_log.AccessLogMiddleware",
    "shrinkmeister_server.middleware.headers_middleware",
    "django.middleware.security.SecurityMiddleware",
    # Nothing else here compares the Host header with ALLOWED_HOSTS.
    "shrinkmeister_server.middleware.HostMiddleware",
]
if FILES_WITH_SECRETS or not ALLOWED_HOSTS:
    MIDDLEWARE[2:] = ["shrinkmeister_server.aws_lambda.unconfigured.unconfigured_middleware"]
APPEND_SLASH = False
ROOT_URLCONF = "shrinkmeister_server.urls"
WSGI_APPLICATION = "shrinkmeister_server.wsgi.application"
TIME_ZONE = "UTC"

# A server reads the thumbnails' own bucket or storage unless the variable lists something else.
bucket = values["THUMBNAIL_BUCKET"]
if values["THUMBNAIL_SOURCES"] is None:
    THUMBNAIL_SOURCES = [f"s3://{bucket}" if bucket else f"storage://{values['THUMBNAIL_STORAGE']}"]
# A token contains whether its picture is flattened. With False here, sorl would ignore that.
THUMBNAIL_FLATTEN = True
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # Django's own check fails without a LOCATION for caches in files.
    **{alias: {"LOCATION": "", **one} for alias, one in (values["CACHES"] or {}).items()},
}
# Credentials come from where boto3 finds them: AWS_ACCESS_KEY_ID, or the role of the Lambda.
AWS_STORAGE_BUCKET_NAME = bucket

# The only view that reads a body limits it itself.
DATA_UPLOAD_MAX_MEMORY_SIZE = None
# A browser also applies a redirect's policy to the request to the bucket, whose rules may need the Referer.
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
# Load balancers and Prometheus ask each machine, without HTTPS.
SECURE_REDIRECT_EXEMPT = ["^livez$", "^healthz$", "^metrics$"]
SILENCED_SYSTEM_CHECKS = [
    # X-Frame-Options: middleware.py sends frame-ancestors instead.
    "security.W002",
    # CSRF: there is no form, no cookie, and no method that changes anything.
    "security.W003",
    # HSTS and the redirect to HTTPS: the proxy at which TLS ends does that. Without such a proxy, variables
    # set them.
    "security.W004",
    "security.W008",
    # Subdomains and the browsers' list of HTTPS hosts: the owner of the domain decides.
    "security.W005",
    "security.W021",
]

FORMATTERS = {
    "text": {"format": "{levelname} {name}: {message}", "style": "{"},
    "json": {"()": "shrinkmeister_server.observability.log_formatters.JsonFormatter"},
    "emf": {"()": "shrinkmeister_server.observability.log_formatters.EmfFormatter"},
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": FORMATTERS[values["LOG_FORMAT"]]},
    "filters": {
        "django_errors": {"()": "shrinkmeister_server.observability.log_formatters.DjangoErrorFilter"}
    },
    "handlers": {
        "lines": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "stream": "ext://sys.stdout" if values["LOG_FORMAT"] == "emf" else "ext://sys.stderr",
        }
    },
    "root": {"handlers": ["lines"], "level": values["LOG_LEVEL"]},
    "loggers": {
        # access_log.py logs one line for each request.
        "django.request": {"level": "ERROR", "filters": ["django_errors"]},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # Zappa logs each request with its path, and at DEBUG, its default, whole events. The third logger
        # is that of its handler as a file at the top of the package.
        "zappa": {"level": "WARNING"},
        "zappa.handler": {"level": "WARNING"},
        "handler": {"level": "WARNING"},
        # Otherwise gunicorn writes its workers' lines in its own form.
        "gunicorn.error": {"handlers": ["lines"], "level": "INFO", "propagate": False},
        # waitress logs paths, and its queue logs one line for each request that waits.
        "waitress": {"level": "ERROR", "filters": ["django_errors"]},
        "waitress.queue": {"level": "ERROR"},
        # Both log many lines about one source, with bytes of it. The access log says what is wrong with it.
        "PIL": {"level": "CRITICAL"},
        "pyvips": {"level": "CRITICAL"},
    },
}
