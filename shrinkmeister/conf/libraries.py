"""Rows for settings of sorl, Django and django-storages, which check them themselves."""

from shrinkmeister.conf.row import BOTH, SERVER, SITE, Setting
from shrinkmeister.environment import DOMAIN, FLAG, MAPPING, NUMBER, REGION, TEXT, URL, choice, whole

# These settings decide how a picture looks. Tokens contain their values, so the server needs none of them.
PICTURE_SETTINGS = tuple(
    Setting(SITE, form, f"sorl's: {about}", shown=shown, name=f"THUMBNAIL_{name}")
    for name, form, shown, about in (
        ("FORMAT", TEXT, "`JPEG`", "the format of thumbnails."),
        ("QUALITY", whole(), "`95`", "the quality of JPEG, WebP and AVIF."),
        ("COLORSPACE", TEXT, "`RGB`", "the colours of thumbnails, `RGB` or `GRAY`."),
        ("UPSCALE", FLAG, "`True`", "enlarge sources that are smaller than the thumbnail."),
        ("PADDING", FLAG, "`False`", "add a border, so that each thumbnail fills its geometry."),
        ("PADDING_COLOR", TEXT, "`#ffffff`", "the colour of this border."),
        ("PROGRESSIVE", FLAG, "`True`", "write progressive JPEGs."),
        ("ORIENTATION", FLAG, "`True`", "rotate sources by their EXIF orientation."),
        ("BLUR", NUMBER, "`0`", "the radius of a Gaussian blur."),
    )
)
DJANGO_SETTINGS = (
    Setting(
        BOTH,
        MAPPING,
        "Django's: the storages. On the server, write them as JSON.",
        server_default={"default": {"BACKEND": "storages.backends.s3.S3Storage"}},
        shown="Django's; on the server S3",
        secret=True,
        name="STORAGES",
    ),
    Setting(
        BOTH,
        MAPPING,
        "Django's: the caches, one of which THUMBNAIL_CACHE_NAME may name. On the server, write them as "
        "JSON.",
        shown="Django's; on the server none",
        secret=True,
        name="CACHES",
    ),
)
# The command line reads these settings too, to sign URLs.
S3_SETTINGS = tuple(
    Setting(SERVER, form, f"django-storages': {about}", default, name=f"AWS_{name}")
    for name, form, default, about in (
        ("S3_ENDPOINT_URL", URL, None, "the URL of an S3-compatible store that is not Amazon's."),
        ("S3_REGION_NAME", REGION, None, "the region of the bucket."),
        (
            "S3_ADDRESSING_STYLE",
            choice("auto", "virtual", "path"),
            None,
            "the form of the bucket's URLs, `auto`, `virtual` or `path`.",
        ),
        ("S3_SIGNATURE_VERSION", TEXT, "s3v4", "the version of the signatures of requests."),
        ("S3_CUSTOM_DOMAIN", DOMAIN, None, "the domain of the thumbnails' URLs, such as a CDN's."),
        (
            "S3_URL_PROTOCOL",
            choice("https:", "http:"),
            "https:",
            "the scheme of URLs at AWS_S3_CUSTOM_DOMAIN.",
        ),
        # The default of django-storages is True. With False, the URL of a public thumbnail never ends.
        (
            "QUERYSTRING_AUTH",
            FLAG,
            False,
            "sign the URLs of thumbnails. Set it to true if the bucket is private.",
        ),
        ("QUERYSTRING_EXPIRE", whole(), 3600, "seconds after which a signed URL expires."),
    )
)
