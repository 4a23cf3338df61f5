"""The server's side of `manage.py shrinkmeister doctor`: what it is, and what works from here."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from sorl.thumbnail.conf import settings as sorl_settings

from shrinkmeister.cache.shared_cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.conf.credentials import described
from shrinkmeister.doctor.facts import cache_kind, common_settings, versions
from shrinkmeister.doctor.messages import (
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
from shrinkmeister_server.pipeline import absolute_url


def examine(question: Question, answer: Answer) -> Answer:
    """answer: what is known of it already. Raises SettingError."""
    config = get_config()
    return replace(
        answer,
        protocols=PROTOCOLS,
        versions=versions(),
        engine=sorl_settings.THUMBNAIL_ENGINE,
        settings=common_settings(config),
        cache=_try_cache(question.nonce),
        bucket=_try_bucket(question.nonce),
    )


def remove(question: Question, answer: Answer) -> Answer:
    """Takes the probe of an examination away."""
    name = probe_name(question.nonce, get_config().prefix)
    return replace(answer, bucket=_trial([("remove", lambda: get_thumbnail_storage().delete([name]))]))


def _try_cache(nonce: str) -> CacheTrial:
    trial, written = CacheTrial(cache_kind(get_config())), secrets.token_urlsafe(16)
    try:
        cache = get_shared_cache()
        trial = replace(trial, found=cache.note(f"{nonce}:site"))
        cache.leave_note(f"{nonce}:server", written)
    except (ShrinkmeisterError, ImproperlyConfigured) as error:
        return replace(trial, error=described(error))
    return replace(trial, written=written)


def _try_bucket(nonce: str) -> BucketTrial:
    name = probe_name(nonce, get_config().prefix)

    def find() -> None:
        if get_thumbnail_storage().find(name, {}) is None:
            raise StorageError("what was stored a moment ago is not found")

    trial = _trial(
        [
            # Of what is not there, who may not list is told that it is forbidden.
            ("look", lambda: get_thumbnail_storage().find(name, {})),
            ("store", lambda: get_thumbnail_storage().save(name, PROBE, PROBE_TYPE, StoredInfo(1, 1))),
            ("find", find),
            ("address", lambda: absolute_url(name)),
        ]
    )
    return replace(trial, url=absolute_url(name)) if "address" in trial.done else trial


def _trial(steps: list[tuple[str, Callable[[], Any]]]) -> BucketTrial:
    """Takes the steps up to the first that fails."""
    done: list[str] = []
    for name, step in steps:
        try:
            step()
        except (ShrinkmeisterError, ImproperlyConfigured) as error:
            return BucketTrial(tuple(done), name, described(error))
        done.append(name)
    return BucketTrial(tuple(done))
