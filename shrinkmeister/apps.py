from django.apps import AppConfig
from django.core.checks import register


class ShrinkmeisterConfig(AppConfig):
    name = "shrinkmeister"

    def ready(self) -> None:
        from shrinkmeister.checks import check_client

        register(check_client)
