"""sorl's filters: on lazy thumbnails they touch nothing, on recorded ones they say what sorl says."""

import logging
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from sorl.thumbnail import default, get_thumbnail
from sorl.thumbnail.images import DummyImageFile
from sorl.thumbnail.templatetags import thumbnail as library

from shrinkmeister.backend import make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.protocol.records import SourceRecord, ThumbnailRecord
from shrinkmeister.sorl_patches import filters
from shrinkmeister.sources import source_of
from shrinkmeister.thumbnails.files import Origin
from shrinkmeister.thumbnails.thumbnail import Thumbnail
from tests.site.models import Photo
from tests.support.pages import CDN, NAME, lazy, record, render
from tests.support.pictures import picture
from tests.support.sides import Server
from tests.support.sorls import Sorl

SIZES = ((300, 200), (200, 300), (301, 199), (1, 54), (99, 99))
BOXES = ("300x200", "310x215", "x90", "205", "50x50", "1x1")
LOAD = "{% load thumbnail %}"
OTHERS = '{{ im|margin:"310x215" }}|{{ im|background_margin:"310x215" }}|{{ im|is_portrait }}'


def sorls(name: str) -> Callable[..., Any]:
    """Return sorl's own filter, which ours has replaced."""
    return filters.SORLS[name]


class Store:
    """A key-value store of sorl that knows one size."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size

    def get_or_set(self, image: Any) -> Any:
        image.set_size(self._size)
        return image


@pytest.mark.usefixtures("media")
@pytest.mark.parametrize("size", SIZES)
def test_of_a_recorded_thumbnail_they_say_what_sorl_says(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(NAME, "300x200", {}, get_config())
    get_shared_cache().records.save(spec, ThumbnailRecord(*size, CDN), None)
    thumbnail = lazy()
    assert not thumbnail.lazy
    monkeypatch.setattr(default.kvstore, "_wrapped", Store(size))
    for box in BOXES:
        for name in ("margin", "background_margin"):
            page = render(f"{LOAD}{{{{ im|{name}:box }}}}", im=thumbnail, box=box)
            assert page == sorls(name)("cache/a.jpg", box), (name, box)
    assert render(f"{LOAD}{{{{ im|is_portrait }}}}", im=thumbnail) == str(sorls("is_portrait")("a.jpg"))


@pytest.mark.usefixtures("untouchable")
class TestLazy:
    def test_they_touch_nothing_and_log_nothing(
        self, caplog: pytest.LogCaptureFixture, settings: Any
    ) -> None:
        for debug in (True, False):
            settings.THUMBNAIL_DEBUG = debug
            certain = lazy(crop="center")
            assert render(LOAD + OTHERS, im=certain) == "7px 5px 8px 5px|5.0px 7.5px|False"
            assert render(LOAD + OTHERS, im=lazy(geometry="300")) == "auto|auto|False"
        assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []

    def test_a_source_is_as_the_server_has_seen_it(self) -> None:
        photo = Photo(image=NAME)
        assert render(LOAD + OTHERS, im=photo.image) == "auto|auto|False"
        record(source=SourceRecord(400, 300, flipped=True))
        assert render(LOAD + "{{ im|is_portrait }}", im=photo.image) == "True"
        assert render(LOAD + "{{ im|is_portrait }}", im=NAME) == "True"
        assert render(LOAD + '{{ im|margin:"310x415" }}', im=photo.image) == "7px 5px 8px 5px"

    def test_a_source_as_sorl_has_known_it(self) -> None:
        place = source_of(NAME, get_config())
        get_shared_cache().records.adopt({place: ThumbnailRecord(300, 400)}, 60)
        assert render(LOAD + "{{ im|is_portrait }}", im=NAME) == "True"

    def test_an_image_of_another_host_is_escaped(self, settings: Any) -> None:
        settings.THUMBNAIL_DEBUG = False
        url = "https://unlisted-2.example.com/\"'><script>.jpg"
        thumbnail = get_thumbnail(url, "300")
        assert not set(thumbnail.url) & set("\"'<> ")
        assert (thumbnail.width, thumbnail.height, thumbnail.size) == (None, None, None)
        assert thumbnail.url_of("2x") == thumbnail.url

    def test_nothing_and_bad_arguments(self, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
        for nothing in ("", None):
            assert render(LOAD + OTHERS, im=nothing) == "auto|auto|False"
        with pytest.raises(Exception, match="syntax"):
            render(LOAD + '{{ im|margin:"wide" }}', im=lazy(crop="center"))
        settings.THUMBNAIL_DEBUG = False
        assert render(LOAD + '{{ im|margin:"wide" }}', im=lazy(crop="center")) == "auto"
        assert "syntax" in caplog.records[-1].getMessage()

    def test_a_dummy_of_sorls(self) -> None:
        assert render(LOAD + '{{ im|margin:"310x215" }}', im=DummyImageFile("300x200")) == "auto"

    def test_dummies(self, settings: Any) -> None:
        settings.THUMBNAIL_DUMMY = True
        settings.THUMBNAIL_DUMMY_RATIO = 0.5
        assert render(LOAD + OTHERS, im=NAME) == "auto|auto|True"
        dummy = get_thumbnail(NAME, "300")
        assert render(LOAD + '{{ im.url|resolution:"2x" }}', im=dummy) == "https://dummyimage.com/600x1200"


def test_the_real_thing_and_back(server: Server, sorl: Sorl, photo: str, settings: Any) -> None:
    """Our filters on a thumbnail of our server, and sorl's on the same one of sorl's backend."""
    server.get(get_thumbnail(photo, "301x207").url)
    ours, theirs = get_thumbnail(photo, "301x207"), sorl.get(photo, "301x207")
    assert ours.size == theirs.size
    assert render(LOAD + OTHERS, im=ours) == render(LOAD + OTHERS, im=theirs)


def test_with_sorls_backend_they_are_sorls(sorl: Sorl, media: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = storages["default"].save("tall.jpg", ContentFile(picture((30, 50))))
    monkeypatch.setattr(default.backend, "_wrapped", sorl.backend)
    assert render(LOAD + OTHERS, im=name) == "82px 140px 83px 140px|140.0px 82.5px|True"
    assert default.kvstore.get(default.kvstore.get_or_set(sorl.get(name, "10"))) is not None
    # A thumbnail that our backend has made before is ours still.
    ours = Thumbnail("https://example.com/a.jpg", "a.jpg", (30, 50), False, Origin(no_file="a test"))
    assert render(LOAD + OTHERS, im=ours) == "82px 140px 83px 140px|140.0px 82.5px|True"


def test_they_stand_in_both_libraries() -> None:
    from sorl.thumbnail.templatetags import sorl_thumbnail

    for name in ("is_portrait", "margin", "background_margin"):
        assert sorl_thumbnail.register.filters[name] is library.register.filters[name]
        assert library.register.filters[name] is getattr(library, name) is getattr(sorl_thumbnail, name)
        assert getattr(library, name) is not sorls(name)
        assert library.register.filters[name].__doc__ == getattr(filters, name).__doc__


@pytest.mark.usefixtures("untouchable")
def test_they_are_imported_by_python_code_too(caplog: pytest.LogCaptureFixture, settings: Any) -> None:
    """As sites with Jinja2 do it."""
    from sorl.thumbnail.templatetags.thumbnail import background_margin, is_portrait, margin, resolution

    settings.THUMBNAIL_DEBUG = False
    certain, unknown = lazy(crop="center"), lazy(geometry="300")
    assert margin(certain, "310x215") == "7px 5px 8px 5px"
    assert background_margin(certain, "310x215") == "5.0px 7.5px"
    assert (is_portrait(certain), is_portrait(unknown)) == (False, False)
    assert (margin(unknown, "310x215"), background_margin(unknown, "310x215")) == ("auto", "auto")
    assert resolution(certain.url, "2x") == certain.url_of("2x")
    assert caplog.records == []


@pytest.mark.outside
@pytest.mark.parametrize("apps", [*permutations(["tests.early", "sorl.thumbnail", "shrinkmeister"])])
def test_code_that_imports_them_while_django_starts_gets_ours(apps: tuple[str, ...]) -> None:
    """In a process of its own; tests/early imports them in its models, and when it is ready."""
    script = f"""
from django.conf import settings
settings.configure(INSTALLED_APPS={[*apps]})
import django
django.setup()
from shrinkmeister.sorl_patches.filters import SORLS
from tests.early import models
found = django.apps.apps.get_app_config("early").found
for name, sorls in SORLS.items():
    assert getattr(models, name) is found[name] is not sorls, name
print(len(SORLS))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("5\n", "")
