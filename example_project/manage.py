#!/usr/bin/env python
"""The commands of the photo site. Start with `demo`."""

import os
import sys
from pathlib import Path

# In a checkout Shrinkmeister is next to this folder and need not be installed.
sys.path.append(str(Path(__file__).resolve().parent.parent))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photosite.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
