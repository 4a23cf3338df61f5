"""`python -m shrinkmeister_server runserver|check|...`: the server's manage.py.

`init`, `policy` and `site` need no settings of Django.
"""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shrinkmeister_server.settings")
DEPLOYMENT = ("init", "policy", "site")

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in DEPLOYMENT:
        from shrinkmeister_server.deployment.command import main

        sys.exit(main(sys.argv[1:]))
    if sys.argv[1:] in ([], ["help"], ["--help"]):
        print(f"For a server on AWS Lambda: {', '.join(DEPLOYMENT)}; each has --help.\n")
    try:
        other = "shrinkmeister_server" not in settings.INSTALLED_APPS
        if other and not any(argument.startswith("--settings") for argument in sys.argv):
            module = os.environ["DJANGO_SETTINGS_MODULE"]
            sys.exit(
                f"DJANGO_SETTINGS_MODULE is {module!r}, not the server's settings. Unset the variable."
            )
        execute_from_command_line(["python -m shrinkmeister_server", *sys.argv[1:]])
    except ImproperlyConfigured as error:
        # The message names the variable. A traceback would not help.
        sys.exit(str(error))
