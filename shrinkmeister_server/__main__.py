"""`python -m shrinkmeister_server runserver|check|...`: the server's manage.py.

`init`, `policy` and `site` need no settings of Django.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core import management
from django.core.cache.backends.base import InvalidCacheBackendError
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shrinkmeister_server.settings")
NAME = "python -m shrinkmeister_server"
DEPLOYMENT = ("init", "policy", "site")


def main(arguments: Sequence[str]) -> str | None:
    """Run one command. Return an error message for `sys.exit`, or None."""
    command = next(iter(arguments), "help")
    if command in DEPLOYMENT:
        from shrinkmeister_server.deployment import command as deployment

        return deployment.main(arguments)
    if command in ("help", "--help"):
        print(f"For a server on AWS Lambda: {', '.join(DEPLOYMENT)}; each has --help.\n")
    has_own_settings = any(argument.startswith("--settings") for argument in arguments)
    # Otherwise a wrong name would be reported as a missing variable.
    if not (has_own_settings or command.startswith("-") or command in _commands()):
        return f"{command!r} is not a command. `{NAME} help` lists them."
    try:
        if not has_own_settings and "shrinkmeister_server" not in settings.INSTALLED_APPS:
            module = os.environ["DJANGO_SETTINGS_MODULE"]
            return f"DJANGO_SETTINGS_MODULE is {module!r}, not the server's settings. Unset the variable."
        management.execute_from_command_line([NAME, *arguments])
    # The messages of these errors name the setting. A traceback would not help.
    except InvalidCacheBackendError as error:
        return f"The environment variable CACHES does not work: {error}"
    except ImproperlyConfigured as error:
        return str(error)
    except ModuleNotFoundError as error:
        module = os.environ["DJANGO_SETTINGS_MODULE"]
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        return (
            f"The settings module is {module!r}, which does not exist. Unset DJANGO_SETTINGS_MODULE, and "
            f"leave --settings out."
        )
    return None


def _commands() -> set[str]:
    """Return the names of all commands. Reads no settings."""
    folders = (management.__path__[0], str(Path(__file__).parent / "management"))
    return {"help", "version", *(name for folder in folders for name in management.find_commands(folder))}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
