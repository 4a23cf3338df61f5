"""The rule by which a bucket deletes thumbnails that were written THUMBNAIL_EXPIRE_DAYS ago.

A record ends a day before the rule may delete its object. So a thumbnail that pages still show is made
again in time. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
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
    """Return the rule as S3 accepts it.

    Raises SettingError if the settings allow no rule, or if the rule would delete other objects, too.
    """
    storage = _bucket()
    if config.expire_days is None:
        raise SettingError(
            "shrinkmeister.E024",
            "THUMBNAIL_EXPIRE_DAYS is not set.",
            "Set it on all servers and sites first: records have to end before their objects do.",
        )
    prefix = storage.full_name(config.prefix)
    if not prefix.endswith("/"):
        raise SettingError(
            "shrinkmeister.E026",
            f"THUMBNAIL_PREFIX is {config.prefix!r}: the rule would delete all objects that begin with it.",
            "Set a folder that contains thumbnails alone, such as 'cache/'.",
        )
    stored = storage.walk(config.prefix)
    if other := next((one for one in stored if not is_object_name(one.name, config.prefix)), None):
        raise SettingError(
            "shrinkmeister.E026",
            f"{other.name!r} is below THUMBNAIL_PREFIX, but not a thumbnail of Shrinkmeister: the rule "
            f"would delete it.",
            "Set a THUMBNAIL_PREFIX that only Shrinkmeister uses. If sorl has made the file, first delete "
            "sorl's thumbnails with `shrinkmeister prune --adopted`.",
        )
    return {
        "ID": RULE_ID,
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": config.expire_days},
    }


def install(config: Config) -> None:
    """Give the bucket the rule, and keep its others. Raises SettingError, StorageError, DriverError."""
    rule, storage = rule_of(config), _bucket()
    rules = [*other_rules(storage), rule]
    # Older records do not know when their objects end.
    get_shared_cache().coordination.distrust()
    _write_rules(storage, rules)


def remove() -> None:
    """Remove the rule from the bucket. Raises SettingError, StorageError."""
    storage = _bucket()
    _write_rules(storage, other_rules(storage))


def other_rules(storage: S3ThumbnailStorage) -> list[dict[str, Any]]:
    """Return all rules of a bucket but Shrinkmeister's, in S3's form."""
    client = storage.client
    with storage.errors("could not read the lifecycle rules"):
        try:
            answer = client.get_bucket_lifecycle_configuration(Bucket=storage.bucket)
        except client.exceptions.ClientError as error:
            if error_code(error) == "NoSuchLifecycleConfiguration":
                return []
            raise
    if "Rules" not in answer:  # the answer of OpenStack's Swift
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
            "The thumbnails are not stored in a bucket of S3, and other storages have no lifecycle rules.",
            "Use `shrinkmeister prune --older-than 90d` there.",
        )
    return storage
