from django.apps import AppConfig, apps
from django.core.checks import register


class ShrinkmeisterConfig(AppConfig):
    name = "shrinkmeister"

    def ready(self) -> None:
        from shrinkmeister import cleanup, filters, page
        from shrinkmeister.checks import check_client
        from shrinkmeister.conf import SettingError, wants_cleanup

        names = [app.name for app in apps.get_app_configs()]
        if "sorl.thumbnail" in names[: names.index(self.name)]:
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
        if wants_cleanup():
            cleanup.connect()
