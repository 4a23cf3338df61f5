"""Where a drop-in for sorl goes wrong: one test for each trap, in the order of the list of traps.

Most have more tests elsewhere; here each is named, so that none is forgotten.
"""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.template import TemplateSyntaxError
from django.test import override_settings
from PIL import Image
from sorl.thumbnail import delete, get_thumbnail
from sorl.thumbnail.admin.current import AdminImageWidget

from shrinkmeister.backend import make_spec
from shrinkmeister.conf import get_config, get_tokens
from shrinkmeister.exceptions import HostNotListedError
from shrinkmeister.protocol.keys import record_key
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.sources import source_of
from tests.site.models import Photo
from tests.support.pages import NAME, UntouchableStorage, lazy, record, render
from tests.support.pictures import picture, size_of
from tests.support.sides import Server
from tests.support.sorls import Sorl

LOAD = "{% load thumbnail %}"
URL_ALPHABET = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@")


def spec_of(name: Any = NAME, geometry: str = "300x200", **options: Any) -> ThumbnailSpec:
    return make_spec(name, geometry, options, get_config())


def stored_size(media: Path, url: str) -> tuple[int, int]:
    return size_of((media / url.removeprefix("https://example.com/media/")).read_bytes())


def test_the_resolution_filter_is_text_surgery(
    server: Server, media: Path, photo: str, settings: Any
) -> None:
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
    url = render(LOAD + '{{ im.url|resolution:"1.5x" }}', im=lazy(photo))
    assert stored_size(media, server.get(url)["Location"]) == (400, 300)
    final = render(LOAD + '{{ im.url|resolution:"2x" }}', im=lazy(photo))
    assert stored_size(media, final) == (533, 400)


@pytest.mark.usefixtures("media")
def test_urls_are_printed_raw() -> None:
    name = "photos/ü & <b>\"'(1).jpg"
    for options in ({}, {"format": "PNG"}, {"own": "<&>"}):
        assert set(lazy(name, **options).url) <= URL_ALPHABET
    assert set(render(LOAD + '{% thumbnail f "300" %}', f=name)) <= URL_ALPHABET


@pytest.mark.usefixtures("media")
def test_text_filters_pass_names_and_cut_the_media_url(settings: Any) -> None:
    settings.MEDIA_URL = "https://example.com/media/"
    settings.THUMBNAIL_TEXT_SOURCES = ["photos/"]
    text = f"![dawn](https://example.com/media/{NAME})"
    assert render(LOAD + "{{ text|markdown_thumbnails }}", text=text) == f"![dawn]({lazy(NAME, '500').url})"


def test_names_mean_the_storage_of_sorl(settings: Any) -> None:
    here = {"BACKEND": "tests.support.pages.UntouchableStorage"}
    settings.STORAGES = {"default": here, "thumbs": {**here, "OPTIONS": {"location": "/srv/thumbs"}}}
    assert source_of("a.jpg", get_config()) == Source("storage", "default", "a.jpg")
    settings.THUMBNAIL_STORAGE = "thumbs"
    assert source_of("a.jpg", get_config()) == Source("storage", "thumbs", "a.jpg")
    # The bucket of the thumbnails is no place of sources.
    settings.THUMBNAIL_BUCKET = "my-thumbnails"
    assert source_of("a.jpg", get_config()) == Source("storage", "thumbs", "a.jpg")


def test_the_location_is_taken_off_once(settings: Any) -> None:
    options = {"location": "/srv/media"}
    settings.STORAGES = {
        "default": {"BACKEND": "tests.support.pages.UntouchableStorage", "OPTIONS": options}
    }
    for given, name in (
        ("/srv/media/a.jpg", "a.jpg"),
        ("/srv/media//srv/media/a.jpg", "/srv/media/a.jpg"),
        ("srv/media/a.jpg", "srv/media/a.jpg"),
    ):
        assert source_of(given, get_config()).name == name


@pytest.mark.usefixtures("media")
def test_queries_are_taken_off(settings: Any) -> None:
    assert lazy("a.jpg?X-Amz-Signature=1").url == lazy("a.jpg?X-Amz-Signature=2").url == lazy("a.jpg").url
    settings.THUMBNAIL_REMOVE_URL_ARGS = False
    assert source_of("a?b.jpg", get_config()).name == "a?b.jpg"
    settings.THUMBNAIL_SOURCES = ["http://images.example.com"]
    assert str(source_of("//images.example.com/a.jpg", get_config())) == "http://images.example.com/a.jpg"


@pytest.mark.usefixtures("media")
def test_urls_are_read_from_listed_hosts_alone(settings: Any, server: Server) -> None:
    with pytest.raises(HostNotListedError, match=r"'https://10\.0\.0\.1'"):
        get_thumbnail("https://10.0.0.1/latest/meta-data", "300")
    # Nor by the server, where a client has listed more.
    settings.THUMBNAIL_SOURCES = ["https://10.0.0.1"]
    url = lazy("https://10.0.0.1/a.jpg").url
    settings.THUMBNAIL_SOURCES = ["storage://default"]
    assert server.get(url).status_code == 403


@pytest.mark.usefixtures("untouchable")
def test_sizes_are_exact_or_print_as_nothing() -> None:
    page = LOAD + '{% thumbnail f g crop=c as im %}{{ im.width }}x{{ im.height }} "{{ im.ratio }}"'
    page += "{% endthumbnail %}"
    assert render(page, f=NAME, g="300x200", c="center") == '300x200 "1.5"'
    for geometry, crop in (("300", None), ("x300", None), ("300x200", None), ("300x200", "noop")):
        assert render(page, f=NAME, g=geometry, c=crop) == 'x ""'


@pytest.mark.usefixtures("untouchable")
def test_filters_ask_no_store() -> None:
    page = LOAD + '{{ im|margin:"310x200" }}|{{ im|background_margin:"310x200" }}|{{ im|is_portrait }}'
    assert render(page, im=lazy(crop="center")) == "0px 5px 0px 5px|5.0px 0.0px|False"


@pytest.mark.usefixtures("untouchable")
def test_dummies_are_placeholders_and_nothing_else(settings: Any) -> None:
    settings.THUMBNAIL_DUMMY = True
    settings.THUMBNAIL_DUMMY_SOURCE = "https://dummy.example.com/%(width)s/%(height)s"
    page = LOAD + '{% thumbnail f "300" as im %}{{ im.url }} {{ im.width }}x{{ im.height }}'
    assert (
        render(page + "{% empty %}none{% endthumbnail %}", f=NAME)
        == "https://dummy.example.com/300/200 300x200"
    )
    # As sorl has it: a file that is none has a placeholder too, if there is nothing else to show.
    assert render(page + "{% endthumbnail %}", f="") == "https://dummy.example.com/300/200 300x200"
    assert render(page + "{% empty %}none{% endthumbnail %}", f="") == "none"
    with pytest.raises(ValueError, match="no file"):
        get_thumbnail(None, "300")


@pytest.mark.outside
@pytest.mark.usefixtures("media")
def test_the_tag_swallows_errors_and_a_dead_cache_is_none(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    page = LOAD + "{% thumbnail f g as im %}{{ im.lazy }}{% empty %}none{% endthumbnail %}"
    with pytest.raises(ValueError, match="'wide'"):
        render(page, f=NAME, g="wide")
    settings.THUMBNAIL_DEBUG = False
    assert render(page, f=NAME, g="wide") == "none"
    assert [r.getMessage() for r in caplog.records] == ["Thumbnail tag failed"]
    caplog.clear()
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = "of-its-own"
    settings.THUMBNAIL_CACHE_LOCATION = "redis://127.0.0.1:1/0"
    assert render(page * 3, f=NAME, g="300") == "True" * 3
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


@pytest.mark.outside
@pytest.mark.usefixtures("media")
def test_raise_errors_is_no_part_of_a_picture() -> None:
    assert lazy(raise_errors=True).url == lazy(raise_errors=False).url == lazy().url


@pytest.mark.usefixtures("media")
def test_options_follow_the_settings_and_travel_as_they_are(settings: Any) -> None:
    plain = lazy().url
    settings.THUMBNAIL_QUALITY = 60
    assert lazy().url == lazy(quality=60).url != plain
    with override_settings(THUMBNAIL_FORMAT="PNG", THUMBNAIL_UPSCALE=False, THUMBNAIL_COLORSPACE="GRAY"):
        assert spec_of().options == {
            "format": "PNG",
            "upscale": False,
            "colorspace": "GRAY",
            "quality": 60,
        }
    assert lazy(quality="60").url != lazy(quality=60).url
    with pytest.raises(ValueError, match="own="):
        lazy(own=object())
    assert spec_of(own={"a": [1, 1.5, "ü", None]}).options["own"] == {"a": [1, 1.5, "ü", None]}


def test_keys_are_ours(settings: Any) -> None:
    """Whatever class a storage is of, and whatever sorl's own keys are."""
    settings.STORAGES = {"default": {"BACKEND": "tests.support.pages.UntouchableStorage"}}
    first = record_key(spec_of(crop="center"))
    settings.STORAGES = {"default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}
    assert record_key(spec_of(crop="center")) == first == "t1:nqxbo5i6elhak4y6fxd6gxzjnciko7cj"


def test_aliases_of_one_class_are_told_apart(settings: Any) -> None:
    backend = "tests.support.pages.UntouchableStorage"
    settings.STORAGES = {
        name: {"BACKEND": backend, "OPTIONS": {"location": f"/srv/{name}"}}
        for name in ("default", "b", "c")
    }

    class File:
        name = NAME

        def __init__(self, storage: Any) -> None:
            self.storage = storage

    for name in ("default", "b", "c"):
        assert source_of(File(storages[name]), get_config()).container == name
    of_its_own = UntouchableStorage(location="/srv/b")
    assert source_of(File(of_its_own), get_config()).container == "b"


@pytest.mark.usefixtures("media")
def test_the_format_is_kept_by_extension(settings: Any) -> None:
    settings.THUMBNAIL_PRESERVE_FORMAT = True
    for name, extension in (("a.PNG", "png"), ("a.jpeg", "jpg"), ("a.gif", "gif"), ("a.svg", "jpg")):
        assert lazy(name).url.endswith(f".{extension}")


@pytest.mark.usefixtures("untouchable")
def test_the_admins_widget(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the admin itself: tests/page/test_fields.py."""
    monkeypatch.setattr(UntouchableStorage, "url", lambda self, name: f"/media/{name}")
    for name, extension in ((NAME, "jpg"), ("a.png", "png"), ("a.gif", "gif")):
        widget = AdminImageWidget().render("image", Photo(image=name).image, {})
        assert '<a style="display:block' in widget
        assert "None" not in widget
        assert f'.{extension}"></a>' in widget
        assert f'href="/media/{name}"' in widget
    record(geometry="x80", upscale=False)
    assert 'style="width:300px;' in AdminImageWidget().render("image", Photo(image=NAME).image, {})
    assert caplog.records == []


def test_racing_servers_leave_one_file(server: Server, media: Path, photo: str) -> None:
    url = lazy(photo).url
    with ThreadPoolExecutor(8) as pool:
        places = {answer["Location"] for answer in pool.map(server.get, [url] * 8)}
    assert len(places) == 1
    assert sorted(path.suffix for path in (media / "cache").rglob("*") if path.is_file()) == [".jpg"]


def test_offsets_in_pixels_are_not_scaled_for_larger_resolutions(
    server: Server, sorl: Sorl, media: Path, photo: str, settings: Any
) -> None:
    """A slip of sorl's, which is mirrored: pages would change."""
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
    server.get(lazy(photo, "60x60", crop="15px 5px").url)
    larger = lazy(photo, "60x60", crop="15px 5px").url_of("2x").removeprefix("https://example.com/media/")
    assert (media / larger).read_bytes() == sorl.read(photo, "60x60", "@2x", crop="15px 5px")


def test_an_engine_that_returns_nothing_makes_no_thumbnail(
    server: Server, media: Path, photo: str, settings: Any
) -> None:
    """As sorl's Pillow engine does where it tries without optimizing."""
    settings.THUMBNAIL_ENGINE = "tests.server.test_server.SilentEngine"
    assert server.get(lazy(photo).url).status_code == 422
    assert lazy(photo).lazy


# Pillow writes AVIF since 11.3.
@pytest.mark.parametrize("format", sorted({"AVIF", "TIFF"} & {*Image.registered_extensions().values()}))
def test_formats_whose_orientation_sorl_may_not_see(
    server: Server, sorl: Sorl, media: Path, format: str
) -> None:
    """Pillow itself turns a TIFF, and the engine an AVIF, whose turn browsers heed."""
    data = picture((80, 60), format, orientation=6)
    name = storages["default"].save(f"turned.{format.lower()}", ContentFile(data))
    answer = server.get(lazy(name, "40").url)
    assert stored_size(media, answer["Location"]) == (40, 53)
    assert lazy(name, "20").certain_size == (20, 27)
    place = answer["Location"].removeprefix("https://example.com/media/")
    assert (media / place).read_bytes() == sorl.read(name, "40")


def test_orientation_does_not_stick(server: Server, media: Path) -> None:
    name = storages["default"].save("turned.jpg", ContentFile(picture((400, 300), orientation=6)))
    for options, size in (
        ({"orientation": False}, (200, 150)),
        ({}, (200, 267)),
        ({"crop": "left"}, (200, 267)),
    ):
        assert stored_size(media, server.get(lazy(name, "200", **options).url)["Location"]) == size


@pytest.mark.django_db
def test_nobody_remembers_that_there_is_no_record(media: Path, photo: str, server: Server) -> None:
    shared = caches["shrinkmeister"]
    url = lazy(photo).url
    assert shared.get_many([f"shrinkmeister:{record_key(spec_of(photo))}"]) == {}
    server.get(url)
    value = shared.get(f"shrinkmeister:{record_key(spec_of(photo))}")
    assert json.loads(value)["v"] == 1


@pytest.mark.django_db
def test_delete_deletes_the_source_and_all_that_was_made(
    server: Server, media: Path, photo: str, settings: Any
) -> None:
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
    server.get(lazy(photo).url)
    assert not lazy(photo).lazy
    delete(photo)
    assert [path for path in media.rglob("*") if path.is_file()] == []
    assert lazy(photo).lazy
    assert server.get(lazy(photo).url).status_code == 404


@pytest.mark.parametrize("label", ["cleanup", "clear", "clear_delete_referenced", "clear_delete_all"])
@pytest.mark.usefixtures("untouchable")
def test_sorls_command_is_refused(label: str, settings: Any) -> None:
    settings.THUMBNAIL_PREFIX = ""
    with pytest.raises(CommandError, match=rf"`thumbnail {label}` .* `manage.py shrinkmeister "):
        call_command("thumbnail", label)


def test_storages_follow_the_settings(tmp_path: Path, settings: Any) -> None:
    for folder in ("one", "two"):
        options = {"location": str(tmp_path / folder)}
        settings.STORAGES = {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
        }
        assert source_of(f"{tmp_path}/{folder}/a.jpg", get_config()).name == "a.jpg"


@pytest.mark.usefixtures("media")
def test_both_libraries_have_the_tag() -> None:
    pages = {
        render(f"{{% load {name} %}}{{% thumbnail f '300' %}}", f=NAME)
        for name in ("thumbnail", "sorl_thumbnail")
    }
    assert pages == {lazy(geometry="300").url}
    with pytest.raises(TemplateSyntaxError, match="Expected"):
        render(LOAD + "{% thumbnail f '300' crop %}")


class TestOf2017:
    """What the first Shrinkmeister did wrong."""

    def test_a_tampered_token_is_no_server_error(self, server: Server, media: Path) -> None:
        url = lazy().url
        for changed in (url[:-5] + ".jpg", url.replace(".jpg", ".png"), url[:40] + "A" + url[41:]):
            assert server.get(changed).status_code == 403

    def test_the_shared_cache_is_looked_at(
        self, server: Server, media: Path, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.get(lazy(photo).url)
        monkeypatch.setattr(
            "shrinkmeister_server.pipeline.load", lambda *args, **options: pytest.fail("fetched")
        )
        assert server.get(make_url(spec_of(photo))).status_code == 302

    def test_nothing_is_a_pickle(self, server: Server, media: Path, photo: str) -> None:
        server.get(lazy(photo).url)
        assert caches["shrinkmeister"].get(f"shrinkmeister:{record_key(spec_of(photo))}")[:1] == b"{"

    def test_no_other_origin_is_allowed(self, server: Server, media: Path, photo: str) -> None:
        answer = server.get(lazy(photo).url, origin="https://evil.example.com")
        assert "Access-Control-Allow-Origin" not in answer.headers


def make_url(spec: ThumbnailSpec) -> str:
    return f"/{get_tokens().encrypt(spec)}.{spec.extension}"
