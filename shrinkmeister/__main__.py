"""`python -m shrinkmeister url | find | open`: a thumbnail's URL by hand, and what is in one.

The only reader of the environment on the client's side.
"""

import os
import sys
from io import TextIOWrapper

from shrinkmeister.cli import main

if __name__ == "__main__":
    # A source may have a name that the terminal cannot show.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:], os.environ))
