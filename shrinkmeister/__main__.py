"""`python -m shrinkmeister url | find | open`: the only reader of the environment on the client's side."""

import os
import sys
from io import TextIOWrapper

from shrinkmeister.cli import main

if __name__ == "__main__":
    # The terminal may not be able to show the name of a source.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:], os.environ))
