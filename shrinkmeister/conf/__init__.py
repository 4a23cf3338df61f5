"""Configuration: `get_config()` returns one frozen Config, or raises an error that says what is wrong.

This module loads neither sorl nor the reader: the server's settings import the table while they are made.
"""

import re
from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar

from django.core.signals import setting_changed

from shrinkmeister.conf.cache_table import CACHE_TIMEOUT as CACHE_TIMEOUT
from shrinkmeister.conf.cache_table import CacheConfig as CacheConfig
from shrinkmeister.conf.table import DAY as DAY
from shrinkmeister.conf.table import MISSING_SERVER_URL
from shrinkmeister.conf.table import Config as Config
from shrinkmeister.conf.table import SettingError as SettingError
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister.secret import Secret

# Values that a process keeps depend on these settings of ours, of django-storages and of django-redis.
# When STATIC_ROOT or STATIC_URL change, Django itself makes its storages anew.
READ_SETTINGS = re.compile(
    r"CACHES|STORAGES|(MEDIA|STATIC)_(ROOT|URL)|(THUMBNAIL|AWS|AZURE|GS|DROPBOX|SFTP|FTP|LIBCLOUD|DJANGO_REDIS)_\w+"
)

T = TypeVar("T")


def reset_on_setting_change(make: Callable[[], T]) -> Callable[[], T]:
    """Make a value once, and again after a change of READ_SETTINGS, such as override_settings makes."""
    kept: list[T] = []
    # The first requests come at the same time. Without a lock, each of them would import and build.
    lock = RLock()

    def made() -> T:
        # A page asks hundreds of times, so a value that exists is returned without the lock.
        for value in kept:
            return value
        with lock:
            if not kept:
                kept.append(make())
            return kept[0]

    def forget(setting: str, **kwargs: Any) -> None:
        if READ_SETTINGS.fullmatch(setting):
            with lock:
                kept.clear()

    setting_changed.connect(forget, weak=False)
    return made


@reset_on_setting_change
def get_config() -> Config:
    """Return the site's or the server's configuration.

    Raises SettingError for the first wrong setting; `manage.py check` reports all of them.
    """
    from shrinkmeister.conf.reader import SettingsReader

    reader = SettingsReader()
    config = reader.config()
    if reader.problems:
        raise reader.problems[0]
    return config


@reset_on_setting_change
def get_tokens() -> Tokens:
    config = get_config()
    return Tokens(map(Secret.reveal, config.secrets), config.url_ttl)


def lazy_url(spec: ThumbnailSpec, config: Config) -> str:
    """Return the URL at which the thumbnail server makes a thumbnail.

    Raises SettingError without THUMBNAIL_SERVER_URL.
    """
    if config.server_url is None:
        raise SettingError(*MISSING_SERVER_URL)
    return f"{config.server_url}/{get_tokens().encrypt(spec)}.{spec.extension}"
