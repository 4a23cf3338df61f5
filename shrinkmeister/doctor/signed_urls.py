"""The doctor loads a URL that the site has signed, as a browser does, and says why that fails.

The server's own URL may work where the site's does not: each side has its own keys, region and clock.
"""

import re
import socket
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.doctor.findings import Finding, well, wrong
from shrinkmeister.doctor.http import Reply, Unreachable, get
from shrinkmeister.doctor.messages import PROBE
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import lasting

ID = "signed_url"
# What a URL may be older or newer than the answer of the storage says.
CLOCK_SECONDS = 60
CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,80})</Code>")
REGION = re.compile(rb"<Region>([a-z0-9-]{1,40})</Region>")

VERSION_HINT = (
    "The site signs with version 2, which buckets created since 2020 and many other stores refuse. Set "
    "AWS_S3_SIGNATURE_VERSION = 's3v4' on the site, or take its own choice away from STORAGES."
)
CLOCK_HINT = "Set the clock of the site by NTP: it signs for another time than the storage has."
ENDPOINT_HINT = (
    "AWS_S3_ENDPOINT_URL, or endpoint_url in STORAGES, of the site has to be the address at which browsers "
    "reach the bucket."
)
REGION_HINT = (
    "Set AWS_S3_REGION_NAME, or region_name in STORAGES, of the site to the region of the bucket. Without "
    "it boto3 signs for us-east-1."
)
KEYS_HINT = (
    "Give the site keys that the storage knows, of an account with s3:GetObject on the bucket: in "
    "STORAGES, by AWS_S3_ACCESS_KEY_ID and AWS_S3_SECRET_ACCESS_KEY, or by the environment."
)
PLACE_HINT = "Have THUMBNAIL_BUCKET, THUMBNAIL_PREFIX and STORAGES name the same bucket on both sides."
# What to change on the site, by the error code of the storage.
HINTS = {
    "AuthorizationHeaderMalformed": REGION_HINT,
    "AuthorizationQueryParametersError": REGION_HINT,
    "IllegalLocationConstraintException": REGION_HINT,
    "PermanentRedirect": REGION_HINT,
    "TemporaryRedirect": REGION_HINT,
    "RequestTimeTooSkewed": CLOCK_HINT,
    "NoSuchBucket": PLACE_HINT,
    "NoSuchKey": PLACE_HINT,
}


def load_signed(name: str, server_url: str, timeout: float) -> Finding:
    """Return what became of a stored probe whose URL the site makes.

    server_url  the probe's URL as the server made it
    timeout     seconds
    """
    if lasting(server_url):
        return well(ID, "URLs of thumbnails have no signature: pages take them from the records")
    lazy = "Its pages stay lazy: each thumbnail takes one redirect of the server more."
    try:
        url = get_thumbnail_storage().url(name)
    except (ShrinkmeisterError, ImproperlyConfigured) as error:
        return well(ID, f"the site cannot sign URLs: {error}", lazy)
    if lasting(url):
        return well(
            ID,
            "the site signs no URLs, and the server does",
            f"{lazy} AWS_QUERYSTRING_AUTH, or querystring_auth in STORAGES, of the site changes that.",
        )
    shown = url.partition("?")[0]
    try:
        reply = get(url, timeout, redirects=True)
    except Unreachable as error:
        return wrong(
            ID, f"a browser cannot load {shown}, which the site has signed: {error}", ENDPOINT_HINT
        )
    if (reply.status, reply.body) != (200, PROBE):
        code = _code(reply)
        said = f"{reply.status} {code}".strip()
        message = f"a browser cannot load {shown}, which the site has signed ({said})"
        return wrong(ID, message, _hint(reply, code, url))
    host, servers = urlsplit(url).hostname or "", urlsplit(server_url).hostname or ""
    if host != servers and _is_inside(host) and not _is_inside(servers):
        return wrong(
            ID,
            f"the site signs URLs of {host}, an address inside your network, and the server those of "
            f"{servers}",
            ENDPOINT_HINT,
        )
    return well(ID, f"a browser loads {shown}, which the site has signed, in {reply.milliseconds:,} ms")


def _hint(reply: Reply, code: str, url: str) -> str:
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    if "AWSAccessKeyId" in query:
        return VERSION_HINT
    region = REGION.search(reply.body)
    wanted = region[1].decode() if region else str(reply.headers.get("x-amz-bucket-region", ""))
    scope = query.get("X-Amz-Credential", "").split("/")
    if wanted and re.fullmatch(r"[a-z0-9-]{1,40}", wanted) and len(scope) > 2 and scope[2] != wanted:
        return f"{REGION_HINT} The bucket is in {wanted}."
    if code in HINTS:
        return HINTS[code]
    signed_at = _signed_at(query)
    if signed_at and reply.date is not None and abs(reply.date - signed_at) > CLOCK_SECONDS:
        return CLOCK_HINT
    if reply.status == 404:
        return PLACE_HINT
    return KEYS_HINT if reply.status in (400, 401, 403) else ENDPOINT_HINT


def _code(reply: Reply) -> str:
    """Return the error code of S3, "" where something else has answered."""
    found = CODE.search(reply.body)
    return found[1].decode() if found else ""


def _signed_at(query: dict[str, str]) -> float | None:
    """Return the Unix time for which a URL is signed with version 4."""
    try:
        moment = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    except (KeyError, ValueError):
        return None
    return moment.replace(tzinfo=UTC).timestamp()


def _is_inside(host: str) -> bool:
    """Return whether all addresses of a host are private, so that browsers elsewhere do not reach it."""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return not any(ip_address(str(address[0]).partition("%")[0]).is_global for *_, address in found)
