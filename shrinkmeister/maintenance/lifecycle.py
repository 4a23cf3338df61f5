"""The rule by which a bucket deletes thumbnails that were written THUMBNAIL_EXPIRE_DAYS ago.

Records know it: each ends a day before its object may go, so that what is still looked at is made again in
time. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
"""

from typing import Any

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import Config, SettingError
from shrinkmeister.protocol.keys import is_object_name
from shrinkmeister.storage.base import S3ThumbnailStorage, get_thumbnail_storage

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
    if not prefix.endswith("/"):
        raise SettingError(
            "shrinkmeister.E026",
            f"THUMBNAIL_PREFIX is {config.prefix!r}: the rule would delete whatever begins so.",
            "Set a folder of thumbnails alone, as 'cache/'.",
        )
    stored = results.walk(config.prefix)
    if other := next((one for one in stored if not is_object_name(one.name, config.prefix)), None):
        raise SettingError(
            "shrinkmeister.E026",
            f"{other.name!r} lies among the thumbnails, and is none of ours: the rule would delete it.",
            "Set a THUMBNAIL_PREFIX of our own. If sorl has made it, delete its thumbnails with "
            "`shrinkmeister prune --adopted` before.",
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
    get_shared_cache().coordination.distrust()
    results.set_lifecycle([*others, rule])
    return [str(other.get("ID", "without a name")) for other in others]


def remove() -> None:
    """Takes the rule away. Raises SettingError, StorageError."""
    results = _bucket()
    results.set_lifecycle(_others(results))


def _bucket() -> S3ThumbnailStorage:
    results = get_thumbnail_storage()
    if not isinstance(results, S3ThumbnailStorage):
        raise SettingError(
            "shrinkmeister.E026",
            "The thumbnails are not stored in a bucket of S3, and no other storage deletes by itself.",
            "Use `shrinkmeister prune --older-than 90d` there.",
        )
    return results


def _others(results: S3ThumbnailStorage) -> list[dict[str, Any]]:
    return [rule for rule in results.lifecycle() if rule.get("ID") != RULE_ID]
