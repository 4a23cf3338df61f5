"""`manage.py shrinkmeister doctor`: examine a site together with its thumbnail server.

The site sends the server an encrypted question, compares the answer with its own settings, and loads what a
browser would load. Each finding states what is wrong, and what to change.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from secrets import token_urlsafe
from time import time

from shrinkmeister.checks import ABOUT_PLACES, check_client
from shrinkmeister.conf import Config, SettingError, get_config
from shrinkmeister.doctor.bucket import examine_bucket
from shrinkmeister.doctor.comparison import compare, compare_caches, leave_note
from shrinkmeister.doctor.findings import CHECKS, OK, UNKNOWN, Finding, ok, skipped, wrong
from shrinkmeister.doctor.http import JSON, UNREACHABLE_HINT, Unreachable, get
from shrinkmeister.doctor.messages import EXAMINE, Question
from shrinkmeister.doctor.reach import STRANGE_MESSAGES, answer_in, ask, examine_reach
from shrinkmeister.doctor.sources import examine_fields, examine_source
from shrinkmeister.eager import get_maker
from shrinkmeister.eager_urls import relative_note
from shrinkmeister.error_policy import LOG_HINT
from shrinkmeister.exceptions import TokenError
from shrinkmeister.protocol.spec import Source
from shrinkmeister.sources import parse_source


def examine(source: str | None, timeout: float) -> Iterator[Finding]:
    """Yield findings as they are made, in the order of CHECKS.

    source   the source of a trial thumbnail, in a form of `parse_source`
    timeout  seconds for each answer

    Raises SpecError or SourceNotAllowedError, at once, for an invalid source.
    """
    config, parsed, refused = _config(), None, []
    if config and source is not None:
        try:
            parsed = parse_source(source, config)
        except SettingError as error:
            refused.append(wrong("source", error.message, error.hint))
    server = _server(config, parsed, timeout) if config and config.server_url else ()
    ids = [id for id in CHECKS if id != "source" or (source is not None and not refused)]
    return chain(_completed(chain(_site(), server), ids), refused)


def _config() -> Config | None:
    """Return the site's configuration, or None if it is wrong: the check `site` reports the error."""
    try:
        return get_config()
    except SettingError:
        return None


def _completed(findings: Iterable[Finding], ids: list[str]) -> Iterator[Finding]:
    """Yield the findings, then one for each check that did not run."""
    for finding in findings:
        yield finding
        ids = [id for id in ids if id != finding.id]
    yield from skipped(ids, finding.id)


def _site() -> Iterator[Finding]:
    """Yield what `manage.py check` finds; the check `sources` examines the storages of fields."""
    messages = [
        message
        for message in check_client(None)
        if not message.is_silenced() and message.id not in ABOUT_PLACES
    ]
    for message in messages:
        yield wrong("site", f"{message.msg} ({message.id})", message.hint or "")
    if messages:
        return
    config, notes = get_config(), []
    if config.dummy:
        notes.append("THUMBNAIL_DUMMY is True: pages show placeholders, and never ask the server.")
    if config.eager:
        notes.append(
            "THUMBNAIL_EAGER is True: the site makes thumbnails itself, and never asks the server."
        )
        try:
            get_maker()
        except SettingError as error:
            yield wrong("site", error.message, error.hint)
            return
        if note := relative_note():
            notes.append(note)
    yield ok("site", "the settings of the site are valid", " ".join(notes))


def _server(config: Config, source: Source | None, timeout: float) -> Iterator[Finding]:
    """Yield findings about the server. Stop after a fault that makes the other checks impossible."""
    question = Question(EXAMINE, token_urlsafe(16), int(time()))
    unwritten = leave_note(question.nonce)
    try:
        response, secret = ask(question, config, timeout)
    except Unreachable as error:
        yield wrong("reach", f"{config.server_url}: {error}", UNREACHABLE_HINT)
        return
    yield (reached := examine_reach(str(config.server_url), response))
    if reached.status != OK:
        return
    yield _health(config, timeout)
    try:
        answer = answer_in(response, question)
    except TokenError as error:
        id, message, hint = STRANGE_MESSAGES[response.status]
        if id == "clock":
            yield from skipped(["secret"], id)
        yield wrong(id, f"{message}: {error}" if response.status == 200 else message, hint)
        return
    yield from compare(config, response, secret, answer)
    yield compare_caches(config, answer, unwritten)
    yield from examine_bucket(config, question, answer, timeout)
    # Without the secret or the bucket, the server makes no thumbnail of any source.
    if secret or answer.bucket_error:
        yield from skipped(["sources"], "secret" if secret else "bucket")
    else:
        yield from examine_fields(config, question.nonce, timeout)
    if source:
        yield examine_source(source, config, timeout)


def _health(config: Config, timeout: float) -> Finding:
    try:
        response = get(f"{config.server_url}/healthz", timeout, Accept=JSON)
    except Unreachable as error:
        return Finding("health", UNKNOWN, f"/healthz: {error}", UNREACHABLE_HINT)
    parts = response.json()
    if response.status not in (200, 503) or not {"cache", "bucket", "engine"} <= parts.keys():
        message = f"/healthz answers {response.status}"
        return Finding("health", UNKNOWN, message, "A proxy may block it.")
    if failed := [part for part, state in parts.items() if state != "ok"]:
        message = f"/healthz reports that {' and '.join(failed)} of the server failed"
        shown = " and ".join(part for part in failed if part in CHECKS)
        hint = f"See {shown} below for the reason and the remedy." if shown else LOG_HINT
        return wrong("health", message, hint)
    return ok("health", "/healthz reports that cache, bucket and engine of the server answer")
