from typing import Any

from django.apps import AppConfig


class EarlyConfig(AppConfig):
    name = "tests.early"
    found: dict[str, Any]

    def ready(self) -> None:
        from sorl.thumbnail.templatetags import thumbnail

        self.found = dict(vars(thumbnail))
