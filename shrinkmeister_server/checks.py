"""System checks of the server: `python -m shrinkmeister_server check`."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.checks import check_settings, misspelled, sorl_settings
from shrinkmeister_server.pipeline import public_url
from shrinkmeister_server.rendering import get_engine


def check_server(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    messages = check_settings()
    if not messages:
        for id, make in (("E101", get_engine), ("E102", lambda: public_url("health"))):
            try:
                make()
            except ImproperlyConfigured as error:
                messages.append(Error(str(error), id=f"shrinkmeister.{id}"))
    unread = getattr(settings, "UNREAD_VARIABLES", [])
    known = {*getattr(settings, "READ_VARIABLES", []), *sorl_settings()}
    return messages + misspelled(unread, known)
