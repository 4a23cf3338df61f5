"""Checks of a stage: values that cannot work on AWS, or may not, and those that the server refuses.

Those for AWS look only at the text: they resolve no name, and do not ask AWS.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

import botocore
from botocore.session import Session

from shrinkmeister.conf.secret_strength import MIN_LENGTH, weakness
from shrinkmeister.environment import as_names
from shrinkmeister_server.deployment.stage import StageError, region_of, variables_of

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET = re.compile(r"(?!.*\.\.)(?![0-9.]+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
RULES = "in S3 a name has 3 to 63 lower-case letters, digits, '-' and '.'"
# https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Endpoints.html
ELASTICACHE = re.compile(r".*\.(cache|memorydb\..*)\.amazonaws\.com(\.cn)?", re.ASCII)


def check(stage: dict[str, Any]) -> None:
    """Check a stage for AWS, and its variables as the server does. Raises StageError with all problems."""
    if problems := list(impossible(stage)):
        raise StageError("\n".join(problems))
    done = subprocess.run(
        [sys.executable, "-m", "shrinkmeister_server", "check", "--fail-level", "WARNING"],
        # The server and the user's own drivers are found as here.
        env={
            **{variable: os.environ.get(variable, "") for variable in ("PATH", "PYTHONPATH")},
            "AWS_DEFAULT_REGION": region_of(stage),
            # On Lambda the server starts without ALLOWED_HOST.
            "AWS_LAMBDA_FUNCTION_NAME": "shrinkmeister",
            **_without_weak_fallbacks(variables_of(stage)),
        },
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise StageError(done.stderr.strip())


def _without_weak_fallbacks(variables: dict[str, str]) -> dict[str, str]:
    """Leave out weak fallbacks, of which the server warns: rotating one away must be possible."""
    name = "THUMBNAIL_SECRET_KEY_FALLBACKS"
    given = as_names(variables.get(name, ""))
    kept = [one for one in given if len(one) < MIN_LENGTH or not weakness(one)]
    return {**variables, name: ",".join(kept)} if name in variables else variables


def impossible(stage: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that can never work."""
    variables = variables_of(stage)
    session, region = Session(), region_of(stage)
    known = [
        one
        for partition in session.get_available_partitions()
        for one in session.get_available_regions("lambda", partition)
    ]
    if region not in known:
        yield (
            f"The region is {region!r}, which botocore {botocore.__version__} does not know. If it is "
            f"newer, run `pip install --upgrade boto3`."
        )
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
        if problem := _cache_problem(host, _has_network(stage)):
            yield f"The shared cache is at {host!r}, {problem}."


def doubtful(stage: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that may not work."""
    variables = variables_of(stage)
    thumbnails, deployments = variables.get("THUMBNAIL_BUCKET", ""), str(stage.get("s3_bucket", ""))
    if deployments in {thumbnails, *_source_buckets(variables)}:
        yield f"s3_bucket is {deployments!r}, which contains images. Zappa needs a bucket of its own."
    if "." in thumbnails and not variables.get("AWS_S3_CUSTOM_DOMAIN"):
        yield (
            f"The bucket is {thumbnails!r}. S3's certificate does not cover names with a dot, and browsers "
            f"refuse its URLs. Set AWS_S3_CUSTOM_DOMAIN."
        )
    for host in _cache_hosts(variables):
        is_local = not _address(host) and ("." not in host or host.endswith(".internal"))
        if ELASTICACHE.fullmatch(host) and "cfg" in host.split("."):
            yield (
                f"The shared cache is at {host!r}, a configuration endpoint of Memcached. Its nodes are "
                f"not discovered: give the address of each node."
            )
        elif is_local and not _has_network(stage):
            yield f"The shared cache is at {host!r}, a name in a private network. Give its subnets."
    if "*" in as_names(variables.get("ALLOWED_HOST", "")):
        yield "ALLOWED_HOST is '*': the server answers requests for every host name."


def _cache_problem(host: str, network: bool) -> str | None:
    """Return why a function cannot use a cache at this host, or None."""
    labels, address = host.split("."), _address(host)
    if host.startswith("/"):
        return "a socket, but a function runs no cache of its own"
    if labels[-1] == "localhost" or (
        address and (address.is_loopback or address.is_unspecified or address.is_link_local)
    ):
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


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _has_network(stage: dict[str, Any]) -> bool:
    return bool(stage.get("vpc_config", {}).get("SubnetIds"))


def _cache_hosts(variables: dict[str, str]) -> Iterator[str]:
    """Yield the hosts of the shared cache, in lower case, or paths of sockets; without passwords."""
    location = variables.get("THUMBNAIL_CACHE_LOCATION", "")
    if variables.get("THUMBNAIL_CACHE_BACKEND", "redis") not in ("redis", "memcached"):
        return
    # The password in a URL may contain the separators.
    for one in re.split(r"[\s,;]+(?=[a-z]+://)" if "://" in location else r"[\s,;]+", location):
        try:
            parts = urlsplit(one if "://" in one or one.startswith("unix:") else f"//{one}")
            host = (parts.hostname or parts.path).rstrip(".")
        except ValueError:  # the server's own check reports wrong addresses
            continue
        if host:
            yield host


def _source_buckets(variables: dict[str, str]) -> list[str]:
    sources = as_names(variables.get("THUMBNAIL_SOURCES", ""))
    return [one.removeprefix("s3://").partition("/")[0] for one in sources if one.startswith("s3://")]
