"""A thumbnail as sorl's ImageFile: all public attributes of that, on all kinds of thumbnails."""

import base64
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from sorl.thumbnail import default, get_thumbnail
from sorl.thumbnail.helpers import ThumbnailError
from sorl.thumbnail.images import BaseImageFile, DummyImageFile, ImageFile

from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.exceptions import NotStoredError, ReadOnlyError, ShrinkmeisterError
from shrinkmeister.storage.buckets import S3_BACKEND
from shrinkmeister.thumbnails.thumbnail import Thumbnail
from tests.servers.s3 import S3Server
from tests.support.pages import lazy, render
from tests.support.pictures import picture, size_of
from tests.support.sides import Server
from tests.support.sorls import Sorl

pytestmark = pytest.mark.makes_thumbnails

SIZE = (1200, 800)
GEOMETRY, OPTIONS = "1200x800", {"crop": "center"}
# As sorl's classes have them; `name` and `storage` are set in the constructor.
PUBLIC = {
    name for one in (BaseImageFile, ImageFile, DummyImageFile) for name in dir(one) if name[0] != "_"
} | {"name", "storage"}
# What these do is another thing than with sorl, which tests below look at.
DIFFERENT = {"url", "src", "write", "delete"}
ARGUMENTS: dict[str, tuple[Any, ...]] = {"set_size": (), "flip_dimensions": ("an image",)}


class Engine:
    """Of sorl, for `flip_dimensions`."""

    def flip_dimensions(self, image: Any) -> bool:
        return bool(image == "an image")


def use(image: Any, name: str) -> Any:
    value = getattr(image, name)
    if name == "storage":
        return type(value), value.exists(image.name)
    return value(*ARGUMENTS.get(name, ())) if callable(value) else value


def copied(thumbnail: Thumbnail) -> Thumbnail:
    copy = pickle.loads(pickle.dumps(thumbnail))
    assert isinstance(copy, Thumbnail)
    return copy


def recorded(name: str, server: Server) -> Thumbnail:
    assert server.get(lazy(name, GEOMETRY, **OPTIONS).url).status_code == 302
    thumbnail = lazy(name, GEOMETRY, **OPTIONS)
    assert not thumbnail.lazy
    return thumbnail


def relative(settings: Any) -> None:
    """MEDIA_URL as most sites have it."""
    options = {**settings.STORAGES["default"]["OPTIONS"], "base_url": "/media/"}
    settings.STORAGES = {"default": {**settings.STORAGES["default"], "OPTIONS": options}}


def private(settings: Any, s3_server: S3Server, bucket: str, thumbnails: str | None = None) -> None:
    options = {**s3_server.storage_options, "bucket_name": bucket, "querystring_auth": True}
    settings.STORAGES = {"default": {"BACKEND": S3_BACKEND, "OPTIONS": options}}
    settings.THUMBNAIL_SOURCES = [f"s3://{bucket}"]
    settings.THUMBNAIL_BUCKET = thumbnails


KINDS = ("lazy", "found", "adopted", "eager", "private", "private, of a bucket apart", "private, lazy")


@pytest.fixture(params=KINDS)
def thumbnail(
    request: pytest.FixtureRequest,
    settings: Any,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
) -> Thumbnail:
    """Of each kind that has a file."""
    kind = str(request.param)
    if kind.startswith("private"):
        private(settings, s3_server, s3_bucket(), s3_bucket() if kind.endswith("apart") else None)
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
    name = storages["default"].save("photos/dawn.jpg", ContentFile(picture((400, 300))))
    if kind == "adopted":
        settings.THUMBNAIL_ADOPTED_BACKEND = "sorl.thumbnail.base.ThumbnailBackend"
        request.getfixturevalue("sorl").get(name, GEOMETRY, **OPTIONS)
        call_command("shrinkmeister", "adopt", verbosity=0)
    elif kind == "eager":
        relative(settings)
        with eager_thumbnails():
            return lazy(name, GEOMETRY, **OPTIONS)
    elif kind in ("found", "private", "private, of a bucket apart"):
        made = recorded(name, Server(settings))
        assert ("?" in made.url) is kind.startswith("private")
        return made
    found = lazy(name, GEOMETRY, **OPTIONS)
    assert found.lazy is kind.endswith("lazy")
    return found


@pytest.fixture
def elsewhere(settings: Any) -> dict[str, Thumbnail]:
    """Those that have no file of ours."""
    settings.THUMBNAIL_DEBUG = False
    unlisted = get_thumbnail("https://unlisted-5.example.com/a.jpg", "300")
    settings.THUMBNAIL_DUMMY = True
    dummy = get_thumbnail("a.jpg", "300x200")
    settings.THUMBNAIL_DUMMY = False
    return {"unlisted": unlisted, "dummy": dummy}


@pytest.mark.django_db(transaction=True)
class TestPublicAttributes:
    def test_each_says_what_sorls_says(self, thumbnail: Thumbnail, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(default.engine, "_wrapped", Engine())
        storage = thumbnail.storage
        names = PUBLIC - DIFFERENT
        if storage is not storages["default"]:
            # Plain names mean files of THUMBNAIL_STORAGE, which has not this one.
            names -= (nameless := {"name", "storage", "serialize"})
            for name in nameless:
                with pytest.raises(NotStoredError):
                    use(copied(thumbnail), name)
        ours = {name: use(copied(thumbnail), name) for name in sorted(names)}
        sorls = ImageFile(thumbnail.object_name, storage)
        sorls.set_size(SIZE)
        assert ours == {name: use(sorls, name) for name in names}

    @pytest.mark.parametrize("name", ["name", "read", "open", "serialize"])
    def test_the_file_is_made(self, photo: str, name: str) -> None:
        thumbnail = lazy(photo, GEOMETRY, **OPTIONS)
        assert not thumbnail.storage.exists(thumbnail.object_name)
        use(thumbnail, name)
        assert thumbnail.storage.exists(thumbnail.object_name)

    def test_reading(self, thumbnail: Thumbnail) -> None:
        assert size_of(copied(thumbnail).read()) == SIZE
        with thumbnail.open() as file:
            assert size_of(file.read()) == SIZE
        with pytest.raises(ReadOnlyError):
            thumbnail.open("wb")

    def test_deleting(self, thumbnail: Thumbnail) -> None:
        thumbnail.read()
        storage = thumbnail.storage
        assert storage.exists(thumbnail.object_name)
        copied(thumbnail).delete()
        assert not storage.exists(thumbnail.object_name)

    def test_writing_is_refused(self, thumbnail: Thumbnail) -> None:
        with pytest.raises(ThumbnailError) as refused:
            thumbnail.write(b"other bytes")
        assert isinstance(refused.value, ReadOnlyError)

    def test_urls(self, thumbnail: Thumbnail) -> None:
        copy = copied(thumbnail)
        assert copy.url == copy.src == thumbnail.url
        assert copy.url_of("2x") == thumbnail.url_of("2x")
        assert "@2x" in unquote(copy.url_of("2x"))

    def test_a_site_may_set_its_own(self, thumbnail: Thumbnail) -> None:
        thumbnail.title = "Dawn"  # type: ignore[attr-defined]
        assert render("{{ im.title }}", im=copied(thumbnail)) == "Dawn"
        assert copied(thumbnail) == thumbnail

    def test_sorls_key_value_store_takes_it(self, thumbnail: Thumbnail, sorl: Sorl) -> None:
        if thumbnail.storage is storages["default"]:
            default.kvstore.set(thumbnail)
            assert default.kvstore.get(thumbnail).size == list(SIZE)


class TestElsewhere:
    def test_each_attribute(self, elsewhere: dict[str, Thumbnail], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(default.engine, "_wrapped", Engine())
        size = {"unlisted": None, "dummy": [300, 200]}
        for kind, thumbnail in elsewhere.items():
            assert copied(thumbnail) == thumbnail
            assert (thumbnail.exists(), thumbnail.size) == (True, size[kind])
            assert thumbnail.url_of("2") == thumbnail.url
            for name in PUBLIC - DIFFERENT - set(dir(DummyImageFile("1x1"))) - {"set_size"}:
                if name not in ("flip_dimensions", "forget"):
                    with pytest.raises(ThumbnailError):
                        use(copied(thumbnail), name)
            for name in PUBLIC & (set(dir(DummyImageFile("1x1"))) | {"flip_dimensions", "forget"}):
                use(copied(thumbnail), name)


@pytest.mark.usefixtures("media")
class TestLazy:
    def test_a_size_that_is_not_certain_is_made(self, photo: str) -> None:
        thumbnail = lazy(photo, "302")
        assert (thumbnail.width, thumbnail.certain_size) == (None, None)
        assert thumbnail.size == [301, 226]
        assert (thumbnail.width, thumbnail.height, thumbnail.ratio) == (301, 226, 301 / 226)
        other = lazy(photo, "x151")
        other.set_size()
        assert other.height == 151

    def test_what_cannot_be_made_is_sorls_error(self) -> None:
        for name in ("size", "name", "read", "open", "serialize", "set_size"):
            with pytest.raises(ThumbnailError) as raised:
                use(lazy("photos/gone.jpg", "302"), name)
            assert isinstance(raised.value, NotStoredError)

    def test_one_that_is_lost_since_is_made_again(self, photo: str, media: Path, server: Server) -> None:
        before = lazy(photo)
        (media / recorded_name(photo, server)).unlink()
        assert size_of(before.read()) == (267, 200)

    def test_a_template_may_ask_whether_it_exists(self, photo: str) -> None:
        page = "{% if im.exists %}{{ im.url }}{% else %}placeholder{% endif %}"
        assert render(page, im=lazy(photo)) == lazy(photo).url


def recorded_name(name: str, server: Server) -> str:
    assert server.get(lazy(name).url).status_code == 302
    return lazy(name).object_name


ANOTHER_PROCESS = """
import base64, io, json, pickle, sys
from django.conf import settings
given = json.load(sys.stdin)
settings.configure(**given["settings"])
import django
django.setup()
from PIL import Image
from shrinkmeister.exceptions import NotStoredError
thumbnail = pickle.loads(base64.b64decode(given["pickle"]))
shown = {"url": thumbnail.url, "url of 2": thumbnail.url_of("2"), "exists": thumbnail.exists()}
for name in ("read", "name", "size"):
    try:
        value = getattr(thumbnail, name)
        shown[name] = Image.open(io.BytesIO(value())).size if name == "read" else value
    except NotStoredError as error:
        shown[name] = error.code
print(json.dumps(shown))
"""
NAMES = (
    "STORAGES",
    "THUMBNAIL_BUCKET",
    "THUMBNAIL_SECRET_KEY",
    "THUMBNAIL_SERVER_URL",
    "THUMBNAIL_ALTERNATIVE_RESOLUTIONS",
)


def in_another_process(thumbnail: Thumbnail, settings: Any) -> dict[str, Any]:
    given = {
        "pickle": base64.b64encode(pickle.dumps(thumbnail)).decode(),
        "settings": {
            **{name: getattr(settings, name) for name in NAMES if hasattr(settings, name)},
            "INSTALLED_APPS": ["shrinkmeister", "sorl.thumbnail"],
            "THUMBNAIL_BACKEND": "shrinkmeister.backend.ShrinkmeisterBackend",
            "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            "THUMBNAIL_CACHE_BACKEND": "django",
            "THUMBNAIL_CACHE_NAME": "default",
        },
    }
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS], input=json.dumps(given), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


@pytest.mark.outside
@pytest.mark.django_db(transaction=True)
class TestAnotherProcess:
    def test_of_each_kind(self, thumbnail: Thumbnail, settings: Any) -> None:
        apart = thumbnail.storage is not storages["default"]
        shown = in_another_process(thumbnail, settings)
        signed = shown.pop("url of 2").partition("?")
        here = thumbnail.url_of("2").partition("?")
        assert signed[:2] == here[:2]
        assert shown == {
            "url": thumbnail.url,
            "exists": True,
            "read": list(SIZE),
            "name": "not-stored" if apart else thumbnail.object_name,
            "size": list(SIZE),
        }

    def test_elsewhere(self, elsewhere: dict[str, Thumbnail], settings: Any) -> None:
        for kind, thumbnail in elsewhere.items():
            shown = in_another_process(thumbnail, settings)
            assert (shown["url"], shown["url of 2"], shown["exists"]) == (
                thumbnail.url,
                thumbnail.url,
                True,
            )
            assert (shown["name"], shown["read"]) == ("not-stored", "not-stored")
            assert shown["size"] == (None if kind == "unlisted" else [300, 200])


def test_errors_carry_codes() -> None:
    def below(kind: type[ShrinkmeisterError]) -> list[type[ShrinkmeisterError]]:
        return [kind, *(one for sub in kind.__subclasses__() for one in below(sub))]

    codes: dict[str, str] = {}
    for kind in below(ShrinkmeisterError):
        if kind.__module__ == "shrinkmeister.exceptions":
            assert codes.setdefault(kind.code, kind.__name__) == kind.__name__
