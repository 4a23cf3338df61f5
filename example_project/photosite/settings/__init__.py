"""A site that uses sorl-thumbnail, with Shrinkmeister for its backend.

Everything lies in `var/`: database, photos, thumbnails, the shared cache. Redis and S3 take the
place of files where the environment says so; README.md shows how. This is a package, so that `zappa init`
in the checkout, which looks for files named *settings.py, proposes the thumbnail server's settings alone.
"""

import os
from pathlib import Path
from typing import Any

from photosite.secret import secret

env = os.environ.get

BASE_DIR = Path(__file__).resolve().parents[2]
VAR = Path(env("DEMO_VAR") or BASE_DIR / "var")

DEBUG = env("DEBUG", "true").lower() in ("true", "1", "yes")
SECRET_KEY = secret(VAR / "django-secret")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
# Where browsers reach this site: the thumbnail server redirects to absolute URLs.
SITE_URL = env("SITE_URL", "http://127.0.0.1:8000")

INSTALLED_APPS = [
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "shrinkmeister",
    "sorl.thumbnail",
    "gallery",
]
MIDDLEWARE = [
    # The first, so that its clock runs around everything else.
    "gallery.comparison.ComparisonMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
ROOT_URLCONF = "photosite.urls"
WSGI_APPLICATION = "photosite.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "gallery.comparison.chosen_backend",
            ],
        },
    },
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR / "photosite.sqlite3",
        # sorl's own backend writes while it renders: several requests then wait for each other.
        "OPTIONS": {"timeout": 20},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"

# Photos: a folder, or a bucket.
SOURCE_BUCKET = env("DEMO_SOURCE_BUCKET")
MEDIA_ROOT = VAR / "media"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(MEDIA_ROOT), "base_url": f"{SITE_URL}/media/"},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if SOURCE_BUCKET:
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {"bucket_name": SOURCE_BUCKET, "file_overwrite": False},
    }

# django-storages' names; the account comes from where boto3 finds it (AWS_ACCESS_KEY_ID, ...).
AWS_S3_ENDPOINT_URL = env("AWS_S3_ENDPOINT_URL")
AWS_S3_REGION_NAME = env("AWS_S3_REGION_NAME")
AWS_S3_ADDRESSING_STYLE = env("AWS_S3_ADDRESSING_STYLE")
AWS_S3_SIGNATURE_VERSION = env("AWS_S3_SIGNATURE_VERSION", "s3v4")
AWS_S3_CUSTOM_DOMAIN = env("AWS_S3_CUSTOM_DOMAIN")
AWS_S3_URL_PROTOCOL = env("AWS_S3_URL_PROTOCOL", "https:")
AWS_DEFAULT_ACL = env("AWS_DEFAULT_ACL")
AWS_QUERYSTRING_AUTH = env("AWS_QUERYSTRING_AUTH", "false").lower() in ("true", "1", "yes")

CACHES: dict[str, dict[str, Any]] = {
    # sorl's own backend keeps what it knows here, in front of its table.
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    # The cache that site and thumbnail server share. Redis is what a site with visitors would take.
    "shrinkmeister": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(VAR / "cache"),
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    },
}

# A real site writes "shrinkmeister.backend.ShrinkmeisterBackend" here, and is done. This one asks
# that backend or sorl's own, whichever the page's switch says, and counts.
THUMBNAIL_BACKEND = "gallery.comparison.ComparingBackend"

THUMBNAIL_SERVER_URL = env("THUMBNAIL_SERVER_URL", "http://127.0.0.1:8001")
THUMBNAIL_SECRET_KEY = env("THUMBNAIL_SECRET_KEY") or secret(VAR / "secret")
THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
THUMBNAIL_BUCKET = env("THUMBNAIL_BUCKET")
# What the thumbnail server may read.
THUMBNAIL_SOURCES = [f"s3://{SOURCE_BUCKET}" if SOURCE_BUCKET else "storage://default"]
# A cache of its own has a location and no alias in CACHES.
THUMBNAIL_CACHE_LOCATION = env("THUMBNAIL_CACHE_LOCATION")
THUMBNAIL_CACHE_BACKEND = env("THUMBNAIL_CACHE_BACKEND", "redis" if THUMBNAIL_CACHE_LOCATION else "django")
THUMBNAIL_CACHE_NAME = None if THUMBNAIL_CACHE_LOCATION else "shrinkmeister"
if THUMBNAIL_CACHE_LOCATION:
    del CACHES["shrinkmeister"]
# Seconds. One that is far away, or on a busy machine, may need more than the default.
if timeout := env("THUMBNAIL_CACHE_WAIT_SECONDS"):
    THUMBNAIL_CACHE_WAIT_SECONDS = float(timeout)
