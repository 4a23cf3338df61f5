"""Rows for settings of sorl, Django and django-storages, which check them themselves."""

from shrinkmeister.conf.kinds import PLAIN_FLAG, PLAIN_INTEGER, PLAIN_MAPPING, PLAIN_NUMBER, PLAIN_TEXT
from shrinkmeister.conf.table import BOTH, SERVER, SITE, Setting

# They decide how a picture looks. Tokens contain them, so the server does not have them.
PICTURE_SETTINGS = tuple(
    Setting(SITE, kind, f"sorl's: {about}", shown=shown, name=f"THUMBNAIL_{name}")
    for name, kind, shown, about in (
        ("FORMAT", PLAIN_TEXT, "JPEG", "the format of thumbnails."),
        ("QUALITY", PLAIN_INTEGER, "95", "the quality of JPEG, WebP and AVIF."),
        ("COLORSPACE", PLAIN_TEXT, "RGB", "`RGB` or `GRAY`."),
        ("UPSCALE", PLAIN_FLAG, "True", "enlarge small sources."),
        ("PADDING", PLAIN_FLAG, "False", "fill the geometry with a border."),
        ("PADDING_COLOR", PLAIN_TEXT, "#ffffff", "the border's colour."),
        ("PROGRESSIVE", PLAIN_FLAG, "True", "write progressive JPEGs."),
        ("ORIENTATION", PLAIN_FLAG, "True", "turn sources by their EXIF orientation."),
        ("BLUR", PLAIN_NUMBER, "0", "the radius of a Gaussian blur."),
    )
)
DJANGO_SETTINGS = (
    Setting(
        BOTH,
        PLAIN_MAPPING,
        "Django's: other storages. On the server a variable with JSON.",
        server_default={"default": {"BACKEND": "storages.backends.s3.S3Storage"}},
        shown="Django's; server: S3",
        secret=True,
        name="STORAGES",
    ),
    Setting(
        BOTH,
        PLAIN_MAPPING,
        "Django's: caches, for THUMBNAIL_CACHE_NAME. On the server a variable with JSON.",
        shown="Django's; server: none",
        secret=True,
        name="CACHES",
    ),
)
# The command line reads them too, to sign URLs.
S3_SETTINGS = tuple(
    Setting(SERVER, kind, f"django-storages': {about}", default, name=f"AWS_{name}")
    for name, kind, default, about in (
        ("S3_ENDPOINT_URL", PLAIN_TEXT, None, "the URL of an S3 that is not Amazon's."),
        ("S3_REGION_NAME", PLAIN_TEXT, None, "the region of the bucket."),
        ("S3_ADDRESSING_STYLE", PLAIN_TEXT, None, "`virtual` or `path`."),
        ("S3_SIGNATURE_VERSION", PLAIN_TEXT, "s3v4", "how requests are signed."),
        ("S3_CUSTOM_DOMAIN", PLAIN_TEXT, None, "the domain of the thumbnails' URLs, such as a CDN's."),
        ("S3_URL_PROTOCOL", PLAIN_TEXT, "https:", "the scheme of URLs at that domain."),
        # django-storages has True. Public thumbnails keep one URL for good.
        ("QUERYSTRING_AUTH", PLAIN_FLAG, False, "true for a private bucket: each URL is signed."),
        ("QUERYSTRING_EXPIRE", PLAIN_INTEGER, 3600, "seconds for which a signed URL works."),
    )
)
