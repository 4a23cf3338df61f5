"""The doctor asks the server for sources: a missing file of each image field, and the one of --source."""

from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO
from urllib.parse import urljoin, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.files.images import get_image_dimensions

from shrinkmeister.backend import spec_of
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import Config, SettingError, lazy_url
from shrinkmeister.doctor.findings import UNKNOWN, Finding, ok, wrong
from shrinkmeister.doctor.http import JSON, UNREACHABLE_HINT, Unreachable, get, is_private, load_image
from shrinkmeister.error_policy import hint_of
from shrinkmeister.exceptions import ShrinkmeisterError, SourceNotAllowedError
from shrinkmeister.protocol.keys import object_name
from shrinkmeister.protocol.spec import CONTENT_TYPES, URL_SCHEMES, Source, allowed
from shrinkmeister.sources import FieldStorage, field_storages, place_of
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.buckets import is_s3

# What to change if the server cannot read the files of a field.
FIELD_HINT = (
    "List {entry} in THUMBNAIL_SOURCES of the server. Give its account s3:GetObject and s3:ListBucket "
    "there, at AWS_S3_ENDPOINT_URL. Files at another endpoint, in another account or in another storage "
    "need its alias in STORAGES of both sides. The server's log says more."
)
# The same for a storage other than S3.
FILES_HINT = (
    "List {entry} in THUMBNAIL_SOURCES of the server. STORAGES of both sides need the same storage under "
    "this alias: for a folder, `location` of the server is MEDIA_ROOT of the site. The user or the account "
    "of the server has to be able to read there. The server's log says more."
)

# What to change if thumbnails are lost.
LOST_HINT = (
    "S3 answers 403 instead of 404 for a missing object to readers without s3:ListBucket. Lost thumbnails "
    "come back within THUMBNAIL_CHECK_TTL, or at once after `manage.py shrinkmeister clear`. With "
    "THUMBNAIL_ADOPTED_BACKEND, run `adopt` after that."
)


def examine_fields(config: Config, nonce: str, timeout: float) -> Iterator[Finding]:
    """Yield whether the server reads the files of each image field.

    nonce  part of a file name that does not exist
    """
    fields = list(field_storages())
    missing: dict[str, tuple[Source, FieldStorage]] = {}
    if not fields:
        yield ok("sources", "no model of the site has an ImageField; --source examines a file")
    for one in fields:
        try:
            file = place_of(one.storage, f"{one.folder or ''}shrinkmeister-doctor-{nonce}.jpg")
        except (SourceNotAllowedError, ImproperlyConfigured) as error:
            hint = "Correct its storage in STORAGES of both sides."
            yield wrong("sources", f"{one.field}: {error}", hint)
        else:
            missing.setdefault(str(file).rpartition("/")[0], (file, one))
    for place, (file, one) in missing.items():
        yield _examine_field(one, file, place, config, timeout)


def _examine_field(
    of: FieldStorage, missing: Source, place: str, config: Config, timeout: float
) -> Finding:
    """Ask for a missing file. 404 means that the server may read that place, and can."""
    try:
        response = get(lazy_url(spec_of(missing, "1x1", {}, config), config), timeout, Accept=JSON)
    except Unreachable as error:
        return Finding("sources", UNKNOWN, f"{of.field}, in {place}: {error}", UNREACHABLE_HINT)
    if response.status == 404 and response.error:
        return ok("sources", f"the server reads the files of {of.field}, in {place}")
    if response.status == 403 and of.folder is None:
        message = f"{of.field} has a callable upload_to, and the server may not read all of {place}"
        return Finding("sources", UNKNOWN, message, "Name one of its files with --source.")
    message = f"the server cannot read the files of {of.field} in {place}: {response.status}"
    hint = FIELD_HINT if is_s3(of.storage) else FILES_HINT
    entry = f"{place}/" if of.folder else place
    return wrong("sources", f"{message} {response.error}".rstrip(), hint.format(entry=repr(entry)))


def examine_source(source: Source, config: Config, timeout: float) -> Finding:
    """Return whether a thumbnail comes by its lazy URL, as a page asks for it and a browser loads it."""
    place = f"{source.scheme}://{source.container}"
    if source.scheme in URL_SCHEMES and not allowed(source, config.sources):
        message = f"THUMBNAIL_SOURCES of the site does not list {source}: pages show the image as it is"
        return wrong("source", message, f"Add {place!r} to THUMBNAIL_SOURCES of site and server.")
    try:
        spec = spec_of(source, "300x300", {}, config)
        # A browser's choice of formats, and errors as JSON.
        made = get(lazy_url(spec, config), timeout, Accept=f"image/*, {JSON};q=0.9")
    except ShrinkmeisterError as error:
        return wrong("source", f"{source} has no lazy URL: {error}", "Name another source.")
    except Unreachable as error:
        return wrong("source", f"no thumbnail of {source}: {error}", UNREACHABLE_HINT)
    if made.status != 302:
        message = f"the server makes no thumbnail of {source}: {made.status} {made.error}".rstrip()
        code = made.json().get("code")
        is_refused_host = source.scheme in URL_SCHEMES and code == SourceNotAllowedError.code
        return wrong("source", message, _host_hint(source, place) if is_refused_host else hint_of(code))
    target = urljoin(made.url, str(made.headers.get("Location", "")))
    try:
        image = load_image(target, timeout, CONTENT_TYPES[spec.format])
    except Unreachable as error:
        return _unloaded(object_name(spec, config.prefix), error)
    try:
        record = get_shared_cache().lookups.look_up(spec).thumbnail
    except SettingError:
        message = "the server has made the thumbnail, but the site cannot look for its record"
        return wrong("source", message, "See site and cache.")
    if record is None:
        message = "the server has made the thumbnail, but the site finds no record of it"
        return wrong("source", message, "See cache and secret.")
    recorded = (record.width, record.height)
    # Django reads the size with Pillow, which a site may lack.
    size = get_image_dimensions(BytesIO(image.body)) if find_spec("PIL") else recorded
    shown = f"{recorded[0]}x{recorded[1]}"
    if size != recorded:
        return wrong(
            "source",
            f"the thumbnail's record says {shown} pixels, but the image has {size[0]}x{size[1]}",
            "A CDN may have an older image under this name: purge it. If only records are old, run "
            "`manage.py shrinkmeister clear`.",
        )
    times = f"{made.milliseconds:,} ms for the redirect, {image.milliseconds:,} ms for the image"
    return ok("source", f"a thumbnail of {source}, {shown} pixels: {times}")


def _host_hint(source: Source, place: str) -> str:
    host = source.container
    hints = [
        f"List {place!r} in THUMBNAIL_SOURCES of the server.",
        f"If the host has a private address there, list {host!r} in THUMBNAIL_PRIVATE_HOSTS, too.",
    ]
    if is_private(urlsplit(f"//{host}").hostname or ""):
        hints[1] = (
            f"The host has a private address: list {host!r} in THUMBNAIL_PRIVATE_HOSTS of the server."
        )
        hints.reverse()
    return " ".join(hints)


def _unloaded(name: str, error: Unreachable) -> Finding:
    """Return why a browser cannot load a thumbnail that the server has made or found a record of."""
    message = f"the server has made the thumbnail, but a browser cannot load it: {error}"
    if error.status not in (403, 404):
        return wrong("source", message, "See public_url.")
    try:
        missing = get_thumbnail_storage().find(name, {}) is None
    except ShrinkmeisterError:
        return wrong(
            "source", message, f"See public_url. If that is ok, the thumbnail is missing. {LOST_HINT}"
        )
    if not missing:
        return wrong("source", message, "See public_url.")
    message = (
        f"a record names the thumbnail, but it is missing in its storage: the answer is {error.status}"
    )
    return wrong("source", message, LOST_HINT)
