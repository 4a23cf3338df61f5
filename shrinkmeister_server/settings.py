"""Django settings of the thumbnail server: the only reader of its environment.

Every variable is a setting of the same name; the README lists them. There is no database.
"""

import os
import secrets
from pathlib import Path

from shrinkmeister.environment import MISSING, Environment
from shrinkmeister_server.aws_lambda.packaged_secrets import files_with_secrets
from shrinkmeister_server.aws_lambda.zappa_guard import guard

# First: where a variable is wrong, Zappa's handler goes on without the server.
guard()

env = Environment(os.environ)
# Lambda sets both, and reserves their names.
ON_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
PACKAGE = os.environ.get("LAMBDA_TASK_ROOT")

DEBUG = env.flag("DEBUG", False)
# Zappa prints the host only after the first deployment, which has none; see unconfigured.py.
ALLOWED_HOSTS = env.hosts("ALLOWED_HOST", [] if ON_LAMBDA else MISSING)
# A server whose package shows its secret answers nothing, either.
FILES_WITH_SECRETS = (
    [file.name for file in files_with_secrets(Path(PACKAGE), os.environ)] if PACKAGE else []
)
# Django wants one; nothing here is signed with it, so that it need not outlive the process.
SECRET_KEY = secrets.token_urlsafe(50)

INSTALLED_APPS = ["shrinkmeister_server"]
MIDDLEWARE = [
    "shrinkmeister_server.observability.access_log.AccessLogMiddleware",
    "shrinkmeister_server.middleware.headers_middleware",
    "django.middleware.security.SecurityMiddleware",
    # Nothing else here compares the Host header with ALLOWED_HOSTS.
    "shrinkmeister_server.probes.HostMiddleware",
]
if FILES_WITH_SECRETS or not ALLOWED_HOSTS:
    MIDDLEWARE[2:] = ["shrinkmeister_server.aws_lambda.unconfigured.unconfigured_middleware"]
APPEND_SLASH = False
ROOT_URLCONF = "shrinkmeister_server.urls"
WSGI_APPLICATION = "shrinkmeister_server.wsgi.application"
DATABASES: dict[str, dict[str, str]] = {}
TIME_ZONE = "UTC"
USE_TZ = True

# Hosts say by it where `serve` is to listen.
PORT = env.integer("PORT", None, least=1)

# Shared with the client.
THUMBNAIL_SECRET_KEY = env.secret("THUMBNAIL_SECRET_KEY")
THUMBNAIL_SECRET_KEY_FALLBACKS = env.secrets("THUMBNAIL_SECRET_KEY_FALLBACKS", [])
THUMBNAIL_CACHE_BACKEND = env.text("THUMBNAIL_CACHE_BACKEND", "redis")
THUMBNAIL_CACHE_NAME = env.text("THUMBNAIL_CACHE_NAME", None)
THUMBNAIL_CACHE_LOCATION = env.secret("THUMBNAIL_CACHE_LOCATION", None)
THUMBNAIL_CACHE_KEY_PREFIX = env.text("THUMBNAIL_CACHE_KEY_PREFIX", "shrinkmeister:")
THUMBNAIL_CACHE_WAIT_SECONDS = env.number("THUMBNAIL_CACHE_WAIT_SECONDS", 0.5)
THUMBNAIL_TTL = env.integer("THUMBNAIL_TTL", None, least=1)
THUMBNAIL_CHECK_TTL = env.integer("THUMBNAIL_CHECK_TTL", None, least=1)
THUMBNAIL_EXPIRE_DAYS = env.integer("THUMBNAIL_EXPIRE_DAYS", None, least=2)
THUMBNAIL_BUCKET = env.text("THUMBNAIL_BUCKET", None)
THUMBNAIL_STORAGE = env.text("THUMBNAIL_STORAGE", "default")
THUMBNAIL_PREFIX = env.text("THUMBNAIL_PREFIX", "cache/")
THUMBNAIL_ALTERNATIVE_RESOLUTIONS = env.numbers("THUMBNAIL_ALTERNATIVE_RESOLUTIONS", [])

# Also a site's, each for itself.
THUMBNAIL_METRICS = env.flag("THUMBNAIL_METRICS", False)
# prometheus_client's own: a folder in which the processes of a server write down what they count.
PROMETHEUS_MULTIPROC_DIR = env.text("PROMETHEUS_MULTIPROC_DIR", None)

# The server's own: what it may read, how much of it, and how long answers hold; None for the defaults of
# conf.py.
THUMBNAIL_SOURCES = env.names(
    "THUMBNAIL_SOURCES",
    [f"s3://{THUMBNAIL_BUCKET}" if THUMBNAIL_BUCKET else f"storage://{THUMBNAIL_STORAGE}"],
)
THUMBNAIL_ENGINE = env.text("THUMBNAIL_ENGINE", "shrinkmeister_server.engines.pillow.Engine")
THUMBNAIL_MAX_SOURCE_BYTES = env.integer("THUMBNAIL_MAX_SOURCE_BYTES", None, least=1)
THUMBNAIL_SOURCE_SECONDS = env.integer("THUMBNAIL_SOURCE_SECONDS", None, least=1)
THUMBNAIL_PRIVATE_HOSTS = env.names("THUMBNAIL_PRIVATE_HOSTS", None)
THUMBNAIL_MAX_PIXELS = env.integer("THUMBNAIL_MAX_PIXELS", None, least=1)
THUMBNAIL_MAX_MAKING = env.integer("THUMBNAIL_MAX_MAKING", None, least=1)
THUMBNAIL_MAX_WAITING = env.integer("THUMBNAIL_MAX_WAITING", None)
THUMBNAIL_MAX_SIDE = env.integer("THUMBNAIL_MAX_SIDE", None, least=1)
THUMBNAIL_MAX_FRAMES = env.integer("THUMBNAIL_MAX_FRAMES", None, least=1)
THUMBNAIL_MAX_SECONDS = env.integer("THUMBNAIL_MAX_SECONDS", None, least=1)
THUMBNAIL_LOCK_SECONDS = env.integer("THUMBNAIL_LOCK_SECONDS", None, least=1)
THUMBNAIL_WAIT_SECONDS = env.integer("THUMBNAIL_WAIT_SECONDS", None)
THUMBNAIL_REDIRECT_MAX_AGE = env.integer("THUMBNAIL_REDIRECT_MAX_AGE", None)
THUMBNAIL_ERROR_TTL = env.integer("THUMBNAIL_ERROR_TTL", None)
THUMBNAIL_MAX_BATCH = env.integer("THUMBNAIL_MAX_BATCH", None)
THUMBNAIL_BATCH_SECONDS = env.integer("THUMBNAIL_BATCH_SECONDS", None)
THUMBNAIL_CORS_ORIGINS = env.origins("THUMBNAIL_CORS_ORIGINS", None)
# A spec says whether its picture is flattened; with False here sorl would not listen to it.
THUMBNAIL_FLATTEN = True

# Storages and caches: S3 and the driver's own cache, unless others are given in Django's own form.
STORAGES = env.mapping(
    "STORAGES",
    {"default": {"BACKEND": "storages.backends.s3.S3Storage"}},
)
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    **env.mapping("CACHES", {}),
}

# django-storages' own names: https://django-storages.readthedocs.io/en/latest/backends/amazon-S3.html
# Credentials come from where boto3 finds them: AWS_ACCESS_KEY_ID, or the role of the Lambda.
AWS_STORAGE_BUCKET_NAME = THUMBNAIL_BUCKET
AWS_S3_ENDPOINT_URL = env.text("AWS_S3_ENDPOINT_URL", None)
AWS_S3_REGION_NAME = env.text("AWS_S3_REGION_NAME", None)
AWS_S3_ADDRESSING_STYLE = env.text("AWS_S3_ADDRESSING_STYLE", None)
AWS_S3_SIGNATURE_VERSION = env.text("AWS_S3_SIGNATURE_VERSION", "s3v4")
AWS_S3_CUSTOM_DOMAIN = env.text("AWS_S3_CUSTOM_DOMAIN", None)
AWS_S3_URL_PROTOCOL = env.text("AWS_S3_URL_PROTOCOL", "https:")
AWS_DEFAULT_ACL = env.text("AWS_DEFAULT_ACL", None)
# Unlike django-storages: thumbnails are public, with one URL for good, unless it is said otherwise.
AWS_QUERYSTRING_AUTH = env.flag("AWS_QUERYSTRING_AUTH", False)
AWS_QUERYSTRING_EXPIRE = env.integer("AWS_QUERYSTRING_EXPIRE", 3600)

# What the check of misspelled variables compares; settings.py alone looks at the environment.
UNREAD_VARIABLES = env.unread("THUMBNAIL_")
READ_VARIABLES = env.read("THUMBNAIL_")

# The one view that reads a body bounds it.
DATA_UPLOAD_MAX_MEMORY_SIZE = None
SECURE_CONTENT_TYPE_NOSNIFF = True
# A redirect's holds for the request to the bucket, whose rules may ask for the site as its Referer.
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", False)
# Load balancers and Prometheus ask machines, and not by HTTPS.
SECURE_REDIRECT_EXEMPT = ["^livez$", "^healthz$", "^metrics$"]
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 0)
SECURE_PROXY_SSL_HEADER = env.header("SECURE_PROXY_SSL_HEADER", None)
SILENCED_SYSTEM_CHECKS = [
    # X-Frame-Options: headers.py says the same with frame-ancestors.
    "security.W002",
    # CSRF: there is no form, no cookie, and no method that changes anything.
    "security.W003",
    # HSTS and the redirect to HTTPS: TLS ends at the proxy, whose business they are. Where it does not, the
    # variables above set them.
    "security.W004",
    "security.W008",
    # Subdomains, and the browsers' own list of HTTPS hosts, are the business of whoever has the domain.
    "security.W005",
    "security.W021",
]

FORMATTERS = {
    "text": {"format": "{levelname} {name}: {message}", "style": "{"},
    "json": {"()": "shrinkmeister_server.observability.log_formatters.JsonFormatter"},
    "emf": {"()": "shrinkmeister_server.observability.log_formatters.EmfFormatter"},
}
LOG_FORMAT = env.choice("LOG_FORMAT", "text", FORMATTERS)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": FORMATTERS[LOG_FORMAT]},
    "filters": {
        "django_errors": {"()": "shrinkmeister_server.observability.log_formatters.DjangoErrorFilter"}
    },
    "handlers": {
        "lines": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "stream": "ext://sys.stdout" if LOG_FORMAT == "emf" else "ext://sys.stderr",
        }
    },
    "root": {"handlers": ["lines"], "level": env.text("LOG_LEVEL", "INFO").upper()},
    "loggers": {
        # The access log has one line for each request.
        "django.request": {"level": "ERROR", "filters": ["django_errors"]},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # Zappa logs each request with its path, and at DEBUG, its default, whole events. The last one is
        # its handler as a file at the top of the package.
        "zappa": {"level": "WARNING"},
        "zappa.handler": {"level": "WARNING"},
        "handler": {"level": "WARNING"},
        # A worker's own lines, which gunicorn would write in its own form.
        "gunicorn.error": {"handlers": ["lines"], "level": "INFO", "propagate": False},
        # Its lines name paths, and its queue has one for each request that waits.
        "waitress": {"level": "ERROR", "filters": ["django_errors"]},
        "waitress.queue": {"level": "ERROR"},
        # They write many lines about one source, with bytes of it; what is wrong with it is said in ours.
        "PIL": {"level": "CRITICAL"},
        "pyvips": {"level": "CRITICAL"},
    },
}
