"""System checks: what is wrong with the settings is said by `manage.py check`, before a page is."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import defaults as sorl_defaults
from sorl.thumbnail.conf import settings as sorl_settings

from shrinkmeister.adoption import check_adopted_backend
from shrinkmeister.backend import ShrinkmeisterBackend
from shrinkmeister.conf import MISSING_SERVER_URL, OUR_SETTINGS, Problem, SettingError, SettingsReader
from shrinkmeister.drivers import make_driver

BACKEND = "shrinkmeister.backend.ShrinkmeisterBackend"


def check_client(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    path = sorl_settings.THUMBNAIL_BACKEND
    try:
        backend = import_string(path)
    except ImportError as error:
        message = f"THUMBNAIL_BACKEND is {path!r}, which cannot be loaded: {error}."
        return [Error(message, f"Write {BACKEND!r}.", id="shrinkmeister.E020")]
    if not (isinstance(backend, type) and issubclass(backend, ShrinkmeisterBackend)):
        # Whoever has swapped back may have taken our settings away.
        message = f"shrinkmeister is in INSTALLED_APPS, and not in use: THUMBNAIL_BACKEND is {path!r}."
        return [Warning(message, f"Set THUMBNAIL_BACKEND = {BACKEND!r}.", id="shrinkmeister.W001")]
    messages = check_settings()
    if getattr(settings, "THUMBNAIL_SERVER_URL", None) is None:
        messages.append(said(MISSING_SERVER_URL))
    if not messages:
        try:
            check_adopted_backend()
        except SettingError as error:
            messages.append(said(error.problem))
    names = {name for name in dir(settings) if name.startswith("THUMBNAIL_")}
    return messages + misspelled(names, known_to_sorl() | OUR_SETTINGS)


def check_settings() -> list[CheckMessage]:
    """What client and server have in common."""
    reader = SettingsReader()
    config = reader.config()
    problems = list(reader.problems)
    try:
        make_driver(config.cache)
    except SettingError as error:
        problems.append(error.problem)
    return [
        *(said(problem) for problem in problems),
        *(Warning(one.message, one.hint, id=one.id) for one in reader.warnings),
    ]


def said(problem: Problem) -> CheckMessage:
    return Error(problem.message, problem.hint, id=problem.id)


def known_to_sorl() -> set[str]:
    return {name for name in dir(sorl_defaults) if name.startswith("THUMBNAIL_")}


def misspelled(names: Iterable[str], known: Iterable[str]) -> list[CheckMessage]:
    """A site may have THUMBNAIL_ names of its own; one that is nearly ours is a slip."""
    known = sorted(known)
    return [
        Warning(
            f"{name} is not a setting of sorl-thumbnail or Shrinkmeister.",
            f"Did you mean {matches[0]}?",
            id="shrinkmeister.W002",
        )
        for name in sorted(names)
        if name not in known and (matches := get_close_matches(name, known, n=1, cutoff=0.85))
    ]
