"""The Django app. Its start imports little, since many commands do not need thumbnails."""

from functools import cache
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import register


class ShrinkmeisterConfig(AppConfig):
    name = "shrinkmeister"

    def __init__(self, app_name: str, app_module: Any) -> None:
        super().__init__(app_name, app_module)
        # Before any model is imported: models and other apps may import what is changed here.
        _change_sorl()

    def ready(self) -> None:
        from shrinkmeister import page, uploads
        from shrinkmeister.sorl_patches import command

        register(check_client)
        command.install()
        if apps.is_installed("django.contrib.admin"):
            from shrinkmeister.sorl_patches import admin

            admin.install()
        page.connect()
        uploads.connect()
        # Read without the Config, which another wrong setting would make impossible.
        if getattr(settings, "THUMBNAIL_CLEANUP", False) is True:
            from shrinkmeister import cleanup

            cleanup.connect()


@cache
def _change_sorl() -> None:
    from shrinkmeister.sorl_patches import filters, kvstore

    filters.install()
    kvstore.install()


def check_client(*args: Any, **kwargs: Any) -> Any:
    """Run the checks. They are imported on use, since Django runs them only for commands."""
    from shrinkmeister import checks

    return checks.check_client(*args, **kwargs)
