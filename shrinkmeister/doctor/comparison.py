"""Findings from the server's answer: secret, clock, versions, settings and shared cache of both sides."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import Config
from shrinkmeister.conf.credentials import described
from shrinkmeister.doctor.findings import Finding, ok, wrong
from shrinkmeister.doctor.http import Response
from shrinkmeister.doctor.messages import COMPARED, SERVER_NOTE, SITE_NOTE, Answer, facts_of
from shrinkmeister.exceptions import ShrinkmeisterError

CACHE_SETTINGS = ("THUMBNAIL_CACHE_BACKEND", "THUMBNAIL_CACHE_KEY_PREFIX")
# What happens if site and server have different values of a setting. Settings of the cache belong to the
# check `cache`.
CONSEQUENCES = {row.name: row.differs for row in COMPARED if row.name not in CACHE_SETTINGS}
# The clocks may differ by this much.
CLOCK_SECONDS = 60
Facts = Mapping[str, Any]
# What to change if the shared cache fails, by the words of its error. Redis and Memcached say these.
FULL = re.compile(r"maxmemory|out of memory|OOM")
FULL_HINT = (
    "The cache is full. Give it more memory, or let it evict old keys: in Redis, "
    "`maxmemory-policy allkeys-lru` with a `maxmemory`."
)
LOCATION_HINT = (
    "Make THUMBNAIL_CACHE_LOCATION, or CACHES, equal on both sides: host, port, and the number of the "
    "database in redis://host:6379/0."
)
UNSHARED_HINT = (
    "A LocMemCache belongs to one process: use Redis, Memcached or, on one machine, FileBasedCache."
)


def compare(config: Config, response: Response, secret: int, answer: Answer) -> Iterator[Finding]:
    ours, theirs = facts_of(config), answer.facts
    yield compare_secrets(secret, answer.secret)
    yield compare_clocks(response, answer.time)
    yield compare_protocols(ours["protocols"], theirs["protocols"])
    yield compare_versions(ours["versions"], theirs["versions"])
    yield from compare_settings(config, ours["settings"], theirs["settings"])


def compare_secrets(ours: int, theirs: int) -> Finding:
    """ours, theirs: place of the shared secret among those of that side, 0 for THUMBNAIL_SECRET_KEY"""
    if ours:
        return wrong(
            "secret",
            "the server knows only a fallback of the site's secret: it answers 403 for each lazy thumbnail",
            "Add the site's THUMBNAIL_SECRET_KEY to THUMBNAIL_SECRET_KEY_FALLBACKS of the server.",
        )
    if theirs:
        return ok(
            "secret",
            "the server knows the site's secret as a fallback: a rotation is in progress",
            "Next, give the site the server's THUMBNAIL_SECRET_KEY, and keep the old one as a fallback. "
            "Until then, pages stay lazy for new records.",
        )
    return ok("secret", "site and server have the same secret")


def compare_clocks(response: Response, theirs: int) -> Finding:
    # The server's time has whole seconds, and was taken at some moment between request and response.
    ahead, behind = theirs - response.received, response.sent - theirs - 1
    seconds = max(ahead, behind, 0)
    if seconds <= CLOCK_SECONDS:
        return ok("clock", f"the clocks of site and server differ by {seconds:.0f} s")
    return wrong(
        "clock",
        f"the server's clock is {seconds:,.0f} s {'ahead of' if ahead > 0 else 'behind'} the site's",
        "Set both clocks by NTP. S3 refuses requests from another time, and URLs expire at a wrong time.",
    )


def compare_protocols(ours: Facts, theirs: Facts) -> Finding:
    if ours == theirs:
        return ok("protocol", f"both sides use the same versions: {_listed(ours)}")
    message = f"the site uses {_listed(ours)}, the server {_listed(theirs)}"
    hint = "Install the same version of Shrinkmeister on both sides, on the server first."
    return wrong("protocol", message, hint)


def compare_versions(ours: Facts, theirs: Facts) -> Finding:
    same = ours["shrinkmeister"] == theirs.get("shrinkmeister")
    hint = "" if same else "The versions of Shrinkmeister differ: install the newer one on both sides."
    return ok("versions", f"server: {_listed(theirs)}; site: {_listed(ours)}", hint)


def compare_settings(config: Config, ours: Facts, theirs: Facts) -> Iterator[Finding]:
    ignored = set() if config.eager else {"THUMBNAIL_TTL"}  # sites write records in the eager mode only
    if config.bucket or theirs.get("THUMBNAIL_BUCKET"):
        ignored.add("THUMBNAIL_STORAGE")
    names = [name for name in CONSEQUENCES if name in theirs and name not in ignored]
    different = [name for name in names if ours[name] != theirs[name]]
    for name in different:
        yield wrong("settings", _both(name, ours, theirs), f"{CONSEQUENCES[name]} Make them equal.")
    if not different:
        yield ok("settings", f"equal on both sides: {', '.join(names)}")


def leave_note(nonce: str) -> str | None:
    """Write to the shared cache for the server to read and replace. Return the error, if any."""
    try:
        get_shared_cache().notes.leave_note(nonce, SITE_NOTE)
    except ShrinkmeisterError as error:
        return described(error)
    return None


def compare_caches(config: Config, answer: Answer, error: str | None) -> Finding:
    """Return whether each side reads what the other one has written; error: of `leave_note`."""
    site_reads = False
    if error is None:
        try:
            site_reads = get_shared_cache().notes.note(answer.nonce) == SERVER_NOTE
        except ShrinkmeisterError as failed:
            error = described(failed)
    if error is not None or answer.cache_error is not None:
        side, said = ("site", error) if error is not None else ("server", str(answer.cache_error))
        hint = (
            f"Start the cache, or correct THUMBNAIL_CACHE_LOCATION or CACHES of the {side}. If the cache "
            "is only slow, raise THUMBNAIL_CACHE_WAIT_SECONDS."
        )
        message = f"the {side} cannot use the shared cache: {said}"
        return wrong("cache", message, FULL_HINT if FULL.search(said) else hint)
    if answer.cache_read and site_reads:
        return ok("cache", "each side reads what the other one writes")
    if answer.cache_read or site_reads:
        reader, writer = ("site", "server") if answer.cache_read else ("server", "site")
        return wrong(
            "cache",
            f"the {reader} does not read what the {writer} writes, only the other way round",
            "Let both sides read where both write, and not from a replica. A list of caches has to be the "
            "same on both sides, in the same spelling.",
        )
    ours, theirs = facts_of(config)["settings"], answer.facts["settings"]
    different = [name for name in CACHE_SETTINGS if name in theirs and ours[name] != theirs[name]]
    if different:
        message = "; ".join(_both(name, ours, theirs) for name in different)
        return wrong("cache", f"{message}: pages stay lazy", "Make them equal on both sides.")
    hint = LOCATION_HINT
    if ours["THUMBNAIL_CACHE_BACKEND"] == "django":
        hint = f"{hint} {UNSHARED_HINT}"
    return wrong("cache", "site and server use different caches: pages stay lazy", hint)


def _both(name: str, ours: Facts, theirs: Facts) -> str:
    return f"{name} is {ours[name]!r} on the site, {theirs[name]!r} on the server"


def _listed(found: Facts) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())
