"""`python -m shrinkmeister_server runserver|check|...`: what manage.py is elsewhere."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shrinkmeister_server.settings")

if __name__ == "__main__":
    execute_from_command_line(["python -m shrinkmeister_server", *sys.argv[1:]])
