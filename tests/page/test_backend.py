"""The client: templates, get_thumbnail() and delete(), through sorl's own doors."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.db.models import TextChoices
from django.test import modify_settings
from sorl.thumbnail import default, delete, get_thumbnail

from shrinkmeister.backend import ShrinkmeisterBackend, make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import SettingError, get_config, get_tokens
from shrinkmeister.exceptions import (
    DriverError,
    EmptyFileError,
    SourceNotAllowedError,
    SpecError,
    StorageError,
)
from shrinkmeister.prefetch import thumbnail_data
from shrinkmeister.protocol.records import SourceRecord
from tests.site.models import Photo
from tests.support.pages import CDN, NAME, lazy, record, render

PAGE = """
{% load thumbnail %}{% for photo in photos %}
{% thumbnail photo.image "300x200" crop="center" as im %}
<img src="{{ im.url }}" srcset="{{ im.url|resolution:"2x" }} 2x"
     width="{{ im.width }}" height="{{ im.height }}">
{% empty %}<p>No image</p>{% endthumbnail %}{% endfor %}
"""


@pytest.mark.usefixtures("untouchable")
def test_a_page_touches_no_storage_no_database_and_no_engine() -> None:
    photos = [Photo(image=f"photos/{number}.jpg") for number in range(20)]
    for number in range(10):
        record(f"photos/{number}.jpg", crop="center")
    page = render(PAGE, photos=photos)
    assert page.count(f'src="{CDN}') == 10
    assert page.count('src="https://thumbs.example.com/') == 10
    assert page.count('width="300" height="200"') == 20


@pytest.mark.usefixtures("untouchable")
@pytest.mark.django_db
def test_what_must_not_be_touched_does_raise() -> None:
    """The guards of the test above, with sorl's own backend: it cannot do without."""
    from sorl.thumbnail.base import ThumbnailBackend

    with pytest.raises(AssertionError, match="a page"):
        ThumbnailBackend().get_thumbnail("photos/1.jpg", "300x200")
    with pytest.raises(AssertionError, match="SQL"):
        Photo.objects.count()


@pytest.mark.usefixtures("media")
class TestLazy:
    def test_it_holds_the_url_of_the_server(self) -> None:
        thumbnail = lazy(crop="center")
        assert thumbnail.lazy
        assert thumbnail.url.startswith("https://thumbs.example.com/")
        assert thumbnail.url.endswith(".jpg")
        token = thumbnail.url.removeprefix("https://thumbs.example.com/").removesuffix(".jpg")
        spec = get_tokens().decrypt(token)
        assert str(spec.source) == f"storage://default/{NAME}"
        assert spec.geometry == "300x200"
        assert spec.options == {"crop": "center"}

    def test_its_url_is_the_same_on_every_render(self) -> None:
        assert lazy(crop="center").url == lazy(crop="center").url
        assert lazy(crop="center").url != lazy(crop="top").url

    def test_certain_sizes(self) -> None:
        assert lazy(crop="center").certain_size == (300, 200)

    def test_uncertain_sizes_print_as_nothing(self) -> None:
        thumbnail = lazy()
        assert thumbnail.certain_size is None
        assert (thumbnail.width, thumbnail.height, thumbnail.x, thumbnail.y) == (None, None, None, None)
        assert thumbnail.ratio is None
        assert thumbnail.is_portrait() is False
        page = render(
            '{% load thumbnail %}{% thumbnail f "300" as im %}[{{ im.width }}|{{ im.height }}'
            "|{{ im.ratio }}|{{ im.size }}|{% if im.width %}{{ im.width }}{% endif %}"
            "|{{ im.y|default:'null' }}]{% endthumbnail %}",
            f=NAME,
        )
        assert page == "[|||||null]"

    @pytest.mark.parametrize(
        ("geometry", "options", "page"),
        [
            ("300", {"crop": "center"}, "300x"),
            ("x200", {"crop": "center"}, "x200"),
            ("x200", {"padding": True, "upscale": False}, "x200"),
            ("300", {}, "x"),
            ("300", {"crop": "center", "upscale": False}, "x"),
            ("300x200", {"crop": "center"}, "300x200"),
        ],
    )
    def test_each_side_that_is_certain(self, geometry: str, options: dict[str, Any], page: str) -> None:
        thumbnail = lazy(geometry=geometry, **options)
        assert render("{{ im.width }}x{{ im.height }}", im=thumbnail) == page
        known = [int(side) if side else None for side in page.split("x")]
        data = thumbnail_data(thumbnail)
        assert [thumbnail.width, thumbnail.height] == known
        assert data
        assert [data["width"], data["height"]] == known

    def test_the_size_of_a_known_source_makes_it_certain(self) -> None:
        record("photos/dawn.jpg", "10x10", source=SourceRecord(4000, 3000))
        assert lazy(geometry="300").certain_size == (300, 225)
        assert lazy(geometry="300").lazy

    def test_the_filter_of_sorl_works_on_its_url(self) -> None:
        url = lazy().url
        page = render('{% load thumbnail %}{{ url|resolution:"2x" }}', url=url)
        assert page == url.removesuffix(".jpg") + "@2x.jpg"
        assert lazy().url_of("2x") == page

    @pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
    def test_the_extension_is_that_of_the_format(self, format: str) -> None:
        extension = {"JPEG": "jpg"}.get(format, format.lower())
        assert lazy(format=format).url.endswith(f".{extension}")

    def test_its_url_has_nothing_to_escape(self) -> None:
        thumbnail = lazy("photos/Zürich & <b>\"'.jpg", crop="center")
        printed = render('{% load thumbnail %}{% thumbnail f "300" %}', f="photos/Zürich & <b>\"'.jpg")
        allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:")
        assert set(thumbnail.url) | set(printed) <= allowed

    def test_it_is_no_error(self) -> None:
        assert bool(lazy())
        assert lazy().exists()
        assert lazy().object_name.startswith("cache/")


@pytest.mark.usefixtures("media")
class TestRecorded:
    def test_it_holds_the_final_url_and_size(self) -> None:
        url = record()
        thumbnail = lazy()
        assert not thumbnail.lazy
        assert thumbnail.url == thumbnail.src == url
        assert (thumbnail.width, thumbnail.height) == (300, 200)
        assert thumbnail.ratio == 1.5
        assert thumbnail.exists()

    def test_it_is_of_that_source_geometry_and_options_alone(self) -> None:
        record(crop="center")
        assert not lazy(crop="center").lazy
        assert lazy(crop="top").lazy
        assert lazy("photos/dusk.jpg", crop="center").lazy
        assert lazy(geometry="300x201", crop="center").lazy
        assert lazy(crop="center", version=2).lazy

    def test_its_alternative_resolutions_have_to_be_there(self, settings: Any) -> None:
        """A template makes their URLs by itself, so that a page must not name one that is not stored."""
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
        record(resolutions=("2",))
        assert lazy().lazy
        assert lazy().certain_size == (300, 200)
        url = record(resolutions=("1.5", "2"))
        assert not lazy().lazy
        assert lazy().url_of("2x") == url.removesuffix(".jpg") + "@2x.jpg"

    def test_ours_and_sorls_filter_agree(self) -> None:
        url = record()
        page = render(
            '{% load thumbnail %}{% thumbnail f "300x200" as im %}{{ im.url|resolution:"2x" }} '
            '{% load shrinkmeister %}{{ im|resolution:"2x" }}{% endthumbnail %}',
            f=NAME,
        )
        assert page.split() == [url.removesuffix(".jpg") + "@2x.jpg"] * 2

    def test_ours_takes_what_sorls_takes(self) -> None:
        """`{% load thumbnail shrinkmeister %}` has the later one of two filters of a name."""
        url = record()
        page = render(
            '{% load thumbnail shrinkmeister %}{% thumbnail f "300x200" as im %}'
            '{{ im.url|resolution:"2x" }}{% endthumbnail %}',
            f=NAME,
        )
        assert page == url.removesuffix(".jpg") + "@2x.jpg"


@pytest.mark.usefixtures("media")
class TestDoors:
    @pytest.mark.parametrize("library", ["thumbnail", "sorl_thumbnail"])
    def test_both_names_of_the_library(self, library: str) -> None:
        url = record()
        page = render(f'{{% load {library} %}}{{% thumbnail f "300x200" %}}', f=NAME)
        assert page == url

    def test_no_file(self) -> None:
        for nothing in ("", None, Photo().image):
            page = render(
                '{% load thumbnail %}{% thumbnail f "300" as im %}x{% empty %}none{% endthumbnail %}',
                f=nothing,
            )
            assert page == "none"
            with pytest.raises(ValueError, match="no file"):
                get_thumbnail(nothing, "300")

    def test_options_in_one_variable(self) -> None:
        url = record(crop="top")
        page = render(
            '{% load thumbnail %}{% thumbnail f "300x200" options=o %}', f=NAME, o={"crop": "top"}
        )
        assert page == url

    def test_a_width_may_be_a_number(self) -> None:
        assert get_thumbnail(NAME, 300).url == lazy(geometry="300").url
        page = render("{% load thumbnail %}{% thumbnail f 300 %}{% thumbnail f w %}", f=NAME, w=300)
        assert page == lazy(geometry="300").url * 2
        for width in (True, 300.0, None, 0):
            with pytest.raises(SpecError, match="geometry"):
                get_thumbnail(NAME, width)

    def test_bad_calls_say_what_is_wrong(self) -> None:
        with pytest.raises(SpecError, match="'300x'"):
            get_thumbnail(NAME, "300x")
        with pytest.raises(SpecError, match="'TIFF'"):
            get_thumbnail(NAME, "300", format="TIFF")
        with pytest.raises(SourceNotAllowedError, match="THUMBNAIL_SOURCES"):
            get_thumbnail("https://images.example.com/a.jpg", "300")

    def test_settings_of_the_site_are_options_of_the_call(self, settings: Any) -> None:
        settings.THUMBNAIL_QUALITY = 70
        settings.THUMBNAIL_PROGRESSIVE = False
        settings.THUMBNAIL_FLATTEN = True
        spec = make_spec(NAME, "300", {"quality": 80}, get_config())
        assert spec.options == {"quality": 80, "progressive": False, "flatten": True}
        spec = make_spec(NAME, "300", {"flatten": "off"}, get_config())
        assert spec.options == {"quality": 70, "progressive": False}

    @pytest.mark.parametrize(
        ("name", "format"),
        [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP"), ("a.tiff", "JPEG")],
    )
    def test_preserve_format(self, settings: Any, name: str, format: str) -> None:
        settings.THUMBNAIL_PRESERVE_FORMAT = True
        assert make_spec(name, "300", {}, get_config()).format == format
        assert make_spec(name, "300", {"format": "GIF"}, get_config()).format == "GIF"

    def test_dummies(self, settings: Any) -> None:
        settings.THUMBNAIL_DUMMY = True
        page = render(
            '{% load thumbnail %}{% thumbnail f "300x200" as im %}{{ im.url }} {{ im.width }}'
            "{% empty %}none{% endthumbnail %}",
            f=NAME,
        )
        assert page == "https://dummyimage.com/300x200 300"

    def test_options_of_a_choice(self) -> None:
        class Crop(TextChoices):
            CENTER = "center"

        assert lazy(crop=Crop.CENTER).url == lazy(crop="center").url

    @pytest.mark.parametrize("cropbox", ["a,b,c,d", "1,2,3", "1,2,1,2", (1, 2), "", 5])
    def test_an_impossible_cropbox_has_no_certain_size(self, cropbox: Any) -> None:
        record(source=SourceRecord(4000, 3000))
        assert lazy(geometry="300", cropbox=cropbox).certain_size in (
            None,
            (300, 225) if not cropbox else None,
        )

    def test_a_thumbnail_is_no_source(self) -> None:
        with pytest.raises(SpecError):
            get_thumbnail(lazy(crop="center"), "50")

    @pytest.mark.usefixtures("untouchable")
    def test_what_is_elsewhere_is_not_ours_to_delete(self, settings: Any) -> None:
        """sorl raises nothing there either."""
        settings.THUMBNAIL_DEBUG = False
        url = "https://unlisted-3.example.com/a.jpg"
        for nothing in (url, "//unlisted-3.example.com/a.jpg", "https://unlisted-3.example.com"):
            delete(nothing)
        thumbnail = get_thumbnail(url, "300")
        delete(thumbnail)
        thumbnail.delete()
        settings.THUMBNAIL_DUMMY = True
        delete(get_thumbnail("a.jpg", "300"))

    def test_a_file_of_a_storage_without_an_alias_is_deleted(self, media: Path, tmp_path: Path) -> None:
        """It can have no thumbnail; sorl deletes it, too."""
        storage = FileSystemStorage(tmp_path / "unnamed")
        photo = Photo(image=storage.save("a.jpg", ContentFile(b"an image")))
        photo.image.storage = storage
        delete(photo.image, delete_file=False)
        assert storage.exists("a.jpg")
        delete(photo.image)
        assert not storage.exists("a.jpg")

    def test_deleting_no_file(self) -> None:
        for nothing in (None, "", Photo().image):
            with pytest.raises(EmptyFileError):
                delete(nothing)


@pytest.mark.django_db  # sorl's key-value store forgets the source too
class TestDelete:
    """On a folder; tests/storage/test_buckets.py has S3."""

    def make(self, server: Any) -> None:
        for geometry in ("300x200", "100"):
            assert server.get(lazy(geometry=geometry).url).status_code == 302
            assert not lazy(geometry=geometry).lazy

    def files(self, media: Path) -> set[str]:
        return {path.name for path in media.rglob("*") if path.is_file()}

    def test_everything_of_the_source_goes(
        self, media: Path, photo: str, server: Any, settings: Any
    ) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        self.make(server)
        assert len(self.files(media)) == 5
        delete(photo)
        assert self.files(media) == set()
        assert lazy().lazy
        assert lazy(geometry="100").certain_size is None  # what was known of the source is forgotten too

    def test_the_source_may_stay(self, media: Path, photo: str, server: Any) -> None:
        self.make(server)
        delete(photo, delete_file=False)
        assert self.files(media) == {"dawn.jpg"}
        assert lazy().lazy

    def test_records_go_before_objects(
        self,
        media: Path,
        photo: str,
        server: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """When the cache is down, the thumbnails that it names stay; the log says what is left."""
        self.make(server)

        def fail(*args: Any) -> None:
            raise DriverError("down")

        monkeypatch.setattr(type(get_shared_cache().records), "forget", fail)
        delete(photo, delete_file=False)
        assert len(self.files(media)) == 3
        assert f"prune --source 'storage://default/{photo}'" in caplog.text
        # Pages no longer show a deleted source, so its thumbnails go too.
        delete(photo)
        assert self.files(media) == set()

    def test_a_storage_that_fails(self, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: Any) -> None:
            raise RuntimeError("the library's own")

        monkeypatch.setattr(FileSystemStorage, "delete", fail)
        with pytest.raises(StorageError, match="library's own"):
            delete(photo)

    def test_what_was_known_of_another_version_is_not_told(
        self, media: Path, photo: str, server: Any
    ) -> None:
        server.get(lazy(geometry="100", crop=False, version=1).url)
        assert lazy(geometry="200", crop=False, version=1).certain_size == (200, 150)
        assert lazy(geometry="200", crop=False, version=2).certain_size is None
        assert lazy(geometry="200", crop=False).certain_size is None
        delete(photo, delete_file=False)
        assert lazy(geometry="200", crop=False, version=1).certain_size is None

    def test_other_sources_keep_theirs(self, media: Path, photo: str, server: Any) -> None:
        other = storages["default"].save("photos/dawn.jpg2", storages["default"].open(photo))
        assert server.get(lazy(other).url).status_code == 302
        self.make(server)
        delete(photo)
        assert not lazy(other).lazy
        assert len(self.files(media)) == 2

    @pytest.mark.parametrize("delete_file", [True, False])
    def test_a_thumbnail_of_several(
        self, media: Path, photo: str, server: Any, settings: Any, delete_file: bool
    ) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        self.make(server)
        delete(lazy(), delete_file)
        assert lazy().lazy
        assert not lazy(geometry="100").lazy
        assert len(self.files(media)) == (3 if delete_file else 5)
        delete(lazy(), delete_file)  # one that is not there

    def test_nothing_was_ever_made(self, media: Path, photo: str) -> None:
        delete(photo)
        assert self.files(media) == set()


def test_the_app_has_to_be_installed(settings: Any) -> None:
    """Else sorl's filters and sorl's command would meddle with what is ours."""
    missing = modify_settings(INSTALLED_APPS={"remove": ["shrinkmeister"]})
    with missing, pytest.raises(SettingError, match="INSTALLED_APPS"):
        ShrinkmeisterBackend()
    ShrinkmeisterBackend()


def test_the_backend_is_the_one_that_sorl_loads() -> None:
    default.backend._setup()
    assert isinstance(default.backend._wrapped, ShrinkmeisterBackend)
