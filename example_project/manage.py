#!/usr/bin/env python
"""The photo site's commands; `demo` is the one to begin with."""

import os
import sys
from pathlib import Path

# Shrinkmeister need not be installed: it lies next to this folder in a checkout.
sys.path.append(str(Path(__file__).resolve().parent.parent))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photosite.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


# seed's worker processes import this file too, and must not run the command again.
if __name__ == "__main__":
    main()
