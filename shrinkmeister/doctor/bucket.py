"""The doctor tries the storage of thumbnails: the server stores a probe, and the site loads it."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from shrinkmeister.conf import Config
from shrinkmeister.conf.credentials import described
from shrinkmeister.doctor.findings import Finding, ok, skipped, wrong
from shrinkmeister.doctor.http import NotLoaded, Response, Unreachable, load_image
from shrinkmeister.doctor.messages import PROBE, PROBE_TYPE, REMOVE, Answer, Question, probe_name
from shrinkmeister.doctor.reach import answer_in, ask
from shrinkmeister.exceptions import ShrinkmeisterError, TokenError
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import lasting

# The clocks of the site and the storage may differ by this much.
CLOCK_SECONDS = 60
CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,80})</Code>")
REGION = re.compile(rb"<Region>([a-z0-9-]{1,40})</Region>")

# What to change if the server cannot use the storage, by the step that failed.
BUCKET_HINTS = {
    # Without s3:ListBucket, S3 answers 403 instead of 404 for a missing object.
    "look": "Give the server's account s3:GetObject and s3:ListBucket on the bucket. Correct "
    "AWS_S3_ENDPOINT_URL and AWS_S3_REGION_NAME of the server.",
    "store": "Create the bucket THUMBNAIL_BUCKET, and give the server's account s3:PutObject on it. Let "
    "the server write to the folder of a file storage.",
    "find": "Give the server's account s3:GetObject on the bucket. It has to show new files at once.",
    "address": "Correct STORAGES or AWS_S3_CUSTOM_DOMAIN of the server, which make the URLs of thumbnails.",
    "remove": "Give the server's account s3:DeleteObject on the bucket. Run `shrinkmeister prune "
    "--older-than` to delete the probe that is left.",
}
# What to change on the server if a browser cannot load what it has stored.
PUBLIC_HINTS = {
    "address": "Correct AWS_S3_CUSTOM_DOMAIN, AWS_S3_ENDPOINT_URL or base_url in STORAGES of the server, "
    "or what answers there.",
    "private": "Let everyone read the objects of the bucket (s3:GetObject, and no block of public access), "
    "or set AWS_QUERYSTRING_AUTH=true on the server for signed URLs.",
    "signature": "Correct keys, region, clock or AWS_S3_CUSTOM_DOMAIN of the server.",
    "type": "Let that address send the type of the image: browsers show nothing else under nosniff.",
}
# What to change on the site if a browser cannot load what it has signed.
SIGNED_HINTS = {
    "version": "Set AWS_S3_SIGNATURE_VERSION = 's3v4' on the site, or remove its choice from STORAGES. "
    "Buckets since 2020 and many other stores refuse version 2.",
    "clock": "Set the site's clock by NTP: the storage has another time.",
    "endpoint": "Set AWS_S3_ENDPOINT_URL, or endpoint_url in STORAGES, of the site to an address that "
    "browsers reach.",
    "region": "Set AWS_S3_REGION_NAME, or region_name in STORAGES, of the site to the bucket's region. "
    "boto3 signs for us-east-1 otherwise.",
    "keys": "Give the site keys of an account with s3:GetObject on the bucket: in STORAGES, in "
    "AWS_S3_ACCESS_KEY_ID and AWS_S3_SECRET_ACCESS_KEY, or in the environment.",
    "place": "Set THUMBNAIL_BUCKET, THUMBNAIL_PREFIX and STORAGES to the same bucket on both sides.",
}
REGION_CODES = {
    *("AuthorizationHeaderMalformed", "AuthorizationQueryParametersError", "PermanentRedirect"),
    *("TemporaryRedirect", "IllegalLocationConstraintException"),
}


def examine_bucket(config: Config, question: Question, answer: Answer, timeout: float) -> Iterator[Finding]:
    name, url = probe_name(question.nonce, config.prefix), answer.bucket_url
    step, error, site = answer.bucket_failed, answer.bucket_error, None
    urls = list(skipped(["public_url", "signed_url"], "bucket"))
    bucket = answer.settings.get("THUMBNAIL_BUCKET")
    place = f"the bucket {bucket!r}" if bucket else "the storage of thumbnails"
    try:
        if url:
            urls = [public_url(url, timeout), signed_url(name, url, timeout)]
            site = _seen_by_site(name, place)
    finally:
        if step not in ("look", "store") and (kept := _remove(config, question, timeout)) and not step:
            step, error = "remove", kept
    if step:
        hint = BUCKET_HINTS.get(step, "")
        yield wrong("bucket", f"the server cannot use the storage of thumbnails: {error}", hint)
    if site:
        yield site
    elif not step:
        yield ok("bucket", f"the server stores, finds and deletes a probe in {place}")
    yield from urls


def _remove(config: Config, question: Question, timeout: float) -> str | None:
    """Have the server delete the probe. Return the error, if any."""
    removal = replace(question, ask=REMOVE)
    try:
        return answer_in(ask(removal, config, timeout)[0], removal).bucket_error
    except (Unreachable, TokenError) as error:
        return f"the probe may not be deleted: {error}"


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
    hint = f"{SIGNED_HINTS['place']} The site's delete(), prune and signed URLs need it."
    return wrong("bucket", message, hint)


def public_url(url: str, timeout: float) -> Finding:
    """Return whether a browser loads the probe by the server's URL."""
    shown = url.partition("?")[0]  # without a signature
    try:
        response = load_image(url, timeout, PROBE_TYPE, PROBE)
    except NotLoaded as error:
        hint = "address"
        if error.response and error.response.status in (401, 403):
            hint = "signature" if "?" in url else "private"
        elif error.response and error.response.body == PROBE:
            hint = "type"
        return wrong("public_url", f"a browser cannot load {shown}: {error}", PUBLIC_HINTS[hint])
    return ok("public_url", f"a browser loads {shown} in {response.milliseconds:,} ms")


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
    shown = f"{url.partition('?')[0]}, signed by the site"
    try:
        response = load_image(url, timeout, PROBE_TYPE, PROBE)
    except NotLoaded as error:
        code, hint = _refusal(url, error.response)
        return wrong("signed_url", f"a browser cannot load {shown}: {error} {code}".rstrip(), hint)
    host, server_host = urlsplit(url).hostname or "", urlsplit(server_url).hostname or ""
    if host != server_host and _is_private(host) and not _is_private(server_host):
        message = f"the site signs URLs of the private address {host}, the server those of {server_host}"
        return wrong("signed_url", message, SIGNED_HINTS["endpoint"])
    return ok("signed_url", f"a browser loads {shown}, in {response.milliseconds:,} ms")


def _refusal(url: str, response: Response | None) -> tuple[str, str]:
    """Return the storage's error code, or "", and what to change."""
    if response is None:
        return "", SIGNED_HINTS["endpoint"]
    found, region = CODE.search(response.body), REGION.search(response.body)
    code = found[1].decode() if found else ""
    skewed = response.date is not None and abs(response.date - response.sent) > CLOCK_SECONDS
    if "AWSAccessKeyId=" in url:
        hint = "version"
    elif code in REGION_CODES:
        bucket = f" The bucket is in {region[1].decode()}." if region else ""
        return code, SIGNED_HINTS["region"] + bucket
    elif code == "RequestTimeTooSkewed" or skewed:
        hint = "clock"
    elif response.status == 404:
        hint = "place"
    else:
        hint = "keys" if response.status in (400, 401, 403) else "endpoint"
    return code, SIGNED_HINTS[hint]


def _is_private(host: str) -> bool:
    """Return whether all addresses of a host are private, so that browsers elsewhere do not reach it."""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return not any(ip_address(str(address[0]).partition("%")[0]).is_global for *_, address in found)
