"""Values of a stage that the server accepts, but that cannot work on AWS, or may not.

The checks look only at the text: they resolve no name, and do not ask AWS.
"""

import json
import re
import socket
from collections.abc import Iterator
from difflib import get_close_matches
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from shrinkmeister.environment import as_names

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET = re.compile(r"(?!.*\.\.)(?![0-9.]+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
RULES = "in S3 a name has 3 to 63 lower-case letters, digits, '-' and '.'"
REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]+", re.ASCII)
# https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Endpoints.html
ELASTICACHE = re.compile(r".*\.(cache|memorydb\..*)\.amazonaws\.com(\.cn)?", re.ASCII)
# https://www.rfc-editor.org/rfc/rfc2606, and the names in zappa_settings.json.example.
RESERVED = re.compile(r"(.*\.)?(example(\.com|\.org|\.net)?|invalid|test)", re.ASCII)
PLACEHOLDERS = {"my-thumbnails", "my-photos", "my-thumbnails-deployments"}


def impossible(stage: dict[str, Any], variables: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each value that can never work."""
    yield from _region(str(stage.get("aws_region", "us-east-1")))
    if not variables.get("AWS_S3_ENDPOINT_URL"):
        if (bucket := variables.get("THUMBNAIL_BUCKET")) and not BUCKET.fullmatch(bucket):
            yield f"The bucket is {bucket!r}; {RULES}."
        for name in _source_buckets(variables):
            if not BUCKET.fullmatch(name):
                yield f"THUMBNAIL_SOURCES contains the bucket {name!r}; {RULES}."
    for source in as_names(variables.get("THUMBNAIL_SOURCES", "")):
        if source.endswith("*"):
            yield f"THUMBNAIL_SOURCES contains {source!r}. Remove the *: a folder includes its contents."
    for host in _cache_hosts(variables):
        if problem := _cache(host, bool(stage.get("vpc_config", {}).get("SubnetIds"))):
            yield f"The shared cache is at {host!r}, {problem}."


def doubtful(stage: dict[str, Any], variables: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each value that may not work."""
    network = bool(stage.get("vpc_config", {}).get("SubnetIds"))
    buckets = {variables.get("THUMBNAIL_BUCKET", ""), *_source_buckets(variables)}
    deployments = str(stage.get("s3_bucket", ""))
    if deployments in buckets:
        yield f"s3_bucket is {deployments!r}, which contains images. Zappa needs a bucket of its own."
    for bucket in sorted(PLACEHOLDERS & {*buckets, deployments}):
        yield f"The bucket {bucket!r} is that of the example. Check that it is yours."
    thumbnails = variables.get("THUMBNAIL_BUCKET", "")
    if "." in thumbnails and not variables.get("AWS_S3_CUSTOM_DOMAIN"):
        yield (
            f"The bucket is {thumbnails!r}. S3's certificate does not cover names with a dot, and browsers "
            f"refuse its URLs. Set AWS_S3_CUSTOM_DOMAIN."
        )
    for host in _cache_hosts(variables):
        if RESERVED.fullmatch(host):
            yield f"The shared cache is at {host!r}, a name that is reserved for examples."
        elif ELASTICACHE.fullmatch(host) and "cfg" in host.split("."):
            yield (
                f"The shared cache is at {host!r}, a configuration endpoint of Memcached. Its nodes are "
                f"not discovered: give the address of each node."
            )
        elif not network and _address(host) is None and ("." not in host or host.endswith(".internal")):
            yield f"The shared cache is at {host!r}, a name in a private network. Give its subnets."
    if "*" in as_names(variables.get("ALLOWED_HOST", "")):
        yield "ALLOWED_HOST is '*': the server answers requests for every host name."


def _region(region: str) -> Iterator[str]:
    if not REGION.fullmatch(region):
        yield f"The region is {region!r}, which is not an AWS region such as eu-central-1."
        return
    from botocore import __version__
    from botocore.session import Session

    session = Session()
    known = [
        one
        for partition in session.get_available_partitions()
        for one in session.get_available_regions("lambda", partition)
    ]
    if region not in known:
        near = get_close_matches(region, known, 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        yield (
            f"The region is {region!r}, which botocore {__version__} does not know.{meant} If it is newer, "
            f"run `pip install --upgrade boto3`."
        )


def _cache(host: str, network: bool) -> str | None:
    """Return why a function cannot use a cache at this host, or None."""
    labels = host.split(".")
    address = _address(host)
    if host.startswith("/"):
        return "a socket, but a function runs no cache of its own"
    if host == "localhost" or host.endswith(".localhost"):
        return "which on Lambda is the function itself"
    if address and (address.is_loopback or address.is_unspecified or address.is_link_local):
        return "which on Lambda is the function itself"
    if address and not address.is_global and not network:
        return "a private address. Give the subnets and security groups of its network"
    if not ELASTICACHE.fullmatch(host):
        return None
    if "serverless" in labels or "clustercfg" in labels or "memorydb" in labels:
        return "a cluster, which cannot be the shared cache. Use a cache with cluster mode disabled"
    if labels[0] == "replica" or labels[0].endswith("-ro"):
        return "a reader endpoint, which accepts no writes. Use the primary endpoint"
    if not network:
        return "which only its own network can reach. Give its subnets and security groups"
    return None


def _address(host: str) -> Any:
    """Return the host as an IP address, such as 127.0.0.1 or 127.1; None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        try:
            return ip_address(socket.inet_aton(host)) if re.fullmatch(r"[0-9.]+", host) else None
        except OSError:
            return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _cache_hosts(variables: dict[str, str]) -> list[str]:
    """Return the hosts of the shared cache, in lower case, or paths of sockets; without passwords."""
    hosts = []
    for location in _cache_locations(variables):
        # The password in a URL may contain the separators.
        separator = r"[\s,;]+(?=[a-z]+://)" if "://" in location else r"[\s,;]+"
        for one in re.split(separator, location):
            try:
                parts = urlsplit(one if "://" in one or one.startswith("unix:") else f"//{one}")
                host = parts.hostname
            except ValueError:  # the server's own check reports wrong addresses
                continue
            if parts.scheme in ("unix", "file") or one.startswith("/"):
                hosts.append("/" + parts.path.lstrip("/") if parts.scheme else one)
            elif host:
                hosts.append(host.rstrip("."))
    return hosts


def _cache_locations(variables: dict[str, str]) -> Iterator[str]:
    if variables.get("THUMBNAIL_CACHE_BACKEND", "redis") in ("redis", "memcached"):
        yield variables.get("THUMBNAIL_CACHE_LOCATION", "")
    try:
        cache = json.loads(variables.get("CACHES") or "{}").get(variables.get("THUMBNAIL_CACHE_NAME"), {})
        location = cache.get("LOCATION", "")
    except (ValueError, AttributeError):  # the server's own check reports wrong CACHES
        return
    if str(cache.get("BACKEND", "")).rpartition(".")[2].startswith(("Redis", "PyMemcache", "PyLibMC")):
        yield " ".join(map(str, location)) if isinstance(location, list) else str(location)


def _source_buckets(variables: dict[str, str]) -> list[str]:
    sources = as_names(variables.get("THUMBNAIL_SOURCES", ""))
    return [one.removeprefix("s3://").partition("/")[0] for one in sources if one.startswith("s3://")]
