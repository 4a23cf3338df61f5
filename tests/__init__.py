"""Tests, in folders that mirror the packages; servers/README.md describes the servers they need."""

from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The folder of both packages: the checkout, or the environment in which the wheel is installed.
INSTALLED = Path(str(getattr(find_spec("shrinkmeister"), "origin", None))).parents[1]
