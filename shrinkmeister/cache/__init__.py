"""The shared cache of a site and its thumbnail server."""

import time
from collections.abc import Callable

from shrinkmeister.cache.connection import CacheConnection, RecordCodec
from shrinkmeister.cache.coordination import Coordination
from shrinkmeister.cache.lookups import Lookups
from shrinkmeister.cache.metrics import get_cache_metrics
from shrinkmeister.cache.notes import Notes
from shrinkmeister.cache.record_store import RecordStore
from shrinkmeister.conf import get_config, reset_on_setting_change
from shrinkmeister.drivers import make_driver
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.secret import Secret
from shrinkmeister.ttl_cache import TTLCache

# Values that a process keeps with THUMBNAIL_LOCAL_TTL. They take some 5 MB.
MAX_LOCAL = 10_000


class SharedCache:
    def __init__(
        self,
        connection: CacheConnection,
        codec: RecordCodec,
        ttl: int,
        check_ttl: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.connection = connection
        parts = (connection, codec, ttl, check_ttl, now)
        self.lookups = Lookups(*parts)
        self.records = RecordStore(*parts)
        self.coordination = Coordination(*parts)
        self.notes = Notes(*parts)


@reset_on_setting_change
def get_shared_cache() -> SharedCache:
    """Return the shared cache of this process. Raises SettingError."""
    config = get_config()
    connection = CacheConnection(
        make_driver(config.cache),
        config.cache.key_prefix,
        time_budget=config.cache.timeout,
        local=TTLCache[bytes](config.local_ttl, MAX_LOCAL) if config.local_ttl else None,
        metrics=get_cache_metrics() if config.metrics else None,
    )
    codec = RecordCodec(Signer(map(Secret.reveal, config.secrets)))
    return SharedCache(connection, codec, config.ttl, config.check_ttl)
