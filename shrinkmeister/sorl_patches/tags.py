"""sorl's template tags on a site whose INSTALLED_APPS lacks "shrinkmeister".

sorl's tags turn each error into a traceback in the log and an empty place on the page. A page of 60
thumbnails would log this one mistake 60 times. Once the backend has reported it, the tags raise it if
DEBUG of the template engine is on. Otherwise they show `{% empty %}` and log nothing more.
"""

from functools import cache, wraps
from typing import Any

from django.apps import apps
from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.templatetags.thumbnail import ThumbnailNodeBase

from shrinkmeister.conf.table import SettingError


def check_installed() -> None:
    """Raise SettingError if INSTALLED_APPS lacks the app, and keep sorl's tags from repeating it.

    Without the app, sorl's own filters and command would work on thumbnails that sorl does not know.
    """
    if not is_installed():
        _change_tags()
        raise missing_app()


def is_installed() -> bool:
    return apps.is_installed("shrinkmeister")


def missing_app() -> SettingError:
    return SettingError(
        "shrinkmeister.E021",
        "THUMBNAIL_BACKEND is Shrinkmeister's, but INSTALLED_APPS lacks 'shrinkmeister'.",
        "Add 'shrinkmeister' to INSTALLED_APPS, next to 'sorl.thumbnail'.",
    )


@cache
def _change_tags() -> None:
    sorls = ThumbnailNodeBase.render

    @wraps(sorls)
    def render(self: Any, context: Any) -> Any:
        if is_installed():
            return sorls(self, context)
        if context.template.engine.debug or sorl_settings.THUMBNAIL_DEBUG:
            raise missing_app()
        return self.nodelist_empty.render(context)

    ThumbnailNodeBase.render = render
