"""The driver of docs/how-to/shared-cache.md, "A driver of your own", as its reader would copy it."""

import re
import sys
from types import ModuleType
from typing import Any

import pytest

from shrinkmeister.drivers.base import Driver
from shrinkmeister.drivers.contract import DriverContract
from tests import ROOT

PAGE = ROOT / "docs" / "how-to" / "shared-cache.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def module(name: str, contains: str) -> Any:
    """Return the block of code with this text as a module."""
    (code,) = (block for block in BLOCKS if contains in block)
    made = ModuleType(name)
    exec(code, made.__dict__)
    return made


@pytest.fixture
def documented(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(sys.modules, "mydriver", module("mydriver", "class PlainRedisDriver"))
    return module("test_mydriver", "class TestPlainRedisDriver")


class TestDocumentedDriver(DriverContract):
    @pytest.fixture
    def driver(self, documented: Any, redis_location: str) -> Driver:
        made: Driver = documented.PlainRedisDriver(documented.config(redis_location))
        return made

    @pytest.fixture
    def dead_driver(self, documented: Any) -> Driver:
        made: Driver = documented.PlainRedisDriver(documented.config("redis://127.0.0.1:1/0"))
        return made
