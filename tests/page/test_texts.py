"""sorl's filters for texts: visitors write them, and see thumbnails of what the site allows alone."""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils.safestring import SafeString, mark_safe
from sorl.thumbnail import default
from sorl.thumbnail.templatetags import sorl_thumbnail
from sorl.thumbnail.templatetags import thumbnail as library

from shrinkmeister.backend import ShrinkmeisterBackend
from shrinkmeister.conf import SettingError, get_config, get_tokens
from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.protocol.spec import Source
from shrinkmeister.protocol.tokens import Link
from shrinkmeister.sorl_patches.filters import SORLS
from shrinkmeister.sorl_patches.texts import MOST_CHARACTERS, MOST_IMAGES, check_text_sources
from tests.servers.s3 import S3Server
from tests.support.pages import Trips, lazy, record, render
from tests.support.pictures import picture
from tests.support.sides import Server
from tests.support.sorls import Sorl

MARKDOWN = "{% load thumbnail %}{% autoescape off %}{{ text|markdown_thumbnails }}{% endautoescape %}"
HTML = "{% load sorl_thumbnail %}{% autoescape off %}{{ text|html_thumbnails }}{% endautoescape %}"

asked: list[str] = []


def is_upload(name: str) -> bool:
    asked.append(name)
    return name.startswith("uploads/")


def is_anything(name: str) -> bool:
    return True


def fails(name: str) -> bool:
    if name == "uploads/a.jpg":
        return True
    raise LookupError("the site's own")


NOT_A_FUNCTION = 5


@pytest.fixture(autouse=True)
def _media_url(settings: Any) -> None:
    settings.MEDIA_URL = "/media/"


def markdown(*images: str) -> str:
    return " ".join(f"![x]({image})" for image in images)


def html(*images: str) -> str:
    return " ".join(f'<img alt="x" src="{image}">' for image in images)


def both(*images: str) -> list[tuple[str, str]]:
    """A template and its text, of each syntax."""
    return [(MARKDOWN, markdown(*images)), (HTML, html(*images))]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.usefixtures("untouchable")
class TestAllowed:
    @pytest.fixture(autouse=True)
    def _uploads(self, settings: Any) -> None:
        settings.THUMBNAIL_TEXT_SOURCES = ["uploads/", "avatars"]

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ("uploads/a.jpg", "uploads/a.jpg"),
            ("/media/uploads/b/c d-e_f.jpg", "uploads/b/c d-e_f.jpg"),
            ("avatars/a.jpg", "avatars/a.jpg"),
            ("uploads/a%20b.jpg", "uploads/a%20b.jpg"),
            ("uploads/...jpg", "uploads/...jpg"),
        ],
    )
    def test_an_image_of_a_listed_folder(self, written: str, name: str) -> None:
        url = lazy(name, "500").url
        assert Link.parse(url).open(get_tokens()).source == Source("storage", "default", name)
        for template, text in both(written):
            assert render(template, text=text) == text.replace(written, url)

    @pytest.mark.parametrize(
        "written",
        [
            "private/secret.jpg",
            "uploads",
            "uploads/../private/secret.jpg",
            "uploads/./a.jpg",
            "uploads//a.jpg",
            "uploads/..",
            "uploads/%2e%2e/private/secret.jpg",
            "uploads/%2E./private/secret.jpg",
            "uploads/..%2fprivate/secret.jpg",
            "uploads/%2fa.jpg",
            "uploads/..%5cprivate/secret.jpg",
            "uploads%2fa.jpg",
            "uploads/%00.jpg",
            "uploads\\..\\private\\secret.jpg",
            "uploads/..\\private/secret.jpg",
            "/uploads/a.jpg",
            "./uploads/a.jpg",
            "private/../uploads/a.jpg",
            " uploads/a.jpg",
            "uploads-private/a.jpg",
            "avatars-private/a.jpg",
            "Uploads/a.jpg",
            "UPLOADS/a.jpg",
            "/MEDIA/uploads/a.jpg",
            "//media/uploads/a.jpg",
            "/media//uploads/a.jpg",
            "/media/private/secret.jpg",
            "/media/uploads/../private/secret.jpg",
            "media/uploads/a.jpg",
            "//host.example.com/uploads/a.jpg",
            "https://host.example.com/uploads/a.jpg",
            "http://testserver/media/uploads/a.jpg",
            "HTTPS://host.example.com/uploads/a.jpg",
            "http:/uploads/a.jpg",
            "http://",
            "https:///uploads/a.jpg",
            "storage://default/uploads/a.jpg",
            "s3://bucket/uploads/a.jpg",
            "data:image/png",
            "uploads/a.jpg?x=../private",
            "uploads/a.jpg#x",
            "uploads/\x00a.jpg",
            "uploads/a\n.jpg",
            "uploads/a\r.jpg",
            "\x1buploads/a.jpg",
            "uploads/\u2024\u2024/private.jpg",
            "uploads/\uff0e\uff0e\uff0fprivate.jpg",
            "uplo\u0061\u0301ds/a.jpg",
            "uploads/&#x2e;&#x2e;/private/secret.jpg",
            "&#117;ploads/a.jpg",
            "uploads/..;/private/secret.jpg",
            "uploads/" + "a" * MOST_CHARACTERS,
        ],
    )
    def test_another_image_stays_as_it_is(
        self, written: str, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """However it is spelled, and whether the site shows errors."""
        for debug in (True, False):
            settings.THUMBNAIL_DEBUG = debug
            for template, text in both(written):
                assert render(template, text=text) == text
        assert warnings(caplog) == []

    def test_other_images_of_the_text_are_shown(self) -> None:
        for template, text in both("private/a.jpg", "uploads/a.jpg"):
            assert render(template, text=text) == text.replace(
                "uploads/a.jpg", lazy("uploads/a.jpg", "500").url
            )

    def test_only_the_place_of_an_image_changes(self) -> None:
        """sorl changes all text that is the same as the name, tags and URLs of ours included."""
        text = "uploads/a ![uploads/a](uploads/a) <b>uploads/a</b> ![](uploads/a.jpg)"
        page = render(MARKDOWN, text=text)
        first, second = (lazy(name, "500").url for name in ("uploads/a", "uploads/a.jpg"))
        assert page == f"uploads/a ![uploads/a]({first}) <b>uploads/a</b> ![]({second})"

    def test_a_recorded_thumbnail_has_its_final_url(self) -> None:
        url = record("uploads/a.jpg", "500")
        assert render(MARKDOWN, text=markdown("uploads/a.jpg")) == markdown(url)

    def test_what_is_no_text_and_what_has_no_image(self, settings: Any) -> None:
        settings.THUMBNAIL_DEBUG = False
        assert render(MARKDOWN, text="no image") == "no image"
        assert render(MARKDOWN, text=None) == "None"

    def test_escaping_is_as_django_does_it(self) -> None:
        """A text that is not known to be safe is escaped after the filter, with thumbnails or without."""
        escaping = "{% load thumbnail %}{{ text|html_thumbnails }}"
        for image in ("uploads/a.jpg", "private/a.jpg"):
            page = render(escaping, text=html(image) + "<script>")
            assert "<" not in page
            assert page.endswith("&lt;script&gt;")
        untouched: SafeString = mark_safe(html("private/a.jpg"))
        assert render(escaping, text=untouched) == untouched

    def test_a_thumbnail_that_fails_stays_as_it_is(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        get = ShrinkmeisterBackend.get_thumbnail

        def broken(backend: Any, file: Any, *args: Any, **options: Any) -> Any:
            if file == "uploads/bad.jpg":
                raise LookupError("some error")
            return get(backend, file, *args, **options)

        monkeypatch.setattr(ShrinkmeisterBackend, "get_thumbnail", broken)
        text = markdown("uploads/bad.jpg", "uploads/a.jpg")
        with pytest.raises(LookupError):
            render(MARKDOWN, text=text)
        settings.THUMBNAIL_DEBUG = False
        assert render(MARKDOWN, text=text) == markdown("uploads/bad.jpg", lazy("uploads/a.jpg", "500").url)
        (logged,) = caplog.records
        assert logged.levelno == logging.ERROR


class TestCost:
    @pytest.fixture(autouse=True)
    def _uploads(self, settings: Any, media: Any) -> None:
        settings.THUMBNAIL_TEXT_SOURCES = ["uploads/"]

    @pytest.mark.parametrize("same", [True, False])
    def test_a_text_has_so_many_thumbnails_and_no_more(self, same: bool) -> None:
        images = [f"uploads/{1 if same else number}.jpg" for number in range(3 * MOST_IMAGES)]
        for template, text in both(*images):
            page = render(template, text=text)
            assert page.count("https://thumbs.example.com/") == MOST_IMAGES
            assert page.endswith(text[-1000:])

    def test_images_that_are_not_allowed_count_too(self) -> None:
        images = ["private/a.jpg"] * MOST_IMAGES + ["uploads/a.jpg"]
        for template, text in both(*images):
            assert render(template, text=text) == text

    def test_all_images_are_one_look_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        trips = Trips(monkeypatch)
        render(MARKDOWN, text=markdown(*(f"uploads/{number}.jpg" for number in range(50))))
        assert trips.taken() == 1
        render(MARKDOWN, text=markdown("private/a.jpg"))
        assert trips.taken() == 0


class TestUrls:
    """Of hosts that THUMBNAIL_SOURCES lists visitors see what THUMBNAIL_TEXT_SOURCES lists, and no more."""

    @pytest.fixture(autouse=True)
    def _hosts(self, settings: Any, media: Any) -> None:
        settings.THUMBNAIL_SOURCES = ["https://images.example.com", "http://images.example.com"]
        settings.THUMBNAIL_TEXT_SOURCES = ["https://images.example.com/photos"]

    @pytest.mark.parametrize(
        "url", ["https://images.example.com/photos/a.jpg", "https://IMAGES.example.com/photos/a.jpg"]
    )
    def test_a_listed_folder(self, url: str) -> None:
        for template, text in both(url):
            assert render(template, text=text) == text.replace(url, lazy(url, "500").url)

    @pytest.mark.parametrize(
        "url",
        [
            "https://images.example.com/private/a.jpg",
            "https://images.example.com/photos-private/a.jpg",
            "https://images.example.com/photos/../private/a.jpg",
            "https://images.example.com/photos/%2e%2e/private/a.jpg",
            "https://images.example.com/photos/..%2fprivate/a.jpg",
            "https://images.example.com//photos/a.jpg",
            "https://images.example.com/PHOTOS/a.jpg",
            "https://images.example.com:443/photos/a.jpg",
            "https://images.example.com.example.org/photos/a.jpg",
            "https://user@images.example.com/photos/a.jpg",
            "https://images.example.com/photos/a.jpg?url=http://10.0.0.1/",
            "http://images.example.com/photos/a.jpg",
            "//images.example.com/photos/a.jpg",
            "photos/a.jpg",
        ],
    )
    def test_everything_else_stays(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        for template, text in both(url):
            assert render(template, text=text) == text
        assert warnings(caplog) == []


class TestStorages:
    """The name that is compared is the one that the server reads."""

    def test_a_location_that_sorl_takes_off(self, settings: Any, media: Any) -> None:
        settings.THUMBNAIL_TEXT_SOURCES = ["uploads/"]
        for name in (f"{media}/uploads/a.jpg", f"{media}/private/a.jpg", f"{media}/{media}/uploads/a.jpg"):
            page = render(MARKDOWN, text=markdown(name))
            allowed = name == f"{media}/uploads/a.jpg"
            assert page == markdown(lazy("uploads/a.jpg", "500").url if allowed else name)

    @pytest.mark.parametrize(
        ("written", "key"),
        [
            ("uploads/a.jpg", None),  # sorl takes the location off: it is a.jpg of the storage
            ("uploads/uploads/a.jpg", "uploads/uploads/a.jpg"),
            ("/uploads/uploads/a.jpg", None),
            ("uploads/uploads/../a.jpg", None),
        ],
    )
    def test_a_location_of_the_same_name(self, settings: Any, written: str, key: str | None) -> None:
        options = {"bucket_name": "photos", "location": "uploads"}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        settings.THUMBNAIL_BUCKET = "thumbs"
        settings.THUMBNAIL_TEXT_SOURCES = ["uploads/"]
        page = render(MARKDOWN, text=markdown(written))
        if key is None:
            assert page == markdown(written)
        else:
            assert Link.parse(page[5:-1]).open(get_tokens()).source == Source("s3", "photos", key)

    def test_on_a_real_bucket(
        self, settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str], server: Server
    ) -> None:
        bucket = s3_bucket()
        options = {**s3_server.storage_options, "bucket_name": bucket, "location": "media"}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        settings.THUMBNAIL_BUCKET, settings.THUMBNAIL_SOURCES = bucket, [f"s3://{bucket}"]
        settings.THUMBNAIL_TEXT_SOURCES = ["uploads/"]
        for folder in ("uploads", "private"):
            storages["default"].save(f"{folder}/a.jpg", ContentFile(picture((400, 300))))
        page = render(MARKDOWN, text=markdown("uploads/a.jpg"))
        assert server.get(page[5:-1]).status_code == 302
        for name in ("private/a.jpg", "uploads/../private/a.jpg", "/private/a.jpg"):
            assert render(MARKDOWN, text=markdown(name)) == markdown(name)

    @pytest.mark.makes_thumbnails
    def test_the_eager_mode(self, settings: Any, media: Any) -> None:
        """What the site makes itself is not looked up in THUMBNAIL_SOURCES, so that the filter decides."""
        settings.THUMBNAIL_DEBUG = False
        settings.THUMBNAIL_TEXT_SOURCES = ["uploads/"]
        for folder in ("uploads", "private"):
            storages["default"].save(f"{folder}/a.jpg", ContentFile(picture((400, 300))))
        text = markdown("uploads/a.jpg", "private/a.jpg", "uploads/../private/a.jpg", "uploads/gone.jpg")
        with eager_thumbnails():
            page = render(MARKDOWN, text=text)
            url = lazy("uploads/a.jpg", "500").url
        assert page == text.replace("uploads/a.jpg", url)
        assert len(list((media / "cache").rglob("*.jpg"))) == 1


@pytest.mark.usefixtures("media")
class TestSetting:
    def test_without_it_no_image_is_shown_and_one_warning_says_so(
        self, caplog: pytest.LogCaptureFixture, settings: Any
    ) -> None:
        settings.THUMBNAIL_TEXT_SOURCES = None
        render(MARKDOWN, text="no image")
        assert warnings(caplog) == []
        for _ in range(2):
            for template, text in both("uploads/a.jpg", "private/a.jpg"):
                assert render(template, text=text) == text
        (warning,) = warnings(caplog)
        assert "THUMBNAIL_TEXT_SOURCES" in warning
        assert "a.jpg" not in warning

    def test_a_site_that_wants_none_is_not_warned(
        self, caplog: pytest.LogCaptureFixture, settings: Any
    ) -> None:
        settings.THUMBNAIL_TEXT_SOURCES = []
        assert render(MARKDOWN, text=markdown("uploads/a.jpg")) == markdown("uploads/a.jpg")
        assert warnings(caplog) == []

    def test_a_function(self, settings: Any) -> None:
        settings.THUMBNAIL_TEXT_SOURCES = "tests.page.test_texts.is_upload"
        asked.clear()
        names = ("/media/uploads/a.jpg", "private/a.jpg", "uploads/../private/a.jpg", "uploads//a.jpg")
        page = render(MARKDOWN, text=markdown(*names))
        assert page == markdown(lazy("uploads/a.jpg", "500").url, *names[1:])
        # Names that may be read as others are not even asked about.
        assert asked == ["uploads/a.jpg", "private/a.jpg"]

    def test_a_function_that_allows_everything(self, settings: Any) -> None:
        settings.THUMBNAIL_TEXT_SOURCES = "tests.page.test_texts.is_anything"
        for name in ("../secret.jpg", "https://host.example.com/a.jpg", "/etc/passwd"):
            assert render(MARKDOWN, text=markdown(name)) == markdown(name)
        assert render(MARKDOWN, text=markdown("a.jpg")) == markdown(lazy("a.jpg", "500").url)

    def test_a_function_that_fails_allows_nothing(
        self, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.THUMBNAIL_TEXT_SOURCES = "tests.page.test_texts.fails"
        text = markdown("uploads/b.jpg", "uploads/a.jpg")
        with pytest.raises(LookupError):
            render(MARKDOWN, text=text)
        settings.THUMBNAIL_DEBUG = False
        assert render(MARKDOWN, text=text) == markdown("uploads/b.jpg", lazy("uploads/a.jpg", "500").url)
        assert [one.levelno for one in caplog.records] == [logging.ERROR]

    @pytest.mark.parametrize("path", ["no.such.function", "tests.page.test_texts.NOT_A_FUNCTION"])
    def test_a_function_that_cannot_be_used(
        self, settings: Any, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.THUMBNAIL_TEXT_SOURCES = path
        with pytest.raises(SettingError) as refused:
            check_text_sources()
        assert refused.value.id == "shrinkmeister.E031"
        assert "shrinkmeister.E031" in [message.id for message in run_checks()]
        assert path in refused.value.message
        settings.THUMBNAIL_DEBUG = False
        assert render(MARKDOWN, text=markdown("uploads/a.jpg")) == markdown("uploads/a.jpg")
        assert [one.levelno for one in caplog.records] == [logging.ERROR]

    def test_folders_end_with_a_slash(self, settings: Any) -> None:
        settings.THUMBNAIL_SOURCES = ["https://images.example.com/photos"]
        settings.THUMBNAIL_TEXT_SOURCES = ["uploads", "a/b/", "https://images.example.com"]
        assert get_config().text_sources == ("uploads/", "a/b/", "https://images.example.com/")


def test_with_sorls_backend_they_are_sorls(sorl: Sorl, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default.backend, "_wrapped", sorl.backend)
    url = sorl.get(photo, "500").url
    for template, text in both(photo):
        assert render(template, text=text) == text.replace(photo, url)


def test_they_are_in_both_libraries() -> None:
    for name in ("markdown_thumbnails", "html_thumbnails"):
        assert sorl_thumbnail.register.filters[name] is library.register.filters[name]
        assert library.register.filters[name] is getattr(library, name) is getattr(sorl_thumbnail, name)
        assert getattr(library, name) is not SORLS[name]


IN_SYNTAX = ("a.jpg", "/media/a b/c-d_e%20.jpg", "http://x:80/a", "-", " ")
NOT_IN_SYNTAX = ("", "a(b", "a?b", "ü", "a&b", "a\\b", "a#b", "a;b")


@pytest.mark.parametrize("alt", ["", 'A (b) "c", d: e; f/g_h-i! j?', "<b>", "ü", "a]b"])
@pytest.mark.parametrize("image", [*IN_SYNTAX, *NOT_IN_SYNTAX])
def test_the_syntax_is_sorls(
    settings: Any, media: Any, alt: str, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What sorl takes for an image is one here too, and nothing else is."""
    settings.THUMBNAIL_TEXT_SOURCES = "tests.page.test_texts.is_anything"
    monkeypatch.setattr("shrinkmeister.sorl_patches.texts._plain_name", lambda image, config: image)
    found: list[str] = []

    def get_thumbnail(file: str, geometry: str, **options: Any) -> Any:
        found.append(file)
        return SimpleNamespace(url=file)

    monkeypatch.setattr(library, "get_thumbnail", get_thumbnail)
    monkeypatch.setattr(
        ShrinkmeisterBackend, "get_thumbnail", lambda self, *args, **options: get_thumbnail(*args)
    )
    texts = {
        "markdown_thumbnails": (f"![{alt}]({image})", f"![{alt}] ({image})", f"[{alt}]({image})"),
        "html_thumbnails": (f'<img alt="{alt}" src="{image}">', f'<img src="{image}" alt="{alt}">'),
    }
    for name, of_filter in texts.items():
        for text in of_filter:
            SORLS[name](text)
            sorls = found.copy()
            found.clear()
            library.register.filters[name](text)
            assert found == sorls, text
            found.clear()
