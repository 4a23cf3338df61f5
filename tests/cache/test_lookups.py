"""What a page gets for what the shared cache holds, against the vectors."""

from typing import Any

import pytest

from shrinkmeister import backend, conf
from shrinkmeister.backend import spec_of, thumbnail_of
from shrinkmeister.cache import SharedCache
from shrinkmeister.cache.connection import CacheConnection, RecordCodec
from shrinkmeister.conf import get_config
from shrinkmeister.drivers import make_driver
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.protocol.spec import Source
from shrinkmeister.protocol.tokens import Tokens
from tests.vectors import load

VECTORS = load("lookups")


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: str(vector["description"]))
def test_vector(vector: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**VECTORS["config"], **vector.get("config", {})}
    now = vector.get("now", VECTORS["now"])
    settings.THUMBNAIL_SECRET_KEY, *settings.THUMBNAIL_SECRET_KEY_FALLBACKS = given["secrets"]
    settings.THUMBNAIL_SERVER_URL = given["server_url"]
    settings.THUMBNAIL_PREFIX = given["prefix"]
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [
        float(factor) if "." in factor else int(factor) for factor in given["resolutions"]
    ]
    for name, value in given["options"].items():
        setattr(settings, f"THUMBNAIL_{name.upper()}", value)
    config = get_config()
    driver = make_driver(config.cache)
    for key, value in vector["cache"].items():
        driver.set(key, value.encode(), 60)
    cache = SharedCache(
        CacheConnection(driver, given["key_prefix"]),
        RecordCodec(Signer(given["secrets"])),
        60,
        given["check_ttl"],
        lambda: now,
    )
    monkeypatch.setattr(backend, "get_shared_cache", lambda: cache)
    tokens = Tokens(given["secrets"], given["url_ttl"], lambda: now)
    monkeypatch.setattr(conf, "get_tokens", lambda: tokens)

    spec = spec_of(Source.parse(vector["source"]), vector["geometry"], vector["options"], config)
    thumbnail = thumbnail_of(spec, config)
    assert (thumbnail.url, thumbnail.width, thumbnail.height, thumbnail.lazy) == tuple(
        vector[name] for name in ("url", "width", "height", "lazy")
    )
    assert {r: thumbnail.url_of(r) for r in vector.get("urls", {})} == vector.get("urls", {})
