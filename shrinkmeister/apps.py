"""What happens when Django starts: little, and loading little, since many commands need none of it."""

from functools import cache
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register


class ShrinkmeisterConfig(AppConfig):
    name = "shrinkmeister"

    def __init__(self, app_name: str, app_module: Any) -> None:
        super().__init__(app_name, app_module)
        # Now, whatever the order of INSTALLED_APPS: models and other apps may import what is changed here.
        _change_sorl()

    def ready(self) -> None:
        from shrinkmeister import page, uploads
        from shrinkmeister.sorl_patches import command

        register(check_client)
        command.install()
        page.connect()
        uploads.connect()
        # Not by the Config, which a wrong setting of another kind would keep from being made.
        if getattr(settings, "THUMBNAIL_CLEANUP", False) is True:
            from shrinkmeister import cleanup

            cleanup.connect()


@cache
def _change_sorl() -> None:
    from shrinkmeister.sorl_patches import filters, kvstore

    filters.install()
    kvstore.install()


def check_client(*args: Any, **kwargs: Any) -> Any:
    """Django runs checks for commands alone, and not for servers."""
    from shrinkmeister import checks

    return checks.check_client(*args, **kwargs)
