"""What happens when Django starts: little, and loading little, since many commands need none of it."""

from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import register


class ShrinkmeisterConfig(AppConfig):
    name = "shrinkmeister"

    def ready(self) -> None:
        from shrinkmeister import filters, page, uploads

        names = [app.name for app in apps.get_app_configs()]
        if "sorl.thumbnail" in names[: names.index(self.name)]:
            from shrinkmeister.conf import SettingError

            # Django runs the command `thumbnail` of the first app that has one, and sorl's would delete
            # what records point to.
            raise SettingError(
                "shrinkmeister.E015",
                "INSTALLED_APPS has 'sorl.thumbnail' before 'shrinkmeister'.",
                "Write 'shrinkmeister' before 'sorl.thumbnail'.",
            )
        register(check_client)
        filters.install()
        page.connect()
        uploads.connect()
        # Not by the Config, which a wrong setting of another kind would keep from being made.
        if getattr(settings, "THUMBNAIL_CLEANUP", False) is True:
            from shrinkmeister import cleanup

            cleanup.connect()


def check_client(*args: Any, **kwargs: Any) -> Any:
    """Django runs checks for commands alone, and not for servers."""
    from shrinkmeister import checks

    return checks.check_client(*args, **kwargs)
