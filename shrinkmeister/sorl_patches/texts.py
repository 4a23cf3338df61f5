"""sorl's filters `markdown_thumbnails` and `html_thumbnails`, safe for texts that visitors write.

    {{ comment|markdown_thumbnails }}      ![A cat](uploads/cat.jpg) -> ![A cat](https://thumbs.example.com/...)

A visitor must not get the pixels of any file by writing its name. So the site lists the folders whose
images may be shown (THUMBNAIL_TEXT_SOURCES), or gives a function. All other images stay unchanged.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from sorl.thumbnail import default
from sorl.thumbnail.conf import settings as sorl_settings

from shrinkmeister.conf import Config, SettingError, get_config, reset_on_setting_change
from shrinkmeister.conf.values import TEXT_IMAGE, TEXT_SOURCES_HINT, is_plain
from shrinkmeister.exceptions import SourceError, SpecError
from shrinkmeister.page import RequestCache, current_page, using_page
from shrinkmeister.prefetch import expect
from shrinkmeister.sources import source_of, storage_and_name

logger = logging.getLogger(__name__)

# Bounds the cost of a text: each image takes time and a token of some 100 bytes.
MOST_IMAGES = 100
# The length of S3's longest keys.
MOST_CHARACTERS = 1024

CAPTION = r"[a-zA-Z0-9.,:;/_ ()!?\"-]*"
IMAGE = TEXT_IMAGE.pattern
#: The syntax of an image, by the filter's name. The second group is the image.
SYNTAXES = {
    "markdown_thumbnails": re.compile(rf"(!\[{CAPTION}\] ?\()({IMAGE})(\))"),
    "html_thumbnails": re.compile(rf'(<img(?: alt="{CAPTION}")? src=")({IMAGE})(")'),
}

#: Returns whether a name in the storage THUMBNAIL_STORAGE, or a URL, may be shown as a thumbnail.
Rule = Callable[[str], Any]


def show_thumbnails(text: Any, syntax: re.Pattern[str]) -> Any:
    """Return the text with thumbnails for its first images, as far as the site allows them.

    With THUMBNAIL_DEBUG errors are raised, as in sorl's filters. Otherwise an error is logged, and the
    image or the whole text stays unchanged.
    """
    with _errors_logged():
        written = dict.fromkeys(match[2] for match in islice(syntax.finditer(text), MOST_IMAGES))
        urls = _thumbnail_urls(written) if written else {}
        if urls:
            return syntax.sub(
                lambda match: f"{match[1]}{urls.get(match[2], match[2])}{match[3]}", text, count=MOST_IMAGES
            )
    return text


def _thumbnail_urls(written: Iterable[str]) -> dict[str, str]:
    """Return the URLs of the allowed images, by their text, with one look-up for all."""
    config, geometry = get_config(), str(sorl_settings.THUMBNAIL_FILTER_WIDTH)
    rule = _get_rule()
    allowed = {}
    for image in written:
        name = image.removeprefix(settings.MEDIA_URL)
        with _errors_logged():
            if (plain := _plain_name(name, config)) and rule(plain):
                allowed[image] = name
    page = current_page() or RequestCache()
    expect(page, ((name, geometry, {}) for name in allowed.values()))
    urls = {}
    with using_page(page):
        for image, name in allowed.items():
            with _errors_logged():
                urls[image] = default.backend.get_thumbnail(name, geometry).url
    return urls


def _plain_name(image: str, config: Config) -> str | None:
    """Return the name or URL that `get_thumbnail` reads; None if its spelling may mean another file."""
    storage, name = storage_and_name(image, config)
    path = name
    if storage is None:
        try:
            source = source_of(image, config)
        except (SpecError, SourceError):
            return None
        name, path = str(source), source.name
    return name if 0 < len(name) <= MOST_CHARACTERS and is_plain(path) else None


@reset_on_setting_change
def _get_rule() -> Rule:
    allowed = get_config().text_sources
    if allowed is None:
        # Logged once in a process, and without text of visitors.
        logger.warning(
            "Images in texts are not made thumbnails, because THUMBNAIL_TEXT_SOURCES is not set. %s",
            TEXT_SOURCES_HINT,
        )
        return lambda name: False
    if not isinstance(allowed, str):
        return lambda name: name.startswith(allowed)
    try:
        rule: Rule = import_string(allowed)
        if not callable(rule):
            raise TypeError("it is not a function")
    except (ImportError, TypeError) as error:
        raise SettingError(
            "shrinkmeister.E031",
            f"THUMBNAIL_TEXT_SOURCES is {allowed!r}, which cannot be imported and called: {error}.",
            TEXT_SOURCES_HINT,
        ) from error
    return rule


def check_text_sources() -> None:
    if isinstance(get_config().text_sources, str):
        _get_rule()


@contextmanager
def _errors_logged() -> Iterator[None]:
    try:
        yield
    # An error of one image must not hide the whole text from visitors. The log has the traceback.
    except Exception:
        if sorl_settings.THUMBNAIL_DEBUG:
            raise
        logger.exception("An image of a text stays unchanged")
