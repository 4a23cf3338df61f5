"""The Django storage THUMBNAIL_STORAGE: an alias of STORAGES, or a storage class, as sorl accepts both."""

from typing import Any

from django.core.files.storage import storages
from django.utils.module_loading import import_string

from shrinkmeister.conf import Config, get_config, reset_on_setting_change


def open_thumbnail_storage(config: Config) -> Any:
    """Return the storage that contains files given by a plain name."""
    return storages[config.storage] if config.storage in storages.backends else _of_class()


@reset_on_setting_change
def _of_class() -> Any:
    """Return an instance without options, which is what sorl makes of a class."""
    return import_string(get_config().storage)()
