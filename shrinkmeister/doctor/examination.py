"""`manage.py shrinkmeister doctor`: a site and its thumbnail server, examined together.

The site asks the server a sealed question, compares the answer with what it is itself, and loads what a
browser would load. Each finding says in plain words what is wrong, and what to change.
"""

import secrets
from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO
from itertools import chain
from time import time
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.files.images import get_image_dimensions

from shrinkmeister.backend import spec_of
from shrinkmeister.cache.shared_cache import get_shared_cache
from shrinkmeister.checks import ABOUT_PLACES, check_client
from shrinkmeister.conf import Config, SettingError, get_config, get_questions
from shrinkmeister.conf.credentials import described
from shrinkmeister.doctor.client import UNREACHABLE, DoctorClient, Heard, json_object
from shrinkmeister.doctor.facts import COMPARED, cache_kind, common_settings, versions
from shrinkmeister.doctor.field_sources import examine_fields
from shrinkmeister.doctor.findings import CHECKS, OK, UNKNOWN, Finding, undone, well, wrong
from shrinkmeister.doctor.http import Unreachable, get
from shrinkmeister.doctor.messages import (
    EXAMINE,
    PROBE,
    PROBE_TYPE,
    PROTOCOLS,
    REMOVE,
    Answer,
    Question,
    probe_name,
)
from shrinkmeister.doctor.signed_urls import load_signed
from shrinkmeister.eager import get_maker
from shrinkmeister.exceptions import ShrinkmeisterError, TokenError
from shrinkmeister.protocol.lazy_urls import lazy_url
from shrinkmeister.protocol.spec import CONTENT_TYPES, Source
from shrinkmeister.sources import parse_source
from shrinkmeister.storage.base import get_thumbnail_storage

GEOMETRY = "300x300"
# By which clocks may differ.
CLOCK_SECONDS = 60

# A finding about the cache reports these.
CACHE_SETTINGS = ("THUMBNAIL_CACHE_BACKEND", "THUMBNAIL_CACHE_KEY_PREFIX")
CONSEQUENCES = {row.name: row.differs for row in COMPARED if row.name not in CACHE_SETTINGS}
# What to change where the server's trial of the bucket failed, by its step.
BUCKET_HINTS = {
    "look": "The server's account needs s3:GetObject and s3:ListBucket on the bucket (without the "
    "latter, S3 says of what is not there that it is forbidden), and the server the right "
    "AWS_S3_ENDPOINT_URL and AWS_S3_REGION_NAME.",
    "store": "The bucket THUMBNAIL_BUCKET has to exist, and the server's account needs s3:PutObject on "
    "it; a storage of files needs a folder that the server may write to.",
    "find": "The server's account needs s3:GetObject on the bucket; a storage has to show at once what "
    "was stored.",
    "address": "Correct what the URLs come from: STORAGES or AWS_S3_CUSTOM_DOMAIN of the server.",
    "remove": "The server's account needs s3:DeleteObject on the bucket. The probe stays there until "
    "`shrinkmeister prune --older-than` takes it away.",
}
# What to change where no thumbnail of --source comes, by the server's status.
SOURCE_HINTS = {
    403: "List the place of the source in THUMBNAIL_SOURCES of the server.",
    404: "Name a source that exists: the server looks for it with its own account and its own STORAGES.",
    413: "Take a smaller image, or raise the limit that the server's log names.",
    415: "Name the file of an image.",
    422: "Take another image; the server's log says what is wrong with this one.",
    502: "The server's log says what the storage of the sources, or that of the thumbnails, has answered.",
    503: "The server, or a storage, has too much to do: try again.",
}


def examine(source: str | None, timeout: float) -> Iterator[Finding]:
    """The findings as they are made, in the order of CHECKS.

    source   of which a thumbnail is to be made, in a form of `parse_source`
    timeout  seconds for each answer

    Raises SpecError or SourceNotAllowedError, at once, where that names no source.
    """
    try:
        config = get_config()
    except SettingError:
        config = None
    of = parse_source(source, config) if config and source is not None else None
    return _examined(config, of, [id for id in CHECKS if id != "source" or source is not None], timeout)


def _examined(
    config: Config | None, source: Source | None, left: list[str], timeout: float
) -> Iterator[Finding]:
    """left: the checks that are to be made"""
    last = "site"
    findings = [_site()]
    if config and config.server_url:
        findings.append(Examination(config, config.server_url, timeout).findings(source))
    for finding in chain(*findings):
        yield finding
        if finding.id in left:
            left.remove(finding.id)
        last = finding.id
    yield from undone(left, last)


def _site() -> Iterator[Finding]:
    """What `manage.py check` says, and nothing of others."""
    # What these suspect, `sources` finds out.
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
            "THUMBNAIL_EAGER is True: the site makes thumbnails itself, and its pages never ask the server."
        )
        try:
            get_maker()
        except SettingError as error:
            yield wrong("site", error.problem.message, error.problem.hint)
            return
    yield well("site", "the settings of the site are valid", " ".join(notes))


class Examination:
    """Of one server; timeout: seconds for each answer."""

    def __init__(self, config: Config, server_url: str, timeout: float) -> None:
        self._config = config
        self._timeout = timeout
        self._conversation = DoctorClient(server_url, get_questions(), len(config.secrets), timeout)

    def findings(self, source: Source | None) -> Iterator[Finding]:
        """Up to what keeps all others from being examined."""
        question, written = Question.new(EXAMINE, time()), secrets.token_urlsafe(16)
        unwritten = self._leave_note(question.nonce, written)
        try:
            heard = self._conversation.ask(question)
        except Unreachable as error:
            yield self._conversation.unreachable(error)
            return
        answer, (reach, *others) = self._conversation.understood(heard)
        yield reach
        # Whatever else answers there, its health is none of the server's.
        if reach.status == OK:
            yield self._health()
        yield from others
        if answer is None:
            return
        yield self._secret(heard, answer)
        yield self._clock(heard, answer)
        yield from self._protocol(answer)
        yield self._versions(answer)
        yield from self._settings(answer)
        yield self._cache(answer, written, unwritten)
        yield from self._bucket(answer, heard.question)
        # Without the bucket or the secret the server makes no thumbnail, of whatever place.
        if heard.secret or answer.bucket.failed:
            yield from undone(["sources"], "secret" if heard.secret else "bucket")
        else:
            yield from examine_fields(self._config, answer.nonce, self._timeout)
        if source:
            yield self._source(source)

    def _health(self) -> Finding:
        try:
            reply = self._conversation.get("healthz")
        except Unreachable as error:
            return Finding("health", UNKNOWN, f"/healthz: {error}")
        parts = json_object(reply)
        if reply.status not in (200, 503) or not {"cache", "bucket", "engine"} <= parts.keys():
            return Finding(
                "health", UNKNOWN, f"/healthz answers with {reply.status}: a proxy may keep it back"
            )
        failed = " and ".join(part for part, state in parts.items() if state != "ok")
        if failed:
            return wrong("health", f"/healthz says that {failed} of the server failed", "Its log says why.")
        return well("health", "/healthz says that cache, bucket and engine of the server work")

    def _secret(self, heard: Heard, answer: Answer) -> Finding:
        if heard.secret:
            return wrong(
                "secret",
                "the server does not know THUMBNAIL_SECRET_KEY of the site, only one of its fallbacks: "
                "it answers each lazy thumbnail with 403",
                "Give the server the site's key, as THUMBNAIL_SECRET_KEY or among "
                "THUMBNAIL_SECRET_KEY_FALLBACKS: a server has to know a secret before a site uses it.",
            )
        if answer.secret:
            return well(
                "secret",
                "the server knows the site's secret as a fallback: a rotation is in progress",
                "Next, the site gets the server's key, with its own as a fallback. Until then its pages "
                "are lazy for what is recorded meanwhile.",
            )
        return well("secret", "site and server hold the same secret")

    def _clock(self, heard: Heard, answer: Answer) -> Finding:
        # The server's time is in whole seconds, and of some moment between sending and receiving.
        ahead, behind = answer.time - heard.reply.received, heard.reply.sent - answer.time - 1
        seconds = max(ahead, behind, 0)
        if seconds > CLOCK_SECONDS:
            return wrong(
                "clock",
                f"the server's clock is {seconds:,.0f} s {'ahead of' if ahead > 0 else 'behind'} the "
                "site's",
                "Set both by NTP. S3 refuses what is signed at a wrong time; URLs with THUMBNAIL_URL_TTL "
                "and what records say of their age end too early or too late.",
            )
        return well("clock", f"the clocks of site and server differ by {seconds:.0f} s")

    def _protocol(self, answer: Answer) -> Iterator[Finding]:
        theirs = answer.protocols
        names = sorted(name for name in {*PROTOCOLS, *theirs} if PROTOCOLS.get(name) != theirs.get(name))
        for name in names:
            yield wrong(
                "protocol",
                f"the {name} has version {PROTOCOLS.get(name)} on the site, {theirs.get(name)} on the "
                "server",
                "Install the same version of Shrinkmeister on both, on the server first.",
            )
        if not names:
            yield well("protocol", f"both sides speak the same versions: {_listed(PROTOCOLS)}")

    def _versions(self, answer: Answer) -> Finding:
        ours, theirs = versions(), answer.versions
        same = ours["shrinkmeister"] == theirs.get("shrinkmeister")
        return well(
            "versions",
            f"server: {_listed(theirs)}, engine {answer.engine}; "
            + ("the site has the same" if ours == theirs else f"site: {_listed(ours)}"),
            "" if same else "The versions of Shrinkmeister differ: install the newer one on both sides.",
        )

    def _settings(self, answer: Answer) -> Iterator[Finding]:
        ours, theirs = common_settings(self._config), answer.settings
        skipped = set() if self._config.eager else {"THUMBNAIL_TTL"}  # which a site needs only there
        if self._config.bucket or theirs.get("THUMBNAIL_BUCKET"):
            skipped.add("THUMBNAIL_STORAGE")
        names = [name for name in CONSEQUENCES if name in theirs and name not in skipped]
        different = [name for name in names if _plain(ours[name]) != _plain(theirs[name])]
        for name in different:
            message = f"{name} is {ours[name]!r} on the site, {theirs[name]!r} on the server"
            yield wrong("settings", message, f"{CONSEQUENCES[name]} Make them equal.")
        if not different:
            yield well("settings", f"equal on both sides: {', '.join(names)}")

    def _leave_note(self, nonce: str, text: str) -> str | None:
        """What keeps the site from it; None for nothing."""
        try:
            get_shared_cache().leave_note(f"{nonce}:site", text)
        except (ShrinkmeisterError, ImproperlyConfigured) as error:
            return described(error)
        return None

    def _cache(self, answer: Answer, written: str, error: str | None) -> Finding:
        """error: what kept the site from writing"""
        trial, read = answer.cache, None
        if error is None:
            try:
                read = get_shared_cache().note(f"{answer.nonce}:server")
            except ShrinkmeisterError as failed:
                error = str(failed)
        for side, failure in (("site", error), ("server", trial.error)):
            if failure is not None:
                return wrong(
                    "cache",
                    f"the {side} cannot use the shared cache: {failure}",
                    f"Correct THUMBNAIL_CACHE_LOCATION or CACHES of the {side}, start the cache, or let "
                    f"the {side} through to it. If it is only slow, raise THUMBNAIL_CACHE_WAIT_SECONDS.",
                )
        there, back = trial.found == written, read is not None and read == trial.written
        ours = cache_kind(self._config)
        kinds = ours if ours == trial.kind else f"{ours} on the site, {trial.kind} on the server"
        if there and back:
            return well("cache", f"each side reads what the other one writes: {kinds}")
        if there or back:
            reader, writer = ("site", "server") if there else ("server", "site")
            return wrong(
                "cache",
                f"the {reader} does not read what the {writer} writes, only the other way round ({kinds})",
                "Have both read where both write: no replica, and where there are several servers the "
                "same list in the same spelling.",
            )
        return wrong(
            "cache",
            f"site and server have different caches: neither reads what the other one writes ({kinds}). "
            "Pages stay lazy for ever",
            self._cache_hint(answer),
        )

    def _cache_hint(self, answer: Answer) -> str:
        ours, theirs = common_settings(self._config), answer.settings
        for name in CACHE_SETTINGS:
            if name in theirs and ours[name] != theirs[name]:
                return (
                    f"{name} is {ours[name]!r} on the site, {theirs[name]!r} on the server. Make them "
                    "equal."
                )
        if "locmem" in cache_kind(self._config) + answer.cache.kind:
            return (
                "LocMemCache is of one process alone: use Redis, Memcached or, on one machine, "
                "FileBasedCache."
            )
        return (
            "Compare THUMBNAIL_CACHE_LOCATION, or CACHES, of both sides: host, port, and the number "
            "of the database at the end of redis://host:6379/0."
        )

    def _bucket(self, answer: Answer, asked: Question) -> Iterator[Finding]:
        trial, site, unremoved = answer.bucket, None, None
        urls = list(undone(["public_url", "signed_url"], "bucket"))
        try:
            if trial.url:
                name = probe_name(answer.nonce, self._config.prefix)
                urls = [self._public_url(trial.url), load_signed(name, trial.url, self._timeout)]
                site = self._seen_by_the_site(answer)
        finally:
            if "store" in trial.done:
                unremoved = self._remove(asked)
        step, error = (trial.failed, trial.error) if trial.failed else ("remove", unremoved)
        if error is not None:
            hint = BUCKET_HINTS.get(str(step), "")
            yield wrong("bucket", f"the server cannot use the storage of thumbnails: {error}", hint)
        if site:
            yield site
        elif error is None:
            yield well("bucket", f"{_place(answer)} takes, shows and deletes a probe")
        yield from urls

    def _public_url(self, url: str) -> Finding:
        """As a browser loads it: without rights of its own."""
        shown = url.partition("?")[0]  # a signature is for nobody's eyes
        hint = (
            "Browsers load thumbnails from there. Correct AWS_S3_CUSTOM_DOMAIN, AWS_S3_ENDPOINT_URL "
            "or base_url in STORAGES of the server, or what answers there."
        )
        try:
            reply = get(url, self._timeout, redirects=True)
        except Unreachable as error:
            return wrong("public_url", f"a browser cannot load {shown}: {error}", hint)
        if reply.status in (401, 403):
            signed = (
                "Its signature is refused: look at keys, region and clock of the server, and "
                "whether AWS_S3_CUSTOM_DOMAIN fits signed URLs."
            )
            public = (
                "Let everybody read the objects of the bucket (a policy with s3:GetObject, and no "
                "block of public access), or set AWS_QUERYSTRING_AUTH=true on the server for signed URLs."
            )
            return wrong(
                "public_url",
                f"a browser may not load {shown} ({reply.status})",
                signed if "?" in url else public,
            )
        if reply.status != 200:
            return wrong("public_url", f"{shown} answers with {reply.status}", hint)
        if reply.body != PROBE:
            return wrong("public_url", f"{shown} gives something else than what was stored", hint)
        if reply.content_type != PROBE_TYPE:
            return wrong(
                "public_url",
                f"{shown} comes as {reply.content_type!r}, and not as {PROBE_TYPE!r}",
                "Have what answers there say the type of an image: with nosniff browsers show nothing "
                "else.",
            )
        return well("public_url", f"a browser loads {shown}, in {reply.milliseconds:,} ms")

    def _seen_by_the_site(self, answer: Answer) -> Finding | None:
        """None where the site sees the probe too."""
        try:
            seen = get_thumbnail_storage().find(probe_name(answer.nonce, self._config.prefix), {})
        except (ShrinkmeisterError, ImproperlyConfigured) as error:
            return well(
                "bucket",
                f"{_place(answer)} takes and shows a probe; the site cannot look there",
                f"It needs to for delete(), prune and signed URLs alone: {described(error)}",
            )
        if seen:
            return None
        return wrong(
            "bucket",
            "the site does not find in its storage of thumbnails what the server has stored in its own",
            "Have THUMBNAIL_BUCKET, THUMBNAIL_PREFIX and STORAGES name the same place on both sides: "
            "delete(), prune and signed URLs of the site rest on it.",
        )

    def _remove(self, asked: Question) -> str | None:
        """What keeps the server from taking the probe away; None for nothing."""
        try:
            heard = self._conversation.ask(Question(REMOVE, asked.nonce, asked.time))
            if heard.reply.status != 200:
                return f"asked to delete the probe, it answers with {heard.reply.status}"
            return self._conversation.answer(heard).bucket.error
        except (Unreachable, TokenError) as error:
            return f"asked to delete the probe, it does not say that it has: {error}"

    def _source(self, source: Source) -> Finding:
        """One real thumbnail, as a page asks for it and a browser loads it."""

        def failed(message: str, hint: str) -> Finding:
            return wrong("source", message, hint)

        try:
            spec = spec_of(source, GEOMETRY, {}, self._config)
            # As a browser for the thumbnail, and as a program for what is wrong.
            accept = "image/*, application/json;q=0.9"
            made = get(lazy_url(spec, self._config), self._timeout, Accept=accept)
        except ShrinkmeisterError as error:
            return failed(f"{source} can have no URL: {error}", "Name another source.")
        except Unreachable as error:
            return failed(f"the thumbnail of {source} does not come: {error}", UNREACHABLE[error.reason])
        if made.status != 302:
            sentence = json_object(made).get("error", "it does not say why")
            return failed(
                f"the server makes no thumbnail of {source} ({made.status}): {sentence}",
                SOURCE_HINTS.get(made.status, "The server's log says more."),
            )
        target = urljoin(made.url, str(made.headers.get("Location", "")))
        if urlsplit(target).scheme not in ("http", "https"):
            return failed(f"the server redirects to {target}", "Look who answers there.")
        try:
            loaded = get(target, self._timeout, redirects=True)
        except Unreachable as error:
            return failed(
                f"the thumbnail is made, and a browser cannot load it: {error}", "See public_url."
            )
        wanted = CONTENT_TYPES[spec.format]
        if (loaded.status, loaded.content_type) != (200, wanted):
            return failed(
                f"the thumbnail is made, and its URL answers with {loaded.status} and "
                f"{loaded.content_type!r} instead of {wanted!r}",
                "See public_url.",
            )
        record = get_shared_cache().look_up(spec).thumbnail
        if record is None:
            return failed(
                "the thumbnail is made, and the site finds no record of it", "See cache and secret."
            )
        recorded = (record.width, record.height)
        # What reads an image there is Pillow, which a site may do without.
        size = get_image_dimensions(BytesIO(loaded.body)) if find_spec("PIL") else recorded
        if size != recorded:
            return failed(
                f"its record says {_size(recorded)} pixels, and the image has {_size(size)}",
                "Something keeps an older image under that name: a CDN, or a cache of records that "
                "`manage.py shrinkmeister clear` empties.",
            )
        return well(
            "source",
            f"a thumbnail of {source}, {_size(recorded)} pixels: {made.milliseconds:,} ms for the "
            f"redirect, {loaded.milliseconds:,} ms for the image",
        )


def _plain(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list) else value


def _listed(found: Any) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _size(size: tuple[int | None, int | None]) -> str:
    return f"{size[0]}x{size[1]}"


def _place(answer: Answer) -> str:
    bucket = answer.settings.get("THUMBNAIL_BUCKET")
    return f"the bucket {bucket!r}" if bucket else "the storage of thumbnails"
