SECRET_KEY = "not a secret"
INSTALLED_APPS = ["shrinkmeister", "sorl.thumbnail", "tests.site"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.site.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
USE_TZ = True

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "default"},
    "shrinkmeister": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "shared"},
}

THUMBNAIL_BACKEND = "shrinkmeister.backend.ShrinkmeisterBackend"
THUMBNAIL_SECRET_KEY = "the secret of the tests, which is long enough"
THUMBNAIL_SERVER_URL = "https://thumbs.example.com"
THUMBNAIL_CACHE_BACKEND = "django"
THUMBNAIL_CACHE_NAME = "shrinkmeister"
# An exception in a tag is a failed test, not an empty page.
THUMBNAIL_DEBUG = True
