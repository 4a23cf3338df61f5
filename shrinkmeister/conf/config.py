"""The site's table of settings: each field of Config and CacheConfig is a row.

A field `url_ttl` is the setting THUMBNAIL_URL_TTL, and `cache.name` is THUMBNAIL_CACHE_NAME. To add a
setting, add a field here and use it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.conf import kinds
from shrinkmeister.conf.library_settings import DJANGO_SETTINGS, PICTURE_SETTINGS, S3_SETTINGS
from shrinkmeister.conf.table import EQUAL, Setting, both, combined, equal, settings_of, site
from shrinkmeister.environment import MISSING
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.secret import Secret

DAY = 24 * 3600
DEFAULT_CACHE_NAME = "shrinkmeister"
# Seconds. A page waits no longer for the shared cache, and then leaves it alone for a while: the server
# finds out what the cache would have known.
CACHE_TIMEOUT = 0.08


class SettingError(ShrinkmeisterError, ImproperlyConfigured):
    """A setting has a value that cannot work. Names the setting, its value, and what to write instead."""

    def __init__(self, id: str, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint} ({id})")
        self.id, self.message, self.hint = id, message, hint

    def __reduce__(self) -> Any:
        return SettingError, (self.id, self.message, self.hint)


MISSING_SERVER_URL = ("shrinkmeister.E003", "THUMBNAIL_SERVER_URL is not set.", kinds.URL_OF_SERVER.hint)


@dataclass(frozen=True)
class CacheConfig:
    """Where the shared cache is.

    name        an alias of CACHES; used if CACHES has it
    name_given  whether the site chose that name, so that CACHES has to have it
    location    one address, or several between commas
    timeout     seconds to wait for an answer, and as many for a connection
    """

    backend: str = equal(
        kinds.PLAIN_TEXT,
        "The driver of the shared cache: `redis`, `memcached`, `django`, a name that an installed package "
        "registers, or a dotted path.",
        "redis",
        differs="Site and server use different caches, and pages stay lazy.",
    )
    name: str = equal(
        kinds.CACHE_NAME,
        "An alias of `CACHES`. If it exists, that cache is the shared one and needs no location.",
        shown=DEFAULT_CACHE_NAME,
    )
    name_given: bool = combined()
    location: Secret = equal(  # noqa: RUF009 - it returns a field
        kinds.CACHE_LOCATION,
        "Where the shared cache is: `redis://host:6379/0`, `host:11211`, or several between commas.",
        secret=True,
    )
    key_prefix: str = equal(
        kinds.CACHE_KEY_PREFIX,
        "Stands before each key in the shared cache.",
        "shrinkmeister:",
        differs="Neither side finds what the other one writes to the shared cache.",
    )
    timeout: float = both(
        kinds.WAIT_SECONDS,
        "Seconds to wait for the shared cache, and as many again if a connection was lost. After a failure "
        "it is left alone for 5 seconds: pages are lazy, and the server looks in the bucket.",
        CACHE_TIMEOUT,
        server_default=0.5,
        name="THUMBNAIL_CACHE_WAIT_SECONDS",
        optional=True,
    )


@dataclass(frozen=True)
class Config:
    """The values of the site's settings.

    sources       (scheme, container, folder: "" or with a slash at its end)
    text_sources  folders of names and URLs with a slash at their end, a dotted path, or None
    options       sorl's options that decide how a picture looks, by their names in templates
    """

    secrets: tuple[Secret, ...] = combined(
        Setting(
            EQUAL,
            kinds.SECRET_KEY,
            'Encrypts the URLs. Random text of 32 characters or more, from `python -c "import secrets; '
            'print(secrets.token_urlsafe(48))"` ([why](security.md#the-secret)).',
            server_default=MISSING,
            shown="required",
            secret=True,
            name="THUMBNAIL_SECRET_KEY",
        ),
        Setting(
            EQUAL,
            kinds.SECRET_KEYS,
            "Other keys, whose URLs are valid too ([rotation](operations.md#rotating-the-secret)).",
            server_default=[],
            secret=True,
            name="THUMBNAIL_SECRET_KEY_FALLBACKS",
        ),
    )
    server_url: str | None = site(
        kinds.URL_OF_SERVER, "Where browsers reach the server; not needed with THUMBNAIL_EAGER."
    )
    url_ttl: int | None = site(kinds.SECONDS, "Seconds until a lazy URL expires.", shown="never")
    bucket: str | None = equal(
        kinds.BUCKET_NAME,
        "The bucket of the thumbnails. Without it they are in the storage THUMBNAIL_STORAGE.",
        differs="The site signs URLs, deletes and prunes in another bucket than the server writes to.",
    )
    storage: str = equal(
        kinds.STORAGE_ALIAS,
        "sorl's: an alias of `STORAGES`, or the dotted path of a storage class.",
        "default",
        differs="Without THUMBNAIL_BUCKET the site deletes and prunes in another storage than the server "
        "writes to.",
    )
    prefix: str = equal(
        kinds.FOLDER,
        "sorl's: the folder of the thumbnails.",
        "cache/",
        differs="The site finds no thumbnail to delete or prune, and signs wrong URLs in a private bucket.",
    )
    resolutions: tuple[str, ...] = equal(
        kinds.RESOLUTIONS,
        "sorl's: factors such as `[1.5, 2]`, with the same spelling on both sides.",
        server_default=[],
        differs="Resolutions that only the site lists are answered with 404, and its pages stay lazy. "
        "Those that only the server lists are made in vain.",
        name="THUMBNAIL_ALTERNATIVE_RESOLUTIONS",
    )
    sources: tuple[tuple[str, str, str], ...] = both(
        kinds.SOURCES,
        "What the server may read: `s3://bucket`, `s3://bucket/folder/`, `storage://alias`, `https://host` "
        "or `http://host`. A site lists the hosts of sources that are URLs, and "
        "[storages elsewhere](operations.md#sources-elsewhere).",
        shown="server: `s3://` + THUMBNAIL_BUCKET, or `storage://` + THUMBNAIL_STORAGE",
    )
    text_sources: tuple[str, ...] | str | None = site(
        kinds.TEXT_SOURCES,
        "Images in visitors' texts that may be shown as thumbnails: folders, or the dotted path of a "
        "function ([why](migrating.md#7-texts-that-visitors-write)).",
    )
    cache: CacheConfig = combined()  # noqa: RUF009 - it returns a field
    ttl: int = equal(
        kinds.SECONDS,
        "Seconds until a record ends if no visitor looks at its thumbnail: 30 days. A site needs this with "
        "THUMBNAIL_EAGER.",
        30 * DAY,
        differs="With THUMBNAIL_EAGER, records of the site end at other times than those of the server.",
    )
    check_ttl: int = equal(
        kinds.SECONDS,
        "Seconds for which pages trust a record: 7 days. Then one visitor is sent to the server, which "
        "looks in the bucket, so that [lost thumbnails come back](operations.md#thumbnails-that-are-lost).",
        7 * DAY,
        differs="If the site's is shorter, thumbnails stay lazy that the server does not find stale. If it "
        "is longer, lost thumbnails stay broken for longer.",
    )
    expire_days: int | None = equal(
        kinds.DAYS,
        "Days after which [a rule of the bucket](operations.md#letting-thumbnails-expire) deletes "
        "thumbnails, 2 at least. Thumbnails that visitors look at are made again before.",
        differs="The rule of `shrinkmeister lifecycle` does not fit the records: pages show thumbnails "
        "that the bucket has deleted, or have them made again too early.",
    )
    local_ttl: int | None = site(
        kinds.SECONDS,
        "Seconds, for instance 10, for which a process reuses what its pages found in the shared cache. "
        "For so long a page may show a thumbnail that another process has deleted.",
    )
    options: Mapping[str, Any] = combined(*PICTURE_SETTINGS)
    flatten: bool = site(kinds.PLAIN_FLAG, "sorl's: remove transparency.", shown="False")
    preserve_format: bool = site(
        kinds.PLAIN_FLAG, "sorl's: give a thumbnail the format of its source's name.", shown="False"
    )
    remove_url_args: bool = site(
        kinds.PLAIN_FLAG, "sorl's: ignore the query of a source's URL.", shown="True"
    )
    dummy: bool = site(kinds.PLAIN_FLAG, "sorl's: show placeholders, and never a thumbnail.", shown="False")
    debug: bool = site(kinds.PLAIN_FLAG, "sorl's: raise errors of templates.", shown="False")
    adopted_backend: str | None = site(
        kinds.FORMER_BACKEND,
        "What THUMBNAIL_BACKEND was before, as `sorl.thumbnail.base.ThumbnailBackend`: pages "
        "[keep its thumbnails](migrating.md).",
    )
    eager: bool = site(
        kinds.SWITCH,
        "Make thumbnails at once, [where no browser will ask](migrating.md#5-tests-commands-and-e-mails).",
        False,
    )
    cleanup: bool = site(
        kinds.SWITCH,
        "Delete the thumbnails of a file that a model instance "
        "[loses](migrating.md#4-files-that-are-replaced-or-deleted).",
        False,
    )
    prefetch: bool = site(
        kinds.SWITCH,
        "Fetch with a page's first look-up what it looked up last time; 50,000 keys are remembered in each "
        "process. `prefetch_thumbnails()` works without it too.",
        True,
    )
    metrics: bool = both(
        kinds.SWITCH,
        "Count for [Prometheus](operations.md#counters); needs `[metrics]`. The server shows its counts at "
        "`/metrics`, those of all its processes with PROMETHEUS_MULTIPROC_DIR.",
        False,
    )


SITE_SETTINGS = (*settings_of(Config), *DJANGO_SETTINGS, *S3_SETTINGS)
OUR_SETTINGS = frozenset(row.name for row in SITE_SETTINGS if row.name.startswith("THUMBNAIL_"))
