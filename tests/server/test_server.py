"""The thumbnail server, asked in this process, on a folder: what it makes, and what it answers."""

import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from PIL import Image, ImageCms, ImageStat
from sorl.thumbnail import get_thumbnail
from sorl.thumbnail.conf import defaults as sorl_defaults
from sorl.thumbnail.engines.pil_engine import Engine as PilEngine

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cache.coordination import Coordination
from shrinkmeister.cache.record_store import RecordStore
from shrinkmeister.conf import DAY, get_tokens, reset_on_setting_change
from shrinkmeister.exceptions import DriverError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.django_storage import DjangoThumbnailStorage
from shrinkmeister_server import health, pipeline, served, views
from shrinkmeister_server.health import HEALTH_SECONDS, Health, Report, examine
from shrinkmeister_server.loaders import load as sources
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering import render as rendering
from shrinkmeister_server.request import Request
from tests.support.pictures import picture, size_of
from tests.support.profiles import profile, rgb
from tests.support.sides import Server

TIME = "shrinkmeister_server.pipeline.time"
MEDIA_URL = "https://example.com/media/"


def asked(spec: ThumbnailSpec) -> Request:
    return Request(spec, Timing())


def url_of(spec: ThumbnailSpec) -> str:
    return f"/{get_tokens().encrypt(spec)}.{spec.extension}"


def spec_of(name: str = "photos/dawn.jpg", geometry: str = "300x200", **options: Any) -> ThumbnailSpec:
    return ThumbnailSpec(Source("storage", "default", name), geometry, options or {"crop": "center"})


def stored(media: Path, answer: Any) -> bytes:
    """The file that a redirect leads to."""
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(MEDIA_URL)
    return (media / str(answer["Location"]).removeprefix(MEDIA_URL)).read_bytes()


def save(name: str, data: bytes) -> str:
    return storages["default"].save(name, ContentFile(data))


class TestMaking:
    def test_the_whole_way(self, server: Server, media: Path, photo: str) -> None:
        """A lazy URL of a page, a redirect to the thumbnail, and the next page has the final URL."""
        lazy = get_thumbnail(photo, "300x200", crop="center")
        answer = server.get(lazy.url)
        assert size_of(stored(media, answer)) == (300, 200)
        final = get_thumbnail(photo, "300x200", crop="center")
        assert not final.lazy
        assert final.url == answer["Location"]
        assert (final.width, final.height) == (300, 200)

    def test_it_is_the_picture_that_sorl_makes(self, server: Server, media: Path, photo: str) -> None:
        from sorl.thumbnail.engines.pil_engine import Engine

        options = spec_of(crop="10px 5px", quality=60).full_options()
        engine = Engine()
        image = engine.get_image((media / photo).open("rb"))
        image = engine.create(image, (300, 200), options)
        expected = engine._get_raw_data(image, "JPEG", 60, image_info={}, progressive=True)
        assert stored(media, server.get(url_of(spec_of(crop="10px 5px", quality=60)))) == expected

    @pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP"])
    def test_formats(self, server: Server, media: Path, photo: str, format: str) -> None:
        answer = server.get(url_of(spec_of(format=format)))
        with Image.open(BytesIO(stored(media, answer))) as image:
            assert image.format == format

    def test_once_made_never_again(
        self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = url_of(spec_of())
        first = server.get(url)
        monkeypatch.setattr(pipeline, "load", lambda *args, **options: pytest.fail("fetched again"))
        monkeypatch.setattr(DjangoThumbnailStorage, "find", lambda *args: pytest.fail("asked the storage"))
        assert server.get(url)["Location"] == first["Location"]

    def test_a_lost_record_is_written_again(
        self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = url_of(spec_of())
        first = server.get(url)
        caches["shrinkmeister"].clear()
        assert get_thumbnail(photo, "300x200", crop="center").lazy
        monkeypatch.setattr(pipeline, "load", lambda *args, **options: pytest.fail("made again"))
        assert server.get(url)["Location"] == first["Location"]
        assert not get_thumbnail(photo, "300x200", crop="center").lazy
        # Others may have been lost with it, for as long as records live.
        assert get_shared_cache().coordination.look_up(spec_of()).complete is False

    def test_an_old_one_is_made_again_instead(
        self, server: Server, media: Path, photo: str, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that the bucket is about to delete."""
        settings.THUMBNAIL_EXPIRE_DAYS = 30
        url = url_of(spec_of())
        name = get_thumbnail(photo, "300x200", crop="center").object_name
        server.get(url)
        made = Mock(wraps=rendering.render)
        monkeypatch.setattr(pipeline, "render", made)
        for age, times in ((28.9, 0), (29.1, 1)):
            caches["shrinkmeister"].clear()
            then = time.time() - age * DAY
            os.utime(media / name, (then, then))
            assert server.get(url).status_code == 302
            assert made.call_count == times

    def test_the_allow_list_bounds_what_is_read_and_made(
        self, server: Server, photo: str, settings: Any
    ) -> None:
        """A stored thumbnail of a source that is no longer listed stays, also without its record."""
        first = server.get(url_of(spec_of()))
        settings.THUMBNAIL_SOURCES = ["storage://default/elsewhere/"]
        assert server.get(url_of(spec_of()))["Location"] == first["Location"]
        caches["shrinkmeister"].clear()
        assert server.get(url_of(spec_of()))["Location"] == first["Location"]
        assert server.get(url_of(spec_of(geometry="200x100"))).status_code == 403
        get_thumbnail_storage().delete([get_thumbnail(photo, "300x200", crop="center").object_name])
        get_shared_cache().records.forget(spec_of().source, [])
        caches["shrinkmeister"].clear()
        assert server.get(url_of(spec_of())).status_code == 403

    def test_a_thumbnail_outlives_its_source(self, server: Server, media: Path, photo: str) -> None:
        url = url_of(spec_of())
        first = server.get(url)
        (media / photo).unlink()
        get_shared_cache().records.forget(spec_of().source, [first["Location"]])
        assert server.get(url)["Location"] == first["Location"]
        thumbnail = get_thumbnail(photo, "300x200", crop="center")
        assert not thumbnail.lazy
        (media / thumbnail.object_name).unlink()
        get_shared_cache().records.forget(spec_of().source, [thumbnail.object_name])
        assert server.get(url).status_code == 404

    def test_a_cache_that_takes_no_writes(
        self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full Redis, a replica: what it does not know, nobody could tell it."""
        first = server.get(url_of(spec_of()))
        cache = get_shared_cache()
        cache.records.forget(spec_of().source, [first["Location"]])

        def refuse(*args: Any, **kwargs: Any) -> None:
            raise DriverError("OOM command not allowed")

        for name in ("add", "set", "set_many"):
            monkeypatch.setattr(cache.connection.driver, name, refuse)
        monkeypatch.setattr(pipeline, "load", lambda *args, **options: pytest.fail("made again"))
        assert server.get(url_of(spec_of()))["Location"] == first["Location"]

    def test_what_a_record_was_of_is_made_again_when_it_has_ended(
        self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So an object is always younger than its record: rules that expire objects can be relied on."""
        url = url_of(spec_of())
        first = server.get(url)
        get_shared_cache().records.forget(spec_of().source, [first["Location"]])
        monkeypatch.setattr(served, "find_stored", lambda spec: pytest.fail("asked the bucket"))
        made = Mock(wraps=rendering.render)
        monkeypatch.setattr(pipeline, "render", made)
        assert server.get(url)["Location"] == first["Location"]
        made.assert_called_once()

    def test_a_source_that_is_turned(self, server: Server, media: Path) -> None:
        save("turned.jpg", picture((400, 300), orientation=6))
        answer = server.get(url_of(spec_of("turned.jpg", "150", upscale=True, quality=90)))
        assert size_of(stored(media, answer)) == (150, 200)
        # The page now knows how the source lies, and predicts the next size rightly.
        assert get_thumbnail("turned.jpg", "60").certain_size == (60, 80)

    def test_head_is_a_get_without_a_body(self, server: Server, photo: str) -> None:
        answer = server.head(url_of(spec_of()))
        assert answer.status_code == 302
        assert answer["Location"] == server.get(url_of(spec_of()))["Location"]
        assert answer.content == b""

    def test_the_engine_is_a_setting(self, server: Server, media: Path, photo: str, settings: Any) -> None:
        settings.THUMBNAIL_ENGINE = "tests.server.test_server.UpsideDownEngine"
        upside_down = stored(media, server.get(url_of(spec_of(format="PNG"))))
        storages["default"].delete(server.get(url_of(spec_of(format="PNG")))["Location"][len(MEDIA_URL) :])
        get_shared_cache().records.forget(spec_of().source, [])
        settings.THUMBNAIL_ENGINE = "sorl.thumbnail.engines.pil_engine.Engine"
        settings.THUMBNAIL_CACHE_KEY_PREFIX = "again:"
        upright = stored(media, server.get(url_of(spec_of(format="PNG"))))
        assert (
            Image.open(BytesIO(upside_down)).rotate(180).tobytes() == Image.open(BytesIO(upright)).tobytes()
        )

    @pytest.mark.parametrize("engine", ["pil_engine", "vips_engine"])
    @pytest.mark.parametrize("orientation", [1, 6])
    def test_engines_of_sorl(
        self, server: Server, media: Path, settings: Any, engine: str, orientation: int
    ) -> None:
        settings.THUMBNAIL_ENGINE = f"sorl.thumbnail.engines.{engine}.Engine"
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        save("a.jpg", picture((400, 300), orientation=orientation))
        size = (100, 75) if orientation == 1 else (100, 133)
        for geometry, options, expected in (
            ("100", {}, size),
            ("100x100", {"crop": "center"}, (100, 100)),
            ("100x80", {"padding": True, "format": "PNG"}, (100, 80)),
        ):
            spec = ThumbnailSpec(Source("storage", "default", "a.jpg"), geometry, options)
            assert size_of(stored(media, server.get(url_of(spec)))) == expected
        # The size of the source was read rightly too.
        assert get_thumbnail("a.jpg", "40").certain_size == ((40, 30) if orientation == 1 else (40, 53))

    def test_an_engine_that_runs_another_program(
        self, server: Server, media: Path, photo: str, settings: Any, graphicsmagick: str
    ) -> None:
        settings.THUMBNAIL_ENGINE = "sorl.thumbnail.engines.convert_engine.Engine"
        settings.THUMBNAIL_CONVERT = f"{graphicsmagick} convert"
        settings.THUMBNAIL_IDENTIFY = f"{graphicsmagick} identify"
        data = stored(media, server.get(url_of(spec_of())))
        assert size_of(data) == (300, 200)
        with Image.open(BytesIO(data)) as image, Image.open(media / photo) as original:
            seen, expected = (ImageStat.Stat(i.convert("L")).mean[0] for i in (image, original))
        assert abs(seen - expected) < 8  # about as bright: it is that picture

    def test_a_redirect_may_be_kept_for_a_while_and_no_longer(
        self, server: Server, photo: str, settings: Any
    ) -> None:
        assert server.get(url_of(spec_of()))["Cache-Control"] == "public, max-age=300"
        settings.THUMBNAIL_REDIRECT_MAX_AGE = 10
        assert server.get(url_of(spec_of()))["Cache-Control"] == "public, max-age=10"

    @pytest.mark.outside
    def test_the_server_works_without_a_cache(
        self, server: Server, media: Path, photo: str, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.THUMBNAIL_CACHE_BACKEND = "redis"
        settings.THUMBNAIL_CACHE_NAME = "of-its-own"
        settings.THUMBNAIL_CACHE_LOCATION = "redis://127.0.0.1:1/0"
        assert size_of(stored(media, server.get(url_of(spec_of())))) == (300, 200)
        assert [r.name for r in caplog.records] == ["shrinkmeister.cache.connection"]


class TestSafely:
    """What must hold at each moment, whatever comes between."""

    def test_the_thumbnail_is_stored_after_its_resolutions_and_recorded_after_that(
        self, server: Server, photo: str, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
        done: list[str] = []
        save, keep = DjangoThumbnailStorage.save, RecordStore.save

        def saved(self: Any, name: str, *args: Any) -> None:
            save(self, name, *args)
            done.append(name.rpartition("/")[2][32:])

        def kept(self: Any, *args: Any) -> None:
            keep(self, *args)
            done.append("record")

        monkeypatch.setattr(DjangoThumbnailStorage, "save", saved)
        monkeypatch.setattr(RecordStore, "save", kept)
        assert server.get(url_of(spec_of())).status_code == 302
        assert done == ["@1.5x.jpg", "@2x.jpg", ".jpg", "record"]

    def test_a_failed_save_leaves_nothing_and_no_record(
        self, server: Server, media: Path, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("shrinkmeister.storage.django_storage.os.replace", full)
        assert server.get(url_of(spec_of())).status_code == 502
        assert [path.name for path in media.rglob("*") if path.is_file()] == ["dawn.jpg"]
        assert get_thumbnail(photo, "300x200", crop="center").lazy

    def test_a_file_is_there_whole_or_not_at_all(
        self, server: Server, media: Path, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody sees it under its name before it is written."""
        storage_class: Any = FileSystemStorage
        save, seen = storage_class._save, []

        def slow(self: Any, name: str, content: Any) -> Any:
            seen.append(name.rpartition("/")[2])
            return save(self, name, content)

        monkeypatch.setattr(FileSystemStorage, "_save", slow)
        server.get(url_of(spec_of()))
        assert len(seen) == 1
        assert seen[0].startswith("part-")

    def test_made_by_another_server_just_before_our_lock(
        self, server: Server, media: Path, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock, made = Coordination.lock, Mock(wraps=rendering.render)

        def late(self: Coordination, spec: ThumbnailSpec, seconds: int) -> bool | None:
            monkeypatch.setattr(Coordination, "lock", lock)
            pipeline.make_for_site(spec)
            return lock(self, spec, seconds)

        monkeypatch.setattr(Coordination, "lock", late)
        monkeypatch.setattr(pipeline, "render", made)
        assert size_of(stored(media, server.get(url_of(spec_of())))) == (300, 200)
        made.assert_called_once()


class TestAsSorlDoes:
    def test_a_profile_of_colours_is_kept(self, server: Server, media: Path) -> None:
        """Written anew: tests/server/engines/test_profiles.py. Browsers assume sRGB without a profile."""
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        for name, icc, kept in (("a.jpg", profile(rgb()), True), ("b.jpg", srgb, False)):
            save(name, picture(icc_profile=icc))
            with Image.open(BytesIO(stored(media, server.get(url_of(spec_of(name)))))) as image:
                assert ("icc_profile" in image.info) == kept

    def test_flattening_is_the_specs_decision(self, server: Server, media: Path, settings: Any) -> None:
        settings.THUMBNAIL_FLATTEN = True  # as on the server; the site's decision stands in the spec
        save("a.png", picture(format="PNG", mode="RGBA"))
        corners: list[Any] = []
        for flatten in (True, False):
            data = stored(media, server.get(url_of(spec_of("a.png", flatten=flatten, quality=100))))
            with Image.open(BytesIO(data)) as image:
                corners.append(image.convert("L").getpixel((1, 1)))
        assert corners[0] > 200  # transparent there: white
        assert corners[1] < 50  # what is stored under it: dark

    def test_engines_are_prepared_and_cleaned_up(self, server: Server, photo: str, settings: Any) -> None:
        settings.THUMBNAIL_ENGINE = "tests.server.test_server.TellingEngine"
        TellingEngine.told.clear()
        server.get(url_of(spec_of()))
        server.get(url_of(spec_of(crop="sideways")))
        assert TellingEngine.told == ["prepare", "cleanup"] * 2

    def test_an_engine_that_writes_nothing(
        self, server: Server, media: Path, photo: str, settings: Any
    ) -> None:
        settings.THUMBNAIL_ENGINE = "tests.server.test_server.SilentEngine"
        assert server.get(url_of(spec_of())).status_code == 422
        assert not (media / "cache").exists()


class TestResolutions:
    @pytest.fixture(autouse=True)
    def _resolutions(self, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]

    def at(self, resolution: str) -> str:
        return url_of(spec_of()).replace(".jpg", f"@{resolution}x.jpg")

    def test_all_are_there_after_the_first_is_asked_for(
        self, server: Server, media: Path, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetch = Mock(wraps=sources.load)
        monkeypatch.setattr(pipeline, "load", fetch)
        assert size_of(stored(media, server.get(self.at("2")))) == (600, 400)
        assert size_of(stored(media, server.get(self.at("1.5")))) == (450, 300)
        assert size_of(stored(media, server.get(url_of(spec_of())))) == (300, 200)
        fetch.assert_called_once()

    def test_sorls_filter_leads_to_them(self, server: Server, media: Path, photo: str) -> None:
        from sorl.thumbnail.templatetags.thumbnail import resolution

        lazy = get_thumbnail(photo, "300x200", crop="center")
        answer = server.get(resolution(lazy.url, "2x"))
        final = get_thumbnail(photo, "300x200", crop="center")
        assert resolution(final.url, "2x") == answer["Location"]
        assert size_of(stored(media, answer)) == (600, 400)

    @pytest.mark.parametrize("resolution", ["3", "2.0", "1", "0", "."])
    def test_others_are_not_made(self, server: Server, media: Path, photo: str, resolution: str) -> None:
        answer = server.get(self.at(resolution))
        assert answer.status_code == 404
        assert not (media / "cache").exists()

    def test_one_that_is_listed_later_is_made_then(
        self, server: Server, media: Path, photo: str, settings: Any
    ) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        server.get(self.at("2"))
        assert not get_thumbnail(photo, "300x200", crop="center").lazy
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2, 3]
        assert get_thumbnail(photo, "300x200", crop="center").lazy
        assert size_of(stored(media, server.get(self.at("3")))) == (900, 600)
        assert not get_thumbnail(photo, "300x200", crop="center").lazy


class TestErrors:
    def check(self, answer: Any, status: int, caplog: pytest.LogCaptureFixture, logged: str = "") -> None:
        assert answer.status_code == status, answer.content
        assert answer["Cache-Control"] == "no-store"
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert answer["X-Content-Type-Options"] == "nosniff"
        body = answer.content.decode()
        assert len(body) < 120
        assert "Traceback" not in body
        assert "photos/" not in body
        if logged:
            (line,) = [
                r.getMessage()
                for r in caplog.records
                if r.name == "shrinkmeister_server.observability.access_log"
            ]
            assert line.startswith(f"{status} {logged} ")
            assert "photos/" not in line

    def test_a_token_of_somebody_else(self, server: Server, settings: Any, caplog: Any) -> None:
        url = url_of(spec_of())
        settings.THUMBNAIL_SECRET_KEY = "another secret, which is long enough too"
        self.check(server.get(url), 403, caplog, "TokenError")

    def test_a_former_secret_still_opens(self, server: Server, photo: str, settings: Any) -> None:
        url = url_of(spec_of())
        settings.THUMBNAIL_SECRET_KEY_FALLBACKS = [settings.THUMBNAIL_SECRET_KEY]
        settings.THUMBNAIL_SECRET_KEY = "another secret, which is long enough too"
        assert server.get(url).status_code == 302

    def test_a_changed_token(self, server: Server, caplog: Any) -> None:
        url = url_of(spec_of())
        self.check(
            server.get(url[:20] + ("A" if url[20] != "A" else "B") + url[21:]), 403, caplog, "TokenError"
        )

    def test_another_extension(self, server: Server, photo: str, caplog: Any) -> None:
        self.check(server.get(url_of(spec_of()).replace(".jpg", ".png")), 403, caplog, "TokenError")

    def test_an_expired_token(self, server: Server, settings: Any, caplog: Any) -> None:
        from shrinkmeister.protocol.tokens import Tokens

        token = Tokens([settings.THUMBNAIL_SECRET_KEY], 60, lambda: 1_000_000).encrypt(spec_of())
        self.check(server.get(f"/{token}.jpg"), 410, caplog, "TokenExpiredError")

    @pytest.mark.usefixtures("media")
    def test_no_source(self, server: Server, caplog: Any) -> None:
        self.check(server.get(url_of(spec_of("photos/gone.jpg"))), 404, caplog, "SourceMissingError")

    @pytest.mark.usefixtures("photo")
    def test_a_folder_is_no_source(self, server: Server, caplog: Any) -> None:
        self.check(server.get(url_of(spec_of("photos"))), 404, caplog, "SourceMissingError")

    @pytest.mark.usefixtures("photo")
    @pytest.mark.parametrize(
        "source",
        [
            Source("storage", "other", "photos/dawn.jpg"),
            Source("s3", "photos", "photos/dawn.jpg"),
            Source("https", "images.example.com", "photos/dawn.jpg"),
            Source("http", "169.254.169.254", "latest/meta-data/"),
            Source("storage", "default", "private/photos/dawn.jpg"),
            Source("storage", "default", "photos/../photos/dawn.jpg"),
            Source("storage", "default", "/etc/passwd"),
        ],
        ids=str,
    )
    def test_sources_that_the_list_does_not_name(
        self, server: Server, settings: Any, caplog: Any, source: Source
    ) -> None:
        """A genuine token opens nothing beyond the list."""
        settings.THUMBNAIL_SOURCES = ["storage://default/photos/"]
        answer = server.get(url_of(ThumbnailSpec(source, "300x200")))
        self.check(answer, 403, caplog, "SourceNotAllowedError")

    def test_options_that_the_engine_refuses(self, server: Server, photo: str, caplog: Any) -> None:
        self.check(server.get(url_of(spec_of(crop="sideways"))), 422, caplog, "SourceInvalidError")

    def test_too_many_bytes(self, server: Server, photo: str, settings: Any, caplog: Any) -> None:
        settings.THUMBNAIL_MAX_SOURCE_BYTES = 100
        self.check(server.get(url_of(spec_of())), 413, caplog, "SourceTooLargeError")

    def test_a_storage_that_fails(self, server: Server, media: Path, photo: str, caplog: Any) -> None:
        (media / "cache").write_bytes(b"a file where the folder should be")
        answer = server.get(url_of(spec_of()))
        self.check(answer, 502, caplog, "StorageError")
        assert answer["Retry-After"] == "10"
        assert get_thumbnail(photo, "300x200", crop="center").lazy

    def test_a_server_that_is_set_up_wrongly(
        self, server: Server, photo: str, settings: Any, caplog: Any
    ) -> None:
        settings.THUMBNAIL_ENGINE = "no.such.Engine"
        self.check(server.get(url_of(spec_of())), 500, caplog, "SettingError")
        (line,) = [
            r.getMessage()
            for r in caplog.records
            if r.name == "shrinkmeister_server.observability.access_log"
        ]
        assert "THUMBNAIL_ENGINE is 'no.such.Engine'" in line

    def test_a_relative_base_url_is_no_place_to_redirect_to(
        self, server: Server, media: Path, photo: str, settings: Any, caplog: Any
    ) -> None:
        settings.STORAGES = {
            "default": {
                "BACKEND": "django.core.files.storage.FileSystemStorage",
                "OPTIONS": {"location": str(media), "base_url": "/media/"},
            }
        }
        self.check(server.get(url_of(spec_of())), 500, caplog, "SettingError")

    def test_what_nobody_thought_of(
        self, server: Server, photo: str, caplog: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pipeline, "load", Mock(side_effect=RuntimeError("secret detail")))
        answer = server.get(url_of(spec_of()))
        self.check(answer, 500, caplog)
        assert b"secret detail" not in answer.content

    @pytest.mark.parametrize("path", ["", "favicon", "a/b.jpg", "x.y.jpg", "@2x.jpg", "%00.jpg", "é.jpg"])
    def test_paths_that_are_none_of_ours(self, server: Server, path: str, caplog: Any) -> None:
        self.check(server.get(path), 404, caplog)

    def test_a_path_that_is_too_long(self, server: Server, caplog: Any) -> None:
        self.check(server.get("A" * 100_000 + ".jpg"), 403, caplog, "TokenError")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
    def test_other_methods(self, server: Server, photo: str, method: str) -> None:
        answer = server.ask(method, url_of(spec_of()))
        assert answer.status_code == 405
        assert answer["Allow"] == "GET, HEAD, OPTIONS"
        assert answer["Cache-Control"] == "no-store"

    def test_another_host(self, server: Server, settings: Any) -> None:
        settings.ALLOWED_HOSTS = ["elsewhere.example.com"]
        assert server.get("/nothing").status_code == 400

    def test_json_for_those_who_ask_for_it(self, server: Server, photo: str) -> None:
        answer = server.get("/AAAA.jpg", accept="application/json")
        assert answer["Content-Type"] == "application/json"
        assert json.loads(answer.content) == {
            "status": 403,
            "error": "This URL was not made by a client of this server.",
            "code": "token",
        }
        browser = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
        assert server.get("/AAAA.jpg", accept=browser)["Content-Type"].startswith("text/plain")


class Time:
    """Stands for the module: pausing takes no time, and something happens meanwhile."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.now = 0.0
        self._meanwhile = meanwhile

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._meanwhile()


class TestOnce:
    def test_the_lock_is_let_go_of(self, server: Server, photo: str) -> None:
        server.get(url_of(spec_of()))
        server.get(url_of(spec_of("photos/gone.jpg")))
        for name in (photo, "photos/gone.jpg"):
            assert get_shared_cache().coordination.lock(spec_of(name), 30)

    def test_another_server_is_waited_for(
        self, server: Server, media: Path, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = spec_of()
        assert get_shared_cache().coordination.lock(spec, 30)  # another server has it

        def finish() -> None:
            get_shared_cache().coordination.unlock(spec)
            pipeline.make_for_site(spec)

        monkeypatch.setattr(TIME, Time(finish))
        made = Mock(wraps=rendering.render)
        monkeypatch.setattr(pipeline, "render", made)
        assert size_of(stored(media, server.get(url_of(spec)))) == (300, 200)
        made.assert_called_once()

    def test_it_is_made_when_the_other_server_is_gone(
        self, server: Server, media: Path, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = spec_of()
        assert get_shared_cache().coordination.lock(spec, 30)
        monkeypatch.setattr(TIME, Time(lambda: get_shared_cache().coordination.unlock(spec)))
        assert size_of(stored(media, server.get(url_of(spec)))) == (300, 200)

    def test_waiting_is_bounded(
        self, server: Server, media: Path, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert get_shared_cache().coordination.lock(spec_of(), 3000)
        time = Time()
        monkeypatch.setattr(TIME, time)
        assert size_of(stored(media, server.get(url_of(spec_of())))) == (300, 200)
        assert 15 <= time.now < 15.3
        assert not get_shared_cache().coordination.lock(spec_of(), 30), "another server's lock was released"


class TestLiveness:
    """`/livez` is answered while cache, bucket and engine are dead, and asks none of them."""

    @pytest.mark.usefixtures("media")
    @pytest.mark.parametrize("host", ["thumbs.example.com", "10.0.0.5:8001", "[fd00::5]:8001", "_"])
    def test_any_host(
        self, server: Server, host: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        for name in ("get_shared_cache", "get_thumbnail_storage", "get_engine"):
            monkeypatch.setattr(health, name, Mock(side_effect=AssertionError(name)))
        for answer in (server.get("/livez", host=host), server.head("/livez", host=host)):
            assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        assert server.get("/livez", host=host).content == b"ok\n"
        assert caplog.records == []
        assert server.ask("POST", "/livez", host=host).status_code == 405


class TestReports:
    """How often a process examines its health."""

    def test_one_in_some_seconds(self) -> None:
        clock, reports = Time(), iter("abc")
        kept = Health(lambda: {"x": next(reports)}, clock.monotonic)
        seen = []
        for seconds in (0, HEALTH_SECONDS - 1, 1, HEALTH_SECONDS - 1, 1):
            clock.now += seconds
            seen.append(kept.report()["x"])
        assert seen == ["a", "a", "b", "b", "c"]

    def test_those_who_ask_meanwhile_get_the_former_one(self) -> None:
        clock, entered, leave = Time(), threading.Event(), threading.Event()
        reports = iter("ab")

        def examine() -> Report:
            name = next(reports)
            if name == "b":
                entered.set()
                assert leave.wait(60)
            return {"x": name}

        kept = Health(examine, clock.monotonic)
        assert kept.report()["x"] == "a"
        clock.now += HEALTH_SECONDS
        with ThreadPoolExecutor(1) as threads:
            next_one = threads.submit(kept.report)
            assert entered.wait(60)
            assert kept.report()["x"] == "a"
            leave.set()
            assert next_one.result()["x"] == "b"

    def test_those_who_come_first_wait_for_the_first_one(self) -> None:
        reports, asking = iter("a"), threading.Barrier(8)
        kept = Health(lambda: {"x": next(reports)})

        def ask() -> str:
            asking.wait(60)
            return kept.report()["x"]

        with ThreadPoolExecutor(8) as threads:
            assert [one.result() for one in [threads.submit(ask) for _ in range(8)]] == ["a"] * 8


class TestHealth:
    @pytest.mark.usefixtures("media")
    def test_a_load_balancer_asks_by_address(self, server: Server) -> None:
        assert server.get("/healthz", host="10.0.0.5:8001").status_code == 200

    @pytest.mark.usefixtures("media")
    @pytest.mark.parametrize("works", [True, False])
    def test_examined_once(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, works: bool, caplog: Any
    ) -> None:
        clock = Mock(return_value=100.0)
        monkeypatch.setattr(health, "get_health", reset_on_setting_change(lambda: Health(examine, clock)))
        monkeypatch.setattr(views, "get_health", health.get_health)
        check = Mock(side_effect=None if works else RuntimeError("a surprise"))
        monkeypatch.setattr(get_shared_cache().connection, "check", check)
        for ask in (server.get, server.head, server.get):
            assert ask("/healthz").status_code == (200 if works else 503)
        assert check.call_count == 1
        # Each bad answer has its line; what was found unexpectedly has a traceback, once.
        names = [record.name for record in caplog.records if record.name != "django.request"]
        access, surprise = "shrinkmeister_server.observability.access_log", "shrinkmeister_server.health"
        assert names == ([] if works else [surprise, access, access, access])
        clock.return_value += HEALTH_SECONDS
        server.get("/healthz")
        assert check.call_count == 2

    @pytest.mark.usefixtures("media")
    def test_well(self, server: Server) -> None:
        answer = server.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"cache": "ok", "bucket": "ok", "engine": "ok"})
        assert answer["Cache-Control"] == "no-store"

    @pytest.mark.outside
    @pytest.mark.usefixtures("media")
    def test_no_cache(self, server: Server, settings: Any, caplog: Any) -> None:
        settings.THUMBNAIL_CACHE_BACKEND = "memcached"
        settings.THUMBNAIL_CACHE_NAME = "of-its-own"
        settings.THUMBNAIL_CACHE_LOCATION = "127.0.0.1:1"
        answer = server.get("/healthz")
        assert (answer.status_code, answer.json()) == (
            503,
            {"cache": "failed", "bucket": "ok", "engine": "ok"},
        )
        assert "refused" in caplog.text

    @pytest.mark.outside
    def test_no_bucket(self, server: Server, settings: Any, caplog: Any) -> None:
        settings.THUMBNAIL_BUCKET = "thumbs"
        settings.AWS_S3_ENDPOINT_URL = "http://127.0.0.1:1"
        settings.AWS_S3_ACCESS_KEY_ID = settings.AWS_S3_SECRET_ACCESS_KEY = "x"
        answer = server.get("/healthz")
        assert (answer.status_code, answer.json()) == (
            503,
            {"cache": "ok", "bucket": "failed", "engine": "ok"},
        )
        assert "thumbs" in caplog.text

    @pytest.mark.usefixtures("media")
    def test_no_engine(self, server: Server, settings: Any, caplog: Any) -> None:
        settings.THUMBNAIL_ENGINE = "misspelled.Engine"
        answer = server.get("/healthz")
        assert (answer.status_code, answer.json()) == (
            503,
            {"cache": "ok", "bucket": "ok", "engine": "failed"},
        )
        assert "misspelled.Engine" in caplog.text


class UpsideDownEngine(PilEngine):  # type: ignore[misc]  # sorl has no types
    """An engine of a site's own."""

    def create(self, image: Any, geometry: Any, options: Any) -> Any:
        return super().create(image, geometry, options).rotate(180)


class TellingEngine(PilEngine):  # type: ignore[misc]  # sorl has no types
    told: list[str] = []

    def prepare(self, image: Any, options: Any) -> Any:
        self.told.append("prepare")
        # sorl's convert engine asks for sRGB then, and for linear RGB where somebody asked for "RGB".
        assert isinstance(options["colorspace"], sorl_defaults.DefaultRGB)
        return super().prepare(image, options)

    def cleanup(self, image: Any) -> None:
        self.told.append("cleanup")


class SilentEngine(PilEngine):  # type: ignore[misc]  # sorl has no types
    def _get_raw_data(self, *args: Any, **kwargs: Any) -> None:
        """As sorl's own does when Pillow's first try has failed."""
