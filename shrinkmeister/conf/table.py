"""The site's table of settings: each field of Config and CacheConfig is a row.

A field `url_ttl` is the setting THUMBNAIL_URL_TTL, and `cache.name` is THUMBNAIL_CACHE_NAME. To add a
setting, add a field here and use it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.conf import values
from shrinkmeister.conf.libraries import DJANGO_SETTINGS, PICTURE_SETTINGS, S3_SETTINGS
from shrinkmeister.conf.row import EQUAL, Setting, both, combined, equal, settings_of, site
from shrinkmeister.environment import FLAG, MISSING, NAMES, NUMBER, NUMBERS, SECRET, SECRETS, TEXT, whole
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.secret import Secret, revealed

DAY = 24 * 3600
# Seconds for which a page waits for the shared cache. After that, pages do not ask it for a while, and are
# lazy.
CACHE_TIMEOUT = 0.08
SECONDS: dict[str, Any] = {
    "read": values.seconds,
    "id": "E004",
    "hint": "Write a whole number above 0 and up to 10^10, or remove the setting.",
}
SWITCH: dict[str, Any] = {"read": values.flag, "id": "E017", "hint": "Write True or False."}


class SettingError(ShrinkmeisterError, ImproperlyConfigured):
    """A setting has a value that cannot work. The error names both, and what to write instead."""

    def __init__(self, id: str, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint} ({id})")
        self.id, self.message, self.hint = id, message, hint

    def __reduce__(self) -> Any:
        return SettingError, (self.id, self.message, self.hint)


MISSING_SERVER_URL = ("shrinkmeister.E003", "THUMBNAIL_SERVER_URL is not set.", values.SERVER_URL_HINT)


@dataclass(frozen=True)
class CacheConfig:
    """Where the shared cache is.

    name      an alias of CACHES; used if CACHES has it
    location  one or several comma-separated addresses
    timeout   seconds to wait for an answer, and as many for a connection
    """

    backend: str = equal(
        TEXT,
        "The driver of the shared cache: `redis`, `memcached`, `django`, a name that an installed package "
        "registers, or a dotted path.",
        "redis",
        differs="Site and server use different caches, and pages stay lazy.",
    )
    name: str = equal(
        TEXT,
        "An alias of `CACHES`. If it exists, that cache is the shared one and needs no location.",
        "shrinkmeister",
        read=values.cache_name,
        id="E009",
        hint="Write an alias of CACHES, or remove the setting.",
    )
    location: Secret = equal(  # noqa: RUF009 - it returns a field
        SECRET,
        "Where the shared cache is: `redis://host:6379/0`, `host:11211`, or several, comma-separated.",
        secret=True,
        read=values.cache_location,
        id="E009",
        hint="Write an address, such as 'redis://host:6379/0'.",
    )
    key_prefix: str = equal(
        TEXT,
        "The text before each key in the shared cache.",
        "shrinkmeister:",
        differs="Neither side finds what the other one writes to the shared cache.",
        read=values.matching(values.KEY_PREFIX, default=False),
        id="E008",
        hint="Use at most 200 ASCII characters without spaces.",
    )
    timeout: float = both(
        NUMBER,
        "Seconds to wait for the shared cache, and as many again if a connection was lost. After a failure "
        "it is left alone for 5 seconds: pages are lazy, and the server looks in the bucket.",
        CACHE_TIMEOUT,
        server_default=0.5,
        name="THUMBNAIL_CACHE_WAIT_SECONDS",
        optional=True,
        read=values.number(0, 60, int, float),
        id="E023",
        hint="Write seconds above 0 and up to 60, or remove the setting for its default.",
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
            SECRET,
            'Encrypts the URLs. Random text of 32 characters or more, from `python -c "import secrets; '
            'print(secrets.token_urlsafe(48))"` ([why](../understand/security.md#the-secret)).',
            server_default=MISSING,
            shown="required",
            secret=True,
            name="THUMBNAIL_SECRET_KEY",
            read=revealed,
            id="E001",
            hint=values.SECRET_HINT,
        ),
        Setting(
            EQUAL,
            SECRETS,
            "Other keys, whose URLs are valid too ([rotation](../how-to/rotate-the-secret.md)).",
            server_default=[],
            secret=True,
            name="THUMBNAIL_SECRET_KEY_FALLBACKS",
            read=values.listed,
            id="E002",
            hint="List the former secret keys, the latest first.",
        ),
    )
    server_url: str | None = site(
        TEXT,
        "Where browsers reach the server; not needed with THUMBNAIL_EAGER.",
        read=values.server_url,
        id="E003",
        hint=values.SERVER_URL_HINT,
    )
    url_ttl: int | None = site(
        whole(1),
        "Seconds for which a lazy URL works at least. It expires after twice as many at most.",
        shown="never",
        **SECONDS,
    )
    bucket: str | None = equal(
        TEXT,
        "The bucket of the thumbnails. Without it they are in the storage THUMBNAIL_STORAGE.",
        differs="The site signs URLs, deletes and prunes in another bucket than the server writes to.",
        read=lambda value: values.matching(values.BUCKET)(value or None),
        id="E005",
        hint="Write the bare name, 'my-thumbnails': no s3://, no folder.",
    )
    storage: str = equal(
        TEXT,
        "sorl's: an alias of `STORAGES`, or the dotted path of a storage class.",
        "default",
        differs="Without THUMBNAIL_BUCKET the site deletes and prunes in another storage than the server "
        "writes to.",
        read=values.matching(re.compile(".*", re.DOTALL), default=False),
        id="E006",
        hint="Write an alias of STORAGES.",
    )
    prefix: str = equal(
        TEXT,
        "sorl's: the folder of the thumbnails.",
        "cache/",
        differs="The site finds no thumbnail to delete or prune, and signs wrong URLs in a private bucket.",
        read=values.matching(values.PREFIX, default=False),
        id="E014",
        hint="Write a folder as 'cache/' or 'a/b/': no slash in front, no '..', '//' or backslash.",
    )
    resolutions: tuple[str, ...] = equal(
        NUMBERS,
        "sorl's: factors such as `[1.5, 2]`, with the same spelling on both sides.",
        server_default=[],
        differs="Resolutions that only the site lists are answered with 404, and its pages stay lazy. "
        "Those that only the server lists are made in vain.",
        name="THUMBNAIL_ALTERNATIVE_RESOLUTIONS",
        read=values.resolutions,
        id="E010",
        hint="List factors above 0 and up to 10 as numbers: [1.5, 2].",
    )
    sources: tuple[tuple[str, str, str], ...] = both(
        NAMES,
        "What the server may read: `s3://bucket`, `storage://alias`, `https://host` or `http://host`, each "
        "with a folder if you like: `s3://bucket/folder/`, `storage://alias/folder/`. Thumbnails "
        "that are stored [stay](../understand/security.md#urls). A site lists the hosts of sources that "
        "are URLs, and [storages elsewhere](../how-to/storages.md).",
        shown="on the server `s3://` + THUMBNAIL_BUCKET, or `storage://` + THUMBNAIL_STORAGE",
        read=values.sources,
        id="E007",
        hint="Write 's3://bucket', 'storage://alias' or 'https://host', or a folder of one, as "
        "'storage://alias/folder/'. An environment variable separates them by commas, without brackets.",
    )
    text_sources: tuple[str, ...] | str | None = site(
        NAMES,
        "Images in visitors' texts that may be shown as thumbnails: folders, or the dotted path of a "
        "function ([why](../how-to/texts-of-visitors.md)).",
        read=values.text_sources,
        id="E031",
        hint=values.TEXT_SOURCES_HINT,
    )
    cache: CacheConfig = combined()  # noqa: RUF009 - it returns a field
    ttl: int = equal(
        whole(1),
        "Seconds until a record ends if no visitor looks at its thumbnail: 30 days. A site needs this with "
        "THUMBNAIL_EAGER.",
        30 * DAY,
        differs="With THUMBNAIL_EAGER, records of the site end at other times than those of the server.",
        **SECONDS,
    )
    check_ttl: int = equal(
        whole(1),
        "Seconds for which pages trust a record: 7 days. Then one visitor is sent to the server, which "
        "looks in the bucket, so that [lost thumbnails come back](../troubleshooting/failures.md).",
        7 * DAY,
        differs="If the site's is shorter, thumbnails stay lazy that the server does not find stale. If it "
        "is longer, lost thumbnails stay broken for longer.",
        **SECONDS,
    )
    expire_days: int | None = equal(
        whole(2),
        "Days after which [a rule of the bucket](../how-to/expiry-and-deletion.md) deletes "
        "thumbnails, 2 at least. Thumbnails that visitors look at are made again before.",
        differs="The rule of `shrinkmeister lifecycle` does not fit the records: pages show thumbnails "
        "that the bucket has deleted, or have them made again too early.",
        read=values.number(1, 36500, int),
        id="E024",
        hint="Write a whole number of days, 2 at least, or remove the setting if nothing deletes "
        "thumbnails.",
    )
    local_ttl: int | None = site(
        whole(1),
        "Seconds, for instance 10, for which a process reuses what its pages found in the shared cache. "
        "For so long a page may show a thumbnail that another process has deleted.",
        **SECONDS,
    )
    options: Mapping[str, Any] = combined(*PICTURE_SETTINGS)
    flatten: bool = site(FLAG, "sorl's: remove transparency.", shown="`False`")
    preserve_format: bool = site(
        FLAG, "sorl's: give a thumbnail the format of its source's name.", shown="`False`"
    )
    remove_url_args: bool = site(FLAG, "sorl's: ignore the query of a source's URL.", shown="`True`")
    dummy: bool = site(FLAG, "sorl's: show placeholders, and never a thumbnail.", shown="`False`")
    debug: bool = site(FLAG, "sorl's: raise errors of templates.", shown="`False`")
    adopted_backend: str | None = site(
        TEXT,
        "What THUMBNAIL_BACKEND was before, as `sorl.thumbnail.base.ThumbnailBackend`: pages "
        "[keep its thumbnails](../how-to/swap-a-site.md).",
        read=values.matching(values.DOTTED_PATH),
        id="E016",
        hint=values.FORMER_BACKEND_HINT,
    )
    eager: bool = site(
        FLAG,
        "Make thumbnails at once, [where no browser will ask](../how-to/tests-commands-emails.md).",
        False,
        **SWITCH,
    )
    cleanup: bool = site(
        FLAG,
        "Delete the thumbnails of a file that a model instance [loses](../how-to/expiry-and-deletion.md).",
        False,
        **SWITCH,
    )
    prefetch: bool = site(
        FLAG,
        "Fetch with a page's first look-up what it looked up last time; 50,000 keys are remembered in each "
        "process. `prefetch_thumbnails()` works without it too.",
        True,
        **SWITCH,
    )
    metrics: bool = both(
        FLAG,
        "Count for [Prometheus](logs-and-metrics.md); needs `[metrics]`. The server shows its counts at "
        "`/metrics`, those of all its processes with PROMETHEUS_MULTIPROC_DIR.",
        False,
        **SWITCH,
    )


SITE_SETTINGS = (*settings_of(Config), *DJANGO_SETTINGS, *S3_SETTINGS)
OUR_SETTINGS = frozenset(row.name for row in SITE_SETTINGS if row.name.startswith("THUMBNAIL_"))
