"""The site's table of settings: each field of Config is a row. Those of the cache are in cache_table.py.

A field `url_ttl` is the setting THUMBNAIL_URL_TTL, and `cache.name` is THUMBNAIL_CACHE_NAME. To add a
setting, add a field here and use it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.conf import values
from shrinkmeister.conf.cache_table import CacheConfig
from shrinkmeister.conf.libraries import DJANGO_SETTINGS, PICTURE_SETTINGS, S3_SETTINGS
from shrinkmeister.conf.row import EQUAL, Setting, both, combined, equal, settings_of, site
from shrinkmeister.environment import FLAG, MISSING, NAMES, NUMBERS, SECRET, SECRETS, TEXT, whole
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.secret import Secret, revealed

DAY = 24 * 3600
SECONDS: dict[str, Any] = {
    "read": values.seconds,
    "id": "E004",
    "hint": "Write a whole number above 0 and up to 10^10, or remove the setting.",
}
SWITCH: dict[str, Any] = {"read": values.flag, "id": "E017", "hint": "Write True or False."}


class SettingError(ShrinkmeisterError, ImproperlyConfigured):
    """A setting has an invalid value. The message names the setting, the value and the fix."""

    def __init__(self, id: str, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint} ({id})")
        self.id, self.message, self.hint = id, message, hint

    def __reduce__(self) -> Any:
        return SettingError, (self.id, self.message, self.hint)


MISSING_SERVER_URL = ("shrinkmeister.E003", "THUMBNAIL_SERVER_URL is not set.", values.SERVER_URL_HINT)


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
            "The secret that encrypts the lazy URLs: random text of 32 characters or more "
            '([why](../understand/security.md#the-secret)). To make one, run `python -c "import secrets; '
            'print(secrets.token_urlsafe(48))"`.',
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
            "Former secret keys. Lazy URLs that they encrypted are still valid "
            "([rotation](../how-to/rotate-the-secret.md)).",
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
        "The URL at which browsers reach the server. With THUMBNAIL_EAGER, you do not need it.",
        read=values.server_url,
        id="E003",
        hint=values.SERVER_URL_HINT,
    )
    url_ttl: int | None = site(
        whole(1),
        "A lazy URL works for at least this many seconds, and for at most twice as many.",
        shown="never",
        **SECONDS,
    )
    bucket: str | None = equal(
        TEXT,
        "The bucket of the thumbnails. If it is not set, thumbnails are in the storage THUMBNAIL_STORAGE.",
        differs="The site signs URLs, deletes and prunes in another bucket than the server writes to.",
        read=lambda value: values.matching(values.BUCKET)(value or None),
        id="E005",
        hint="Write the bare name, 'my-thumbnails': no s3://, no folder.",
    )
    storage: str = equal(
        TEXT,
        "sorl's: the storage of the thumbnails, as an alias of `STORAGES` or the dotted path of a storage "
        "class.",
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
        "sorl's: the factors of additional, larger thumbnails, such as `[1.5, 2]`. Write them in the same "
        "spelling on both sides.",
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
        "The places from which the server may read sources: `s3://bucket`, `storage://alias`, "
        "`https://host` or `http://host`. Each may end with a folder, as in `s3://bucket/folder/`. If you "
        "remove an entry, the server still redirects to "
        "[thumbnails that are stored already](../understand/security.md#urls). On a site, list only the "
        "hosts whose images templates name by URL, and the aliases of "
        "[storages with another account or endpoint](../how-to/storages.md#several-accounts-or-endpoints).",
        shown="on the server `s3://` + THUMBNAIL_BUCKET, or `storage://` + THUMBNAIL_STORAGE",
        read=values.sources,
        id="E007",
        hint="Write 's3://bucket', 'storage://alias' or 'https://host', or a folder of one, as "
        "'storage://alias/folder/'. An environment variable separates them by commas, without brackets.",
    )
    text_sources: tuple[str, ...] | str | None = site(
        NAMES,
        "The images in visitors' texts that pages may show as thumbnails. Write a list of folders, or the "
        "dotted path of a function ([why](../how-to/texts-of-visitors.md)).",
        read=values.text_sources,
        id="E031",
        hint=values.TEXT_SOURCES_HINT,
    )
    cache: CacheConfig = combined()  # noqa: RUF009 - it returns a field
    ttl: int = equal(
        whole(1),
        "Seconds after which a record expires if no visitor views its thumbnail: 30 days. The server uses "
        "this setting, and so does a site in eager mode, because it writes records itself.",
        30 * DAY,
        differs="With THUMBNAIL_EAGER, records of the site end at other times than those of the server.",
        **SECONDS,
    )
    check_ttl: int = equal(
        whole(1),
        "Pages trust a record for 53 to 100 % of these seconds: by default, for 3.7 to 7 days. Then they "
        "show the lazy URL until one request has made the server check the bucket. So the server [makes "
        "lost thumbnails again](../troubleshooting/failures.md).",
        7 * DAY,
        differs="If the site's is shorter, thumbnails stay lazy that the server does not find stale. If it "
        "is longer, lost thumbnails stay broken for longer.",
        **SECONDS,
    )
    expire_days: int | None = equal(
        whole(2),
        "Days after which [a lifecycle rule of the bucket](../how-to/expiry-and-deletion.md) deletes "
        "thumbnails: at least 2. The setting itself does not delete anything. It makes each record expire "
        "a day before S3 may delete its thumbnail. The server makes a thumbnail again when a visitor views "
        "it after that.",
        differs="The rule of `shrinkmeister lifecycle` does not fit the records: pages show thumbnails "
        "that the bucket has deleted, or have them made again too early.",
        read=values.number(1, 36500, int),
        id="E024",
        hint="Write a whole number of days, 2 at least, or remove the setting if nothing deletes "
        "thumbnails.",
    )
    local_ttl: int | None = site(
        whole(1),
        "Seconds for which a process reuses the records that its pages have read from the shared cache, "
        "for instance 10. During this time, a page may show a thumbnail that another process has deleted.",
        **SECONDS,
    )
    options: Mapping[str, Any] = combined(*PICTURE_SETTINGS)
    flatten: bool = site(
        FLAG,
        "sorl's: in JPEG thumbnails, show transparent pixels of the source as white. With padding, show "
        "them in the colour of the border.",
        shown="`False`",
    )
    preserve_format: bool = site(
        FLAG,
        "sorl's: make each thumbnail in the format that the extension of its source names.",
        shown="`False`",
    )
    remove_url_args: bool = site(FLAG, "sorl's: ignore the query string of a source's URL.", shown="`True`")
    dummy: bool = site(FLAG, "sorl's: show placeholders instead of thumbnails.", shown="`False`")
    debug: bool = site(
        FLAG, "sorl's: raise the errors of template tags instead of logging them.", shown="`False`"
    )
    adopted_backend: str | None = site(
        TEXT,
        "The former value of THUMBNAIL_BACKEND, such as `sorl.thumbnail.base.ThumbnailBackend`. Pages then "
        "[still show its thumbnails](../how-to/swap-a-site.md).",
        read=values.matching(values.DOTTED_PATH),
        id="E016",
        hint=values.FORMER_BACKEND_HINT,
    )
    eager: bool = site(
        FLAG,
        "The site makes each thumbnail immediately, in its own process, for "
        "[tests, commands and e-mails](../how-to/tests-commands-emails.md).",
        False,
        **SWITCH,
    )
    cleanup: bool = site(
        FLAG,
        "When a model instance is deleted, or saved with another file, the site deletes "
        "[the thumbnails of the former file](../how-to/expiry-and-deletion.md).",
        False,
        **SWITCH,
    )
    prefetch: bool = site(
        FLAG,
        "The first look-up of a page fetches all records that the page used last time. Each process "
        "remembers up to 50,000 keys for this. `prefetch_thumbnails()` also works without this setting.",
        True,
        **SWITCH,
    )
    metrics: bool = both(
        FLAG,
        "Collect [metrics for Prometheus](logs-and-metrics.md#metrics). This needs "
        '`pip install "shrinkmeister[metrics]"`. The server shows its metrics at `/metrics`. With several '
        "processes, set PROMETHEUS_MULTIPROC_DIR.",
        False,
        **SWITCH,
    )


SITE_SETTINGS = (*settings_of(Config), *DJANGO_SETTINGS, *S3_SETTINGS)
OUR_SETTINGS = frozenset(row.name for row in SITE_SETTINGS if row.name.startswith("THUMBNAIL_"))
