"""The doctor tries the storage of thumbnails: the server stores a probe, and the site loads it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from django.core.files.storage import FileSystemStorage

from shrinkmeister.conf import Config, SettingError
from shrinkmeister.conf.credentials import described
from shrinkmeister.doctor.findings import Finding, ok, skipped, wrong
from shrinkmeister.doctor.http import Unreachable, is_private, load_image
from shrinkmeister.doctor.messages import PROBE, PROBE_TYPE, REMOVE, Answer, Question, probe_name
from shrinkmeister.doctor.reach import answer_in, ask
from shrinkmeister.exceptions import ShrinkmeisterError, TokenError
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import lasting
from shrinkmeister.storage.buckets import is_s3, open_thumbnail_storage

BUCKET_HINT = (
    "Create the bucket THUMBNAIL_BUCKET, and give the server's account s3:GetObject, s3:PutObject, "
    "s3:DeleteObject and s3:ListBucket on it. Ceph wants s3:DeleteObject on the bucket itself, too, and "
    "not only on its objects. Correct STORAGES, AWS_S3_ENDPOINT_URL, AWS_S3_REGION_NAME and "
    "AWS_S3_CUSTOM_DOMAIN of the server. `prune --older-than` deletes a probe that is left."
)
NETWORK_HINT = (
    "The server does not reach the storage. Correct AWS_S3_ENDPOINT_URL (scheme, host and port) or "
    "AWS_S3_REGION_NAME, or STORAGES of the server. Then check DNS, firewall and proxy, and in a VPC the "
    "gateway endpoint for S3 or the NAT. The bucket and its rights can be examined only after that."
)
FOLDER_HINT = (
    "The user that runs the server has to be able to write, read and delete in the folder of the "
    "thumbnails, which is `location` in STORAGES of the server, or else MEDIA_ROOT. Correct owner and "
    "rights. With systemd, list the folder in ReadWritePaths; in a container, mount it writable. Its "
    "disk must not be full, and `base_url` there has to be a whole URL. `prune --older-than` deletes a "
    "probe that is left."
)
STORAGE_HINT = (
    "Correct STORAGES of the server. Its account has to be able to write, read, list and delete there. "
    "`prune --older-than` deletes a probe that is left."
)
# In the name or text of an error that a library raises without an answer of the storage.
NETWORK = re.compile(r"connect|time.?out|timed out|SSL|proxy|resol|HTTPClientError|ServiceRequest", re.I)
PUBLIC_HINT = (
    "Let everyone read the objects of the bucket (s3:GetObject, and no block of public access), or set "
    "AWS_QUERYSTRING_AUTH=true on the server for signed URLs. Correct AWS_S3_CUSTOM_DOMAIN, "
    "AWS_S3_ENDPOINT_URL or base_url in STORAGES of the server, and the type that this address sends."
)
PUBLIC_FOLDER_HINT = (
    "Let a web server serve the folder of the thumbnails (MEDIA_ROOT) at this address: a site's static() "
    "and runserver do that only with DEBUG on. Or correct base_url in STORAGES of the server, or the type "
    "that this address sends."
)
PUBLIC_STORAGE_HINT = (
    "Let everyone read the files of this storage, or let it sign URLs. Correct STORAGES of the server, and "
    "the type that this address sends."
)
SIGNED_HINT = (
    "Correct STORAGES or the AWS_S3 settings of the site: keys of an account with s3:GetObject; "
    "region_name, for which boto3 otherwise takes us-east-1; an endpoint_url that browsers reach; "
    "signature_version 's3v4'. Set the site's clock by NTP."
)
PLACE_HINT = (
    "Set THUMBNAIL_BUCKET, THUMBNAIL_PREFIX and STORAGES to the same bucket or folder on both sides. For a "
    "folder of the site's machine, that is MEDIA_ROOT and `location`. The site's "
    "delete(), prune and signed URLs need it."
)


@dataclass(frozen=True)
class Hints:
    """What to change for one kind of storage."""

    store: str  # if the server cannot use it
    load: str  # if browsers cannot load its files


ON_S3 = Hints(BUCKET_HINT, PUBLIC_HINT)
IN_FOLDER = Hints(FOLDER_HINT, PUBLIC_FOLDER_HINT)
ELSEWHERE = Hints(STORAGE_HINT, PUBLIC_STORAGE_HINT)


def hints_for(bucket: str | None) -> Hints:
    """Return the hints for the server's THUMBNAIL_BUCKET, or without one for the storage of both sides."""
    try:
        storage = None if bucket else open_thumbnail_storage()
    except SettingError:
        return ELSEWHERE
    if bucket or is_s3(storage):
        return ON_S3
    return IN_FOLDER if isinstance(storage, FileSystemStorage) else ELSEWHERE


def examine_bucket(config: Config, question: Question, answer: Answer, timeout: float) -> Iterator[Finding]:
    name, url, site = probe_name(question.nonce, config.prefix), answer.bucket_url, None
    urls = list(skipped(["public_url", "signed_url"], "bucket"))
    bucket = answer.facts["settings"].get("THUMBNAIL_BUCKET")
    hints = hints_for(bucket)
    place = f"the bucket {bucket!r}" if bucket else "the storage of thumbnails"
    try:
        if url:
            urls = [_loaded("public_url", url, timeout, hints.load), signed_url(name, url, timeout)]
            site = _seen_by_site(name, place)
    finally:
        error = _remove(config, question, timeout)
    if error := answer.bucket_error or error:
        # The reason follows the names, which could contain the same words.
        is_network = hints is ON_S3 and NETWORK.search(error.rpartition("): ")[2])
        hint = NETWORK_HINT if is_network else hints.store
        yield wrong("bucket", f"the server cannot {error}", hint)
    if site:
        yield site
    elif not error:
        yield ok("bucket", f"the server stores, finds and deletes a probe in {place}")
    yield from urls


def _remove(config: Config, question: Question, timeout: float) -> str | None:
    """Have the server delete the probe. Return what it cannot do, if anything."""
    removal = replace(question, ask=REMOVE)
    try:
        return answer_in(ask(removal, config, timeout)[0], removal).bucket_error
    except (Unreachable, TokenError) as error:
        return f"delete the probe: {error}"


def _seen_by_site(name: str, place: str) -> Finding | None:
    """Return a finding unless the site sees the probe, too."""
    try:
        seen = get_thumbnail_storage().find(name, {})
    except ShrinkmeisterError as error:
        hint = f"The site needs access only for delete(), prune and signed URLs: {described(error)}"
        return ok("bucket", f"the server stores and finds a probe in {place}; the site has no access", hint)
    if seen:
        return None
    message = "the site does not find the probe of the server in its own storage of thumbnails"
    return wrong("bucket", message, PLACE_HINT)


def _loaded(id: str, url: str, timeout: float, hint: str, by: str = "") -> Finding:
    """Return whether a browser loads the probe. The finding shows the URL without its signature."""
    shown = f"{url.partition('?')[0]}{by}"
    try:
        response = load_image(url, timeout, PROBE_TYPE, PROBE)
    except Unreachable as error:
        return wrong(id, f"a browser cannot load {shown}: {error}", hint)
    return ok(id, f"a browser loads {shown} in {response.milliseconds:,} ms")


def signed_url(name: str, server_url: str, timeout: float) -> Finding:
    """Return whether a browser loads the probe by a URL that the site has signed.

    Each side has its own keys, region and clock, so the server's signature may work where the site's fails.
    """
    if lasting(server_url):
        return ok("signed_url", "URLs of thumbnails need no signature")
    lazy = "Its pages stay lazy, with one more redirect for each thumbnail."
    try:
        url = get_thumbnail_storage().url(name)
    except ShrinkmeisterError as error:
        return ok("signed_url", f"the site cannot sign URLs: {error}", lazy)
    if lasting(url):
        hint = f"{lazy} To sign, set AWS_QUERYSTRING_AUTH, or querystring_auth in STORAGES, of the site."
        return ok("signed_url", "the server signs URLs, the site does not", hint)
    host, server_host = urlsplit(url).hostname or "", urlsplit(server_url).hostname or ""
    if host != server_host and is_private(host) and not is_private(server_host):
        message = f"the site signs URLs of the private address {host}, the server those of {server_host}"
        return wrong("signed_url", message, SIGNED_HINT)
    return _loaded("signed_url", url, timeout, SIGNED_HINT, ", signed by the site,")
