"""The doctor asks the server for a missing file in the storage of each image field.

A server that may look there, and can, answers 404. The request is one of a page, and needs no image.
"""

from collections.abc import Iterator

from shrinkmeister.backend import spec_of
from shrinkmeister.conf import Config, SettingError, lazy_url
from shrinkmeister.doctor.client import UNREACHABLE, is_ours, json_object
from shrinkmeister.doctor.findings import UNKNOWN, Finding, well, wrong
from shrinkmeister.doctor.http import Unreachable, get
from shrinkmeister.exceptions import SourceNotAllowedError
from shrinkmeister.protocol.spec import Source
from shrinkmeister.sources import is_elsewhere, place_of
from shrinkmeister.storage.image_fields import FieldStorage, field_storages

ID = "sources"
# What to change, by the kind of the storage and the server's status.
HINTS = {
    ("s3", 403): "List {entry} in THUMBNAIL_SOURCES of the server.",
    ("storage", 403): "Add the alias to STORAGES of the server, and {entry} to its THUMBNAIL_SOURCES.",
    (
        "elsewhere",
        403,
    ): "This S3 storage has another endpoint or account than the storage THUMBNAIL_STORAGE. "
    "Add the alias with its OPTIONS to STORAGES of the server, and {entry} to its THUMBNAIL_SOURCES. If "
    "its own endpoint and account are those of this alias, set THUMBNAIL_STORAGE of the site to it.",
    (
        "s3",
        502,
    ): "The server needs the AWS_S3_ENDPOINT_URL of that bucket, and its account s3:GetObject and "
    "s3:ListBucket on it. A bucket elsewhere needs an alias of its own in STORAGES of both sides.",
    ("storage", 502): "STORAGES of the server needs that alias, and the server the right to read there.",
    (
        "elsewhere",
        502,
    ): "STORAGES of the server needs that alias, with the endpoint and with keys of an account "
    "that has s3:GetObject and s3:ListBucket on the bucket.",
}


def examine_fields(config: Config, nonce: str, timeout: float) -> Iterator[Finding]:
    """Return what is wrong with the places of image fields, or one finding that nothing is.

    nonce    makes a name that no file has
    timeout  seconds for each answer
    """
    asked: list[str] = []
    failed = False
    for one in field_storages():
        try:
            missing = place_of(one.storage, f"{one.folder or ''}shrinkmeister-doctor-{nonce}.jpg")
        except (SourceNotAllowedError, SettingError) as error:
            failed = True
            yield wrong(ID, f"{one.field}: {error}", "Correct its storage in STORAGES of both sides.")
            continue
        place = str(missing).rpartition("/")[0]
        if place in asked:
            continue
        asked.append(place)
        if finding := _examine_place(missing, place, one, config, timeout):
            failed = True
            yield finding
    if not failed:
        yield well(
            ID,
            f"the server reads the files of image fields, in {', '.join(asked)}"
            if asked
            else "no model of the site has an ImageField; --source examines a file",
        )


def _examine_place(
    missing: Source, place: str, of: FieldStorage, config: Config, timeout: float
) -> Finding | None:
    """Return None where the server reads files of a place."""
    spec = spec_of(missing, "1x1", {}, config)
    try:
        reply = get(lazy_url(spec, config), timeout, Accept="application/json")
    except Unreachable as error:
        return Finding(ID, UNKNOWN, f"{of.field}, in {place}: {error}", UNREACHABLE[error.reason])
    if reply.status == 404 and is_ours(reply):
        return None
    if reply.status == 403 and of.folder is None:
        return Finding(
            ID,
            UNKNOWN,
            f"{of.field} has a callable upload_to, and the server does not read all of {place}",
            "Name one of its files with --source.",
        )
    kind = "elsewhere" if is_elsewhere(of.storage) else missing.scheme
    sentence = json_object(reply).get("error", "it does not say why")
    return wrong(
        ID,
        f"the server does not read files of {of.field}, in {place} ({reply.status}): {sentence}",
        HINTS.get((kind, reply.status), "The server's log says more.").format(
            entry=repr(f"{missing.scheme}://{missing.container}")
        ),
    )
