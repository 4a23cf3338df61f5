"""URLs of the eager mode that fail where they are used: relative in an e-mail, or signed for an hour.

The thumbnail server has neither. It refuses a relative URL, and does not sign unless it is told to. A site
has the defaults of Django and django-storages.
"""

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from shrinkmeister.conf import Config, SettingError
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import lasting
from shrinkmeister.storage.buckets import is_s3
from shrinkmeister.storage.compat import GOOGLE_BACKEND, is_a

RELATIVE_HINT = (
    "For e-mails, write MEDIA_URL, or base_url in STORAGES, with its scheme and host: "
    "'https://www.example.com/media/'."
)


def is_relative(url: str) -> bool:
    return not url.startswith(("https://", "http://"))


def default_signature(config: Config) -> Warning | None:
    """Return a warning if the storage of thumbnails signs URLs only because no setting decides it.

    Raises SettingError if the storage cannot be opened.
    """
    storage = get_thumbnail_storage().storage
    if is_s3(storage):
        # django-storages signs the URLs of a custom domain only with a key for CloudFront.
        name, signs = "AWS_QUERYSTRING_AUTH", not storage.custom_domain or storage.cloudfront_signer
    elif is_a(storage, GOOGLE_BACKEND):
        name, signs = "GS_QUERYSTRING_AUTH", storage.default_acl != "publicRead"
    else:
        return None
    options = settings.STORAGES.get(config.storage, {}).get("OPTIONS", {})
    is_decided = (
        hasattr(settings, name)
        or "querystring_auth" in options
        or hasattr(type(storage), "querystring_auth")
    )
    if is_decided or not signs or not storage.querystring_auth:
        return None
    return Warning(
        f"{name} is not set, so django-storages signs the URLs of the eager mode, and they stop working "
        "after some time.",
        f"Set {name} = False if everyone may read the thumbnails, or True if their bucket is private.",
        id="shrinkmeister.W018",
    )


def check_signature(config: Config) -> Iterator[CheckMessage]:
    """Warn of URLs of the eager mode that end although no setting asks for that."""
    if not config.eager:
        return
    try:
        if warning := default_signature(config):
            yield warning
    except SettingError:
        return  # this machine cannot open the storage; the code that needs it reports the error


def complaint(url: str, config: Config) -> str | None:
    """Return why an e-mail cannot have this URL of a thumbnail, or None: one text for all thumbnails."""
    if is_relative(url):
        return f"The storage of thumbnails gives URLs without a host. {RELATIVE_HINT}"
    if not lasting(url) and (warning := default_signature(config)):
        return f"{warning.msg} {warning.hint}"
    return None


def relative_note() -> str | None:
    """Return a note for the doctor if the storage of thumbnails gives URLs without a host."""
    try:
        storage = get_thumbnail_storage()
        # Signing a URL may take a request for credentials, and S3 gives no relative one.
        url = None if is_s3(storage.storage) else storage.url("x")
    except Exception:  # the storage's library raises errors of its own; the check `bucket` reports them
        return None
    return f"Its URLs have no host, such as {url!r}. {RELATIVE_HINT}" if url and is_relative(url) else None
