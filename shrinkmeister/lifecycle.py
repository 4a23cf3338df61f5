"""The rule by which a bucket deletes thumbnails that were written THUMBNAIL_EXPIRE_DAYS ago.

Records know it: each ends a day before its object may go, so that what is still looked at is made again in
time. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
"""

from typing import Any

from shrinkmeister.conf import Config, SettingError
from shrinkmeister.results import Results, S3Results, get_former_results, get_results
from shrinkmeister.shared_cache import get_shared_cache

RULE_ID = "shrinkmeister"


def rule_of(config: Config) -> dict[str, Any]:
    """A rule as S3 takes it. Raises SettingError where it cannot be, or would delete what is not ours."""
    results = _bucket()
    if config.expire_days is None:
        raise SettingError(
            "shrinkmeister.E024",
            "THUMBNAIL_EXPIRE_DAYS is not set.",
            "Set it on all servers and sites first: records have to end before their objects do.",
        )
    prefix = results.full_name(config.prefix)
    if not prefix:
        raise SettingError(
            "shrinkmeister.E026",
            f"THUMBNAIL_PREFIX is {config.prefix!r}: the rule would delete all that the bucket has.",
            "Set a prefix, as 'cache/'.",
        )
    if config.adopted_backend and _lies_among(get_former_results(), results, config.prefix):
        raise SettingError(
            "shrinkmeister.E026",
            "THUMBNAIL_ADOPTED_BACKEND is set, and its thumbnails lie among ours: the rule would delete "
            "them, and pages would go on to show them.",
            "Run `shrinkmeister prune --adopted` and remove THUMBNAIL_ADOPTED_BACKEND, or use another "
            "bucket.",
        )
    return {
        "ID": RULE_ID,
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": config.expire_days},
    }


def install(config: Config) -> list[str]:
    """Gives the bucket the rule in the place of a former one; returns the names of the others, which stay.

    Raises SettingError, StorageError, DriverError.
    """
    rule, results = rule_of(config), _bucket()
    others = _others(results)
    # Records of before it say nothing of the end of their objects.
    get_shared_cache().doubt()
    results.set_lifecycle([*others, rule])
    return [str(other.get("ID", "without a name")) for other in others]


def remove() -> None:
    """Takes the rule away. Raises SettingError, StorageError."""
    results = _bucket()
    results.set_lifecycle(_others(results))


def _bucket() -> S3Results:
    results = get_results()
    if not isinstance(results, S3Results):
        raise SettingError(
            "shrinkmeister.E026",
            "The thumbnails are not stored in a bucket of S3, and no other storage deletes by itself.",
            "Use `shrinkmeister prune --older-than 90d` there.",
        )
    return results


def _lies_among(former: Results, results: S3Results, prefix: str) -> bool:
    if not isinstance(former, S3Results) or former.bucket != results.bucket:
        return False
    return former.full_name(prefix).startswith(results.full_name(prefix))


def _others(results: S3Results) -> list[dict[str, Any]]:
    return [rule for rule in results.lifecycle() if rule.get("ID") != RULE_ID]
