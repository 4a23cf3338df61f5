"""Numbers of thumbnails in HTML are plain digits, whatever the locale; in Python they are numbers."""

import copy
import json
import pickle
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import translation
from sorl.thumbnail import get_thumbnail

from shrinkmeister.prefetch import thumbnail_data
from shrinkmeister.thumbnails.thumbnail import PlainNumber, plain
from tests.support.pages import NAME, lazy, render

LOAD = "{% load thumbnail i18n l10n %}"
LOCALES = ("en", "de", "fr", "hi", "de-ch", "ar", "fa")


@pytest.fixture(autouse=True)
def _separated(settings: Any, media: Any) -> None:
    settings.USE_THOUSAND_SEPARATOR = True


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    ("template", "page"),
    [
        ("{{ im.width }}|{{ im.height }}|{{ im.x }}|{{ im.y }}", "1234567|1000|1234567|1000"),
        ("{{ im.size.0 }}x{{ im.size.1 }}", "1234567x1000"),
        ("{{ im.ratio }}", "1234.567"),
        ('{{ im|margin:"1300000x3001" }}', "1000px 32717px 1001px 32716px"),
        ('{{ im|background_margin:"1300001x3001" }}', "32717.0px 1000.5px"),
        ("{% with w=im.width %}{{ w }}{% endwith %}", "1234567"),
        ("{% blocktranslate with w=im.width %}{{ w }}{% endblocktranslate %}", "1234567"),
        ("{% localize on %}{{ im.width }}{% endlocalize %}", "1234567"),
        ("{% autoescape off %}{{ im.width }}{% endautoescape %}", "1234567"),
        ("{% widthratio im.width im.height 1000 %}", "1234567"),
        ("{{ im.width|default:'none' }} {{ im.height|stringformat:'d' }}", "1234567 1000"),
        (
            "{% if im.width > 1000 and im.width > im.height and im.height == 1000 %}wide{% endif %}",
            "wide",
        ),
        ("{% if im.ratio > 1.5 %}wide{% endif %}", "wide"),
    ],
)
def test_templates(template: str, page: str, locale: str) -> None:
    thumbnail = lazy(crop="center")
    thumbnail.set_size((1_234_567, 1000))
    with translation.override(locale):
        assert render(LOAD + template, im=thumbnail) == page


def test_django_would_separate_them() -> None:
    with translation.override("de"):
        assert render("{{ n }} {{ f }}", n=1_234_567, f=1234.567) == "1.234.567 1.234,567"


def test_ratios_without_a_thousand_separator(settings: Any) -> None:
    settings.USE_THOUSAND_SEPARATOR = False
    with translation.override("de"):
        assert render("{{ n }}", n=1.5) == "1,5"
        assert render("{{ im.ratio }} {{ im.width }}", im=lazy(crop="center")) == "1.5 300"


def test_the_tag_takes_them_as_a_geometry() -> None:
    with translation.override("de"):
        page = "{% thumbnail im_file im.width crop='center' as other %}{{ other.width }}{% endthumbnail %}"
        shown = render(LOAD + page, im_file=NAME, im=lazy(geometry="1200x1200", crop="center"))
        assert shown == "1200"


def test_python_has_numbers() -> None:
    thumbnail = lazy(geometry="1200x1800", crop="center")
    with translation.override("de"):
        assert type(thumbnail.width) is type(thumbnail.height) is type(thumbnail.x) is int
        assert json.loads(json.dumps(thumbnail_data(thumbnail)))["width"] == 1200
        assert (
            json.dumps([thumbnail.width, thumbnail.size], cls=DjangoJSONEncoder) == "[1200, [1200, 1800]]"
        )
        assert thumbnail.width is not None
        assert thumbnail.width // 2 == 600


def test_plain_numbers_are_numbers() -> None:
    with translation.override("de"):
        number = plain(1200)
        assert isinstance(number, PlainNumber)
        assert plain(999) == 999
        assert type(plain(999)) is int
    assert type(plain(1200)) is PlainNumber  # English has a separator, too
    assert plain(1.5) == 1.5
    for one in (number, copy.copy(number), copy.deepcopy(number), pickle.loads(pickle.dumps(number))):
        assert (str(one), int(one), one + 1, one // 2, hash(one)) == ("1200", 1200, 1201, 600, hash(1200))
        assert one == 1200 < 1201 != one


def test_dummies_and_images_of_other_hosts(settings: Any) -> None:
    settings.THUMBNAIL_DUMMY = True
    with translation.override("de"):
        assert render("{{ im.width }}", im=get_thumbnail(NAME, "1200x1000")) == "1200"
    settings.THUMBNAIL_DUMMY = settings.THUMBNAIL_DEBUG = False
    unlisted = get_thumbnail("https://unlisted-6.example.com/a.jpg", "1200")
    assert render("{{ im.width }}{{ im.ratio }}{{ im.size }}", im=unlisted) == ""
