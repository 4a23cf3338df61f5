"""A site. This is a package, since `zappa init` in the checkout proposes every file named *settings.py."""

SECRET_KEY = "not a secret"
INSTALLED_APPS = [
    "shrinkmeister",
    "sorl.thumbnail",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "tests.site",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
DATABASES = {
    name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for name in ("default", "other")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.site.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_URL = "/static/"
USE_TZ = True

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "default"},
    "shrinkmeister": {"BACKEND": "tests.site.caches.SharedMemoryCache", "LOCATION": "shared"},
}

THUMBNAIL_BACKEND = "shrinkmeister.backend.ShrinkmeisterBackend"
THUMBNAIL_SECRET_KEY = "nQ7xV2mLr9TzKc4WbY8jHs3DfPg6UaE1"
THUMBNAIL_SERVER_URL = "https://thumbs.example.com"
THUMBNAIL_CACHE_BACKEND = "django"
THUMBNAIL_CACHE_NAME = "shrinkmeister"
# A machine that is busy with tests is no cache that has failed.
THUMBNAIL_CACHE_WAIT_SECONDS = 5
# An exception in a tag is a failed test, not an empty page.
THUMBNAIL_DEBUG = True
