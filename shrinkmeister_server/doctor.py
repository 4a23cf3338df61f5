"""The server's answer to `manage.py shrinkmeister doctor`: settings, and trials of cache and bucket."""

import time
from typing import Any

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import SettingError, get_config
from shrinkmeister.conf.credentials import described
from shrinkmeister.doctor.messages import (
    PROBE,
    PROBE_TYPE,
    REMOVE,
    SERVER_NOTE,
    SITE_NOTE,
    Answer,
    Question,
    facts_of,
    probe_name,
)
from shrinkmeister.exceptions import ShrinkmeisterError, StorageError
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.base import StoredInfo
from shrinkmeister_server.engines import automatic
from shrinkmeister_server.rendering.render import get_engine
from shrinkmeister_server.served import absolute_url


def answer_to(question: Question, secret: int) -> Answer:
    """Do what a question asks. Raises SettingError.

    secret  place of the secret that decrypted the question
    """
    config, now = get_config(), int(time.time())
    found = _try_bucket(question.ask, probe_name(question.nonce, config.prefix))
    if question.ask != REMOVE:
        facts = facts_of(config)
        facts["versions"]["engine"] = _engine()
        found |= {"facts": facts, **_try_cache(question.nonce)}
    return Answer(nonce=question.nonce, time=now, secret=secret, **found)


def _engine() -> str:
    try:
        return automatic.described(get_engine())
    except SettingError:  # the health check reports it
        return "none"


def _try_cache(nonce: str) -> dict[str, Any]:
    """Read the site's note and replace it. Return whether it was there, or the error."""
    try:
        notes = get_shared_cache().notes
        found = notes.note(nonce) == SITE_NOTE
        notes.leave_note(nonce, SERVER_NOTE)
    except ShrinkmeisterError as error:
        return {"cache_error": described(error)}
    return {"cache_read": found}


def _try_bucket(ask: str, name: str) -> dict[str, Any]:
    """Store or delete the probe. Return its URL, or what cannot be done, and why."""
    step = "delete" if ask == REMOVE else "look for"
    try:
        storage = get_thumbnail_storage()
        if ask == REMOVE:
            storage.delete([name])
            return {}
        # Without s3:ListBucket, S3 answers 403 instead of 404 for a missing object.
        storage.find(name, {})
        step = "store"
        storage.save(name, PROBE, PROBE_TYPE, StoredInfo(1, 1))
        step = "find"
        if storage.find(name, {}) is None:
            raise StorageError("it is missing, although it has just been stored")
        step = "make a URL of"
        return {"bucket_url": absolute_url(name)}
    except ShrinkmeisterError as error:
        return {"bucket_error": f"{step} the probe: {described(error)}"}
