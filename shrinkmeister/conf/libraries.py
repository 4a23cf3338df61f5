"""Rows for settings of sorl, Django and django-storages, which check them themselves."""

from shrinkmeister.conf.row import BOTH, SERVER, SITE, Setting
from shrinkmeister.environment import DOMAIN, FLAG, MAPPING, NUMBER, REGION, TEXT, URL, choice, whole

# These settings decide how a picture looks. Tokens contain their values, so the server needs none of them.
PICTURE_SETTINGS = tuple(
    Setting(SITE, form, f"sorl's: {about}", shown=shown, name=f"THUMBNAIL_{name}")
    for name, form, shown, about in (
        ("FORMAT", TEXT, "`JPEG`", "the format of thumbnails."),
        ("QUALITY", whole(), "`95`", "the quality of JPEG, WebP and AVIF."),
        ("COLORSPACE", TEXT, "`RGB`", "`RGB` or `GRAY`."),
        ("UPSCALE", FLAG, "`True`", "enlarge small sources."),
        ("PADDING", FLAG, "`False`", "fill the geometry with a border."),
        ("PADDING_COLOR", TEXT, "`#ffffff`", "the border's colour."),
        ("PROGRESSIVE", FLAG, "`True`", "write progressive JPEGs."),
        ("ORIENTATION", FLAG, "`True`", "turn sources by their EXIF orientation."),
        ("BLUR", NUMBER, "`0`", "the radius of a Gaussian blur."),
    )
)
DJANGO_SETTINGS = (
    Setting(
        BOTH,
        MAPPING,
        "Django's: other storages. On the server a variable with JSON.",
        server_default={"default": {"BACKEND": "storages.backends.s3.S3Storage"}},
        shown="Django's; on the server S3",
        secret=True,
        name="STORAGES",
    ),
    Setting(
        BOTH,
        MAPPING,
        "Django's: caches, for THUMBNAIL_CACHE_NAME. On the server a variable with JSON.",
        shown="Django's; on the server none",
        secret=True,
        name="CACHES",
    ),
)
# The command line reads these settings too, to sign URLs.
S3_SETTINGS = tuple(
    Setting(SERVER, form, f"django-storages': {about}", default, name=f"AWS_{name}")
    for name, form, default, about in (
        ("S3_ENDPOINT_URL", URL, None, "the URL of an S3 that is not Amazon's."),
        ("S3_REGION_NAME", REGION, None, "the region of the bucket."),
        ("S3_ADDRESSING_STYLE", choice("auto", "virtual", "path"), None, "`auto`, `virtual` or `path`."),
        ("S3_SIGNATURE_VERSION", TEXT, "s3v4", "how requests are signed."),
        ("S3_CUSTOM_DOMAIN", DOMAIN, None, "the domain of the thumbnails' URLs, such as a CDN's."),
        ("S3_URL_PROTOCOL", choice("https:", "http:"), "https:", "the scheme of URLs at that domain."),
        # The default of django-storages is True. With False, the URL of a public thumbnail never ends.
        ("QUERYSTRING_AUTH", FLAG, False, "true for a private bucket: each URL is signed."),
        ("QUERYSTRING_EXPIRE", whole(), 3600, "seconds for which a signed URL works."),
    )
)
