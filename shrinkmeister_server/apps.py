from django.apps import AppConfig
from django.core.checks import register


class ServerConfig(AppConfig):
    name = "shrinkmeister_server"

    def ready(self) -> None:
        from shrinkmeister_server.checks import check_server

        register(check_server)
