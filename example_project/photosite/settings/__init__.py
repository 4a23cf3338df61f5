"""Settings of a site that uses sorl-thumbnail with Shrinkmeister as its backend.

The folder `var/` contains the database, the photos, the thumbnails and the shared cache. With the variables
that README.md shows, the site uses Redis and S3 instead of files. This is a package because `zappa init`
proposes each file named *settings.py, and should find only the thumbnail server's settings.
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
# The address of this site in browsers. The thumbnail server redirects to absolute URLs.
SITE_URL = env("SITE_URL", "http://127.0.0.1:8000")

INSTALLED_APPS = [
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "shrinkmeister",
    "sorl.thumbnail",
    "gallery",
]
MIDDLEWARE = [
    # The first one, so that it measures all others too.
    "gallery.comparison.ComparisonMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# Cookies ignore the port. Another Django project on this machine must not replace this one's.
CSRF_COOKIE_NAME = "photosite_csrftoken"
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
        # sorl's own backend writes while it renders, so requests wait for each other.
        "OPTIONS": {"timeout": 20},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"

# The photos are in a folder or in a bucket.
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

# The names are those of django-storages. boto3 finds the account itself (AWS_ACCESS_KEY_ID, ...).
AWS_S3_ENDPOINT_URL = env("AWS_S3_ENDPOINT_URL")
AWS_S3_REGION_NAME = env("AWS_S3_REGION_NAME")
AWS_S3_ADDRESSING_STYLE = env("AWS_S3_ADDRESSING_STYLE")
AWS_S3_SIGNATURE_VERSION = env("AWS_S3_SIGNATURE_VERSION", "s3v4")
AWS_S3_CUSTOM_DOMAIN = env("AWS_S3_CUSTOM_DOMAIN")
AWS_S3_URL_PROTOCOL = env("AWS_S3_URL_PROTOCOL", "https:")
AWS_DEFAULT_ACL = env("AWS_DEFAULT_ACL")
AWS_QUERYSTRING_AUTH = env("AWS_QUERYSTRING_AUTH", "false").lower() in ("true", "1", "yes")

CACHES: dict[str, dict[str, Any]] = {
    # sorl's own backend keeps copies of its database rows here. This cache in memory counts requests.
    "default": {
        "BACKEND": "gallery.comparison.CountingMemoryCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    # The site and the thumbnail server share this cache. A site with many visitors would use Redis.
    "shrinkmeister": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(VAR / "cache"),
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    },
}

# A real site sets "shrinkmeister.backend.ShrinkmeisterBackend" here and needs nothing else. This site
# lets a visitor choose between that backend and sorl's own, and measures both.
THUMBNAIL_BACKEND = "gallery.comparison.ComparingBackend"

THUMBNAIL_SERVER_URL = env("THUMBNAIL_SERVER_URL", "http://127.0.0.1:8001")
THUMBNAIL_SECRET_KEY = env("THUMBNAIL_SECRET_KEY") or secret(VAR / "secret")
THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
THUMBNAIL_BUCKET = env("THUMBNAIL_BUCKET")
# The thumbnail server reads only these sources.
THUMBNAIL_SOURCES = [f"s3://{SOURCE_BUCKET}" if SOURCE_BUCKET else "storage://default"]
# A cache with a location of its own is not in CACHES.
THUMBNAIL_CACHE_LOCATION = env("THUMBNAIL_CACHE_LOCATION")
THUMBNAIL_CACHE_BACKEND = env("THUMBNAIL_CACHE_BACKEND", "redis" if THUMBNAIL_CACHE_LOCATION else "django")
THUMBNAIL_CACHE_NAME = None if THUMBNAIL_CACHE_LOCATION else "shrinkmeister"
if THUMBNAIL_CACHE_LOCATION:
    del CACHES["shrinkmeister"]
# In seconds. A distant cache or a busy machine may need more than the default.
if timeout := env("THUMBNAIL_CACHE_WAIT_SECONDS"):
    THUMBNAIL_CACHE_WAIT_SECONDS = float(timeout)
