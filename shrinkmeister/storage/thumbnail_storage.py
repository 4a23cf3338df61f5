"""The Django storage THUMBNAIL_STORAGE: an alias of STORAGES, or a storage class, as sorl accepts both."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.utils.module_loading import import_string

from shrinkmeister.conf import Config, SettingError, get_config, reset_on_setting_change
from shrinkmeister.conf.credentials import caused, described

P = ParamSpec("P")
R = TypeVar("R")


def opens_storage(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that opens storages: raise SettingError where they raise ImproperlyConfigured."""

    @wraps(function)
    def opened(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except SettingError:
            raise
        except ImproperlyConfigured as error:
            refused = caused(
                SettingError(
                    "shrinkmeister.E103",
                    f"STORAGES, or another setting of a storage, does not work: {described(error)}",
                    "Compare it with what the storage's library takes.",
                ),
                error,
            )
        raise refused

    return opened


@opens_storage
def open_thumbnail_storage(config: Config) -> Any:
    """Return the storage that contains files given by a plain name."""
    return storages[config.storage] if config.storage in storages.backends else _of_class()


@reset_on_setting_change
def _of_class() -> Any:
    """Return an instance without options, which is what sorl makes of a class."""
    return import_string(get_config().storage)()
