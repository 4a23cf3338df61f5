"""Find secrets in the files of a package for AWS Lambda. Packages are kept in buckets and on disks."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

# Files that may contain variables: zappa_settings.json, editors' copies of it, and .env. Zappa makes
# zappa_settings.py of `environment_variables`.
PATTERNS = ("*zappa_settings*", ".env*")

# Variables whose whole value is secret.
NAMES = ("THUMBNAIL_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_S3_SECRET_ACCESS_KEY", "CACHES", "STORAGES")


def files_with_secrets(root: Path, variables: Mapping[str, str]) -> list[Path]:
    """Return the files at the top of a package that contain one of the secrets among the variables."""
    forms = set()
    for secret in filter(None, _secrets(variables)):
        # As it is, and as it appears in Python's and JSON's quotes.
        forms |= {secret.encode(), repr(secret)[1:-1].encode(), json.dumps(secret)[1:-1].encode()}
    files = (file for pattern in PATTERNS for file in sorted(root.glob(pattern)) if file.is_file())
    return [file for file in files if any(form in file.read_bytes() for form in forms)]


def _secrets(variables: Mapping[str, str]) -> Iterator[str]:
    for name in NAMES:
        yield variables.get(name, "").strip()
    yield from (one.strip() for one in variables.get("THUMBNAIL_SECRET_KEY_FALLBACKS", "").split(","))
    # An address without a password is not secret.
    if "@" in (location := variables.get("THUMBNAIL_CACHE_LOCATION", "").strip()):
        yield location
