"""Tests, in folders that mirror the packages; servers/README.md describes the servers they need."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
