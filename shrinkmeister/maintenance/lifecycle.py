"""Manage the rule by which S3 deletes thumbnails that were written THUMBNAIL_EXPIRE_DAYS ago.

A record expires a day before S3 may delete its object. If pages still show the thumbnail, the server
makes it again in time. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
"""

from typing import Any

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import Config, SettingError
from shrinkmeister.exceptions import StorageError
from shrinkmeister.protocol.keys import is_object_name
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.s3 import S3ThumbnailStorage
from shrinkmeister.storage.s3_client import error_code

RULE_ID = "shrinkmeister"


def rule_of(config: Config) -> dict[str, Any]:
    """Return the lifecycle rule in S3's form.

    Raises SettingError if a setting is missing, or if the rule would also delete other objects.
    """
    storage = _bucket()
    if config.expire_days is None:
        raise SettingError(
            "shrinkmeister.E024",
            "THUMBNAIL_EXPIRE_DAYS is not set.",
            "Set it on all servers and sites first, because records must expire before their objects.",
        )
    prefix = storage.full_name(config.prefix)
    if not prefix.endswith("/"):
        raise SettingError(
            "shrinkmeister.E026",
            f"THUMBNAIL_PREFIX is {config.prefix!r}, which is empty or has no slash at its end. The rule "
            "would also delete other objects whose names begin with this prefix.",
            "Set a folder that contains only thumbnails, such as 'cache/'.",
        )
    stored = storage.walk(config.prefix)
    if other := next((one for one in stored if not is_object_name(one.name, config.prefix)), None):
        raise SettingError(
            "shrinkmeister.E026",
            f"{other.name!r} is below THUMBNAIL_PREFIX, but is not a thumbnail of Shrinkmeister. The "
            f"rule would delete this object.",
            "If sorl made it, delete sorl's thumbnails with `shrinkmeister prune --adopted`. Otherwise set "
            "a THUMBNAIL_PREFIX that only Shrinkmeister uses.",
        )
    return {
        "ID": RULE_ID,
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": config.expire_days},
    }


def install(config: Config) -> None:
    """Set Shrinkmeister's rule and keep all others. Raises SettingError, StorageError, DriverError."""
    rule, storage = rule_of(config), _bucket()
    rules = [*other_rules(storage), rule]
    # Records from before the rule may outlive their objects, so servers have to check them.
    get_shared_cache().coordination.distrust()
    _write_rules(storage, rules)


def remove() -> None:
    """Remove Shrinkmeister's rule and keep all others. Raises SettingError, StorageError."""
    storage = _bucket()
    _write_rules(storage, other_rules(storage))


def other_rules(storage: S3ThumbnailStorage) -> list[dict[str, Any]]:
    """Return all rules of a bucket except Shrinkmeister's, in S3's form."""
    client = storage.client
    with storage.errors("could not read the lifecycle rules"):
        try:
            answer = client.get_bucket_lifecycle_configuration(Bucket=storage.bucket)
        except client.exceptions.ClientError as error:
            if error_code(error) == "NoSuchLifecycleConfiguration":
                return []
            raise
    if "Rules" not in answer:  # OpenStack's Swift leaves the rules out
        raise StorageError(f"the store of the bucket {storage.bucket!r} does not support lifecycle rules")
    return [rule for rule in answer["Rules"] if rule.get("ID") != RULE_ID]


def _write_rules(storage: S3ThumbnailStorage, rules: list[dict[str, Any]]) -> None:
    """Replace all rules of a bucket."""
    with storage.errors("could not write the lifecycle rules"):
        if rules:
            storage.client.put_bucket_lifecycle_configuration(
                Bucket=storage.bucket, LifecycleConfiguration={"Rules": rules}
            )
        else:
            storage.client.delete_bucket_lifecycle(Bucket=storage.bucket)


def _bucket() -> S3ThumbnailStorage:
    storage = get_thumbnail_storage()
    if not isinstance(storage, S3ThumbnailStorage):
        raise SettingError(
            "shrinkmeister.E026",
            "The thumbnails are not stored in an S3 bucket, and other storages have no lifecycle rules.",
            "Delete old thumbnails with `shrinkmeister prune --older-than 90d` instead.",
        )
    return storage
