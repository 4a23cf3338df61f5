"""The server's answer to `manage.py shrinkmeister doctor`: settings, and trials of cache and bucket."""

import secrets
import time
from collections.abc import Iterator

from sorl.thumbnail.conf import settings as sorl_settings

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.conf.credentials import described
from shrinkmeister.doctor.facts import cache_kind, common_settings, versions
from shrinkmeister.doctor.messages import (
    EXAMINE,
    PROBE,
    PROBE_TYPE,
    PROTOCOLS,
    Answer,
    BucketTrial,
    CacheTrial,
    Question,
    probe_name,
)
from shrinkmeister.exceptions import ShrinkmeisterError, StorageError
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import StoredInfo
from shrinkmeister_server.served import absolute_url


def answer_to(question: Question, secret: int) -> Answer:
    """Do what a question asks. Raises SettingError.

    secret  place of the secret that decrypted the question
    """
    config, now = get_config(), int(time.time())
    name = probe_name(question.nonce, config.prefix)
    if question.ask != EXAMINE:
        bucket = _bucket_trial(_remove(name))
        return Answer(nonce=question.nonce, time=now, secret=secret, cache=CacheTrial(), bucket=bucket)
    return Answer(
        nonce=question.nonce,
        time=now,
        secret=secret,
        protocols=PROTOCOLS,
        versions=versions(),
        engine=sorl_settings.THUMBNAIL_ENGINE,
        settings=common_settings(config),
        cache=_cache_trial(question.nonce, cache_kind(config)),
        bucket=_bucket_trial(_store(name), name),
    )


def _cache_trial(nonce: str, kind: str) -> CacheTrial:
    found, written = None, secrets.token_urlsafe(16)
    try:
        cache = get_shared_cache()
        found = cache.notes.note(f"{nonce}:site")
        cache.notes.leave_note(f"{nonce}:server", written)
    except ShrinkmeisterError as error:
        return CacheTrial(kind, found, error=described(error))
    return CacheTrial(kind, found, written)


def _store(name: str) -> Iterator[str]:
    """Store the probe. Yield the name of each step before it begins."""
    # Without s3:ListBucket, S3 answers 403 instead of 404 for a missing object.
    yield "look"
    storage = get_thumbnail_storage()
    storage.find(name, {})
    yield "store"
    storage.save(name, PROBE, PROBE_TYPE, StoredInfo(1, 1))
    yield "find"
    if storage.find(name, {}) is None:
        raise StorageError("the probe is missing, although it has just been stored")
    yield "address"
    absolute_url(name)


def _remove(name: str) -> Iterator[str]:
    yield "remove"
    get_thumbnail_storage().delete([name])


def _bucket_trial(steps: Iterator[str], name: str | None = None) -> BucketTrial:
    """Take the steps until one fails; name: of the object whose URL to return."""
    taken: list[str] = []
    try:
        for step in steps:
            taken.append(step)
    except ShrinkmeisterError as error:
        return BucketTrial(taken[:-1], taken[-1], described(error))
    return BucketTrial(taken, url=absolute_url(name) if name else None)
