"""The settings of each sorl, with a value that a site may have."""

from typing import Any

# By the version that was the first to read them.
SINCE: dict[str, dict[str, Any]] = {
    "10.12": {
        "THUMBNAIL_BACKEND": "shrinkmeister.backend.ShrinkmeisterBackend",
        "THUMBNAIL_CACHE_TIMEOUT": 3600 * 24 * 365 * 10,
        "THUMBNAIL_COLORSPACE": "GRAY",
        "THUMBNAIL_DEBUG": True,
        "THUMBNAIL_DUMMY": True,
        "THUMBNAIL_DUMMY_RATIO": 1.5,
        "THUMBNAIL_ENGINE": "sorl.thumbnail.engines.convert_engine.Engine",
        "THUMBNAIL_FORMAT": "PNG",
        "THUMBNAIL_KEY_PREFIX": "of-the-site",
        "THUMBNAIL_KVSTORE": "sorl.thumbnail.kvstores.redis_kvstore.KVStore",
        "THUMBNAIL_PREFIX": "thumbs/",
        "THUMBNAIL_QUALITY": 80,
        "THUMBNAIL_REDIS_DB": 1,
        "THUMBNAIL_REDIS_HOST": "redis.example.com",
        "THUMBNAIL_REDIS_PORT": 6380,
        "THUMBNAIL_STORAGE": "django.core.files.storage.FileSystemStorage",
        "THUMBNAIL_UPSCALE": False,
    },
    "11.4": {"THUMBNAIL_REDIS_PASSWORD": "a password"},
    "11.5.2": {
        "THUMBNAIL_CONVERT": "gm convert",
        "THUMBNAIL_DUMMY_SOURCE": "https://dummy.example.com/%(width)sx%(height)s",
        "THUMBNAIL_IDENTIFY": "gm identify",
    },
    "11.9.1": {
        "THUMBNAIL_KEY_DBCOLUMN": "thumb_key",
        "THUMBNAIL_ORIENTATION": False,
        "THUMBNAIL_PROGRESSIVE": False,
        "THUMBNAIL_REDIS_UNIX_SOCKET_PATH": "/run/redis.sock",
    },
    "12.2": {
        "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": [1.5, 2],
        "THUMBNAIL_BLUR": 2,
        "THUMBNAIL_CACHE": "default",
        "THUMBNAIL_DBM_FILE": "thumbnail_kvstore",
        "THUMBNAIL_DBM_MODE": 0o644,
        "THUMBNAIL_FILTER_WIDTH": 640,
        "THUMBNAIL_FLATTEN": True,
        "THUMBNAIL_LAZY_FILL_EMPTY": True,
        "THUMBNAIL_PADDING": True,
        "THUMBNAIL_PADDING_COLOR": "#000000",
        "THUMBNAIL_PRESERVE_FORMAT": True,
        "THUMBNAIL_REDIS_URL": "redis://redis.example.com:6379/1",
        "THUMBNAIL_URL_TIMEOUT": 5,
    },
    "12.4.1": {
        "THUMBNAIL_DYNAMODB_NAME": "thumbnails",
        "THUMBNAIL_FORCE_OVERWRITE": True,
        "THUMBNAIL_VIPSHEADER": "vipsheader",
        "THUMBNAIL_VIPSTHUMBNAIL": "vipsthumbnail",
    },
    "12.5.0": {
        "THUMBNAIL_REDIS_SSL": True,
        "THUMBNAIL_REDIS_TIMEOUT": 3600,
        "THUMBNAIL_REMOVE_URL_ARGS": False,
    },
    "13.3.0": {"THUMBNAIL_COMMAND_TIMEOUT": 10},
    "13.4.0": {"THUMBNAIL_VIPS_CACHE_MAX": 10},
    # No release has it; sites have copied it from each other.
    "never": {"THUMBNAIL_FAST_URL": True},
}
SORLS_SETTINGS = {name: value for names in SINCE.values() for name, value in names.items()}
# Settings of ours that are sorl's own, with sorl's own meaning.
SHARED = {
    "THUMBNAIL_ALTERNATIVE_RESOLUTIONS",
    "THUMBNAIL_BLUR",
    "THUMBNAIL_COLORSPACE",
    "THUMBNAIL_DEBUG",
    "THUMBNAIL_DUMMY",
    "THUMBNAIL_ENGINE",
    "THUMBNAIL_FLATTEN",
    "THUMBNAIL_FORMAT",
    "THUMBNAIL_ORIENTATION",
    "THUMBNAIL_PADDING",
    "THUMBNAIL_PADDING_COLOR",
    "THUMBNAIL_PREFIX",
    "THUMBNAIL_PRESERVE_FORMAT",
    "THUMBNAIL_PROGRESSIVE",
    "THUMBNAIL_QUALITY",
    "THUMBNAIL_REMOVE_URL_ARGS",
    "THUMBNAIL_STORAGE",
    "THUMBNAIL_UPSCALE",
}
