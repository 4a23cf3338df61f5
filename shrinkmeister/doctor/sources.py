"""The doctor asks the server for sources: a missing file of each image field, and the one of --source."""

from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO
from urllib.parse import urljoin

from django.core.exceptions import ImproperlyConfigured
from django.core.files.images import get_image_dimensions

from shrinkmeister.backend import spec_of
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import Config, lazy_url
from shrinkmeister.doctor.client import UNREACHABLE_HINTS, server_error
from shrinkmeister.doctor.findings import UNKNOWN, Finding, ok, wrong
from shrinkmeister.doctor.http import NotLoaded, Unreachable, get, load_image
from shrinkmeister.error_policy import LOG_HINT, hint_of
from shrinkmeister.exceptions import ShrinkmeisterError, SourceNotAllowedError
from shrinkmeister.protocol.spec import CONTENT_TYPES, Source
from shrinkmeister.sources import FieldStorage, field_storages, is_elsewhere, place_of

GEOMETRY = "300x300"
# What to change if the server cannot read the files of a field, by its status and the kind of storage.
FIELD_HINTS = {
    403: {
        "s3": "List {entry} in THUMBNAIL_SOURCES of the server.",
        "storage": "Add the alias to STORAGES of the server, and {entry} to its THUMBNAIL_SOURCES.",
        "elsewhere": "This storage has another S3 endpoint or account than the storage THUMBNAIL_STORAGE. "
        "Add the alias with its OPTIONS to STORAGES of the server, and {entry} to its THUMBNAIL_SOURCES. "
        "If the server itself uses that endpoint and account, set THUMBNAIL_STORAGE of the site to it.",
    },
    502: {
        "s3": "Set AWS_S3_ENDPOINT_URL of the server to the bucket's endpoint, and give its account "
        "s3:GetObject and s3:ListBucket. A bucket elsewhere needs its own alias in STORAGES of both sides.",
        "storage": "Add the alias to STORAGES of the server, and let the server read there.",
        "elsewhere": "Add the alias to STORAGES of the server, with the endpoint, and with keys of an "
        "account that has s3:GetObject and s3:ListBucket on the bucket.",
    },
}


def examine_fields(config: Config, nonce: str, timeout: float) -> Iterator[Finding]:
    """Return whether the server reads the files of each image field.

    nonce  part of a file name that does not exist
    """
    places: list[str] = []
    failed = False
    for one in field_storages():
        try:
            missing = place_of(one.storage, f"{one.folder or ''}shrinkmeister-doctor-{nonce}.jpg")
        except (SourceNotAllowedError, ImproperlyConfigured) as error:
            failed = True
            yield wrong(
                "sources", f"{one.field}: {error}", "Correct its storage in STORAGES of both sides."
            )
            continue
        place = str(missing).rpartition("/")[0]
        if place not in places:
            places.append(place)
            if finding := _examine_field(one, missing, place, config, timeout):
                failed = True
                yield finding
    if not failed:
        listed = f"the server reads the files of image fields, in {', '.join(places)}"
        none = "no model of the site has an ImageField; --source examines a file"
        yield ok("sources", listed if places else none)


def _examine_field(
    of: FieldStorage, missing: Source, place: str, config: Config, timeout: float
) -> Finding | None:
    """Ask for a missing file. The server answers 404 if it may and can read there: return None then."""
    spec = spec_of(missing, "1x1", {}, config)
    try:
        response = get(lazy_url(spec, config), timeout, Accept="application/json")
    except Unreachable as error:
        return Finding(
            "sources", UNKNOWN, f"{of.field}, in {place}: {error}", UNREACHABLE_HINTS[error.reason]
        )
    sentence = server_error(response)
    if response.status == 404 and sentence:
        return None
    if response.status == 403 and of.folder is None:
        message = f"{of.field} has a callable upload_to, and the server may not read all of {place}"
        return Finding("sources", UNKNOWN, message, "Name one of its files with --source.")
    kind = "elsewhere" if is_elsewhere(of.storage) else missing.scheme
    hint = FIELD_HINTS.get(response.status, {}).get(kind, LOG_HINT)
    message = f"the server cannot read the files of {of.field} in {place}"
    return wrong(
        "sources",
        f"{message}: {response.status} {sentence}".rstrip(),
        hint.format(entry=repr(f"{missing.scheme}://{missing.container}")),
    )


def examine_source(source: Source, config: Config, timeout: float) -> Finding:
    """Return whether a thumbnail comes by its lazy URL, as a page asks for it and a browser loads it."""
    try:
        spec = spec_of(source, GEOMETRY, {}, config)
        # A browser's choice of formats, and errors as JSON.
        accept = "image/*, application/json;q=0.9"
        made = get(lazy_url(spec, config), timeout, Accept=accept)
    except ShrinkmeisterError as error:
        return wrong("source", f"{source} has no lazy URL: {error}", "Name another source.")
    except Unreachable as error:
        return wrong("source", f"no thumbnail of {source}: {error}", UNREACHABLE_HINTS[error.reason])
    if made.status != 302:
        message = f"the server makes no thumbnail of {source}: {made.status} {server_error(made)}".rstrip()
        return wrong("source", message, hint_of(made.json().get("code")))
    target = urljoin(made.url, str(made.headers.get("Location", "")))
    try:
        image = load_image(target, timeout, CONTENT_TYPES[spec.format])
    except NotLoaded as error:
        message = f"the server has made the thumbnail, but a browser cannot load it: {error}"
        return wrong("source", message, "See public_url.")
    record = get_shared_cache().lookups.look_up(spec).thumbnail
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
