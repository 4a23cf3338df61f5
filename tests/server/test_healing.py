"""What was lost comes back: records, thumbnails that are recorded, and sources that come late."""

import logging
import time
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from sorl.thumbnail import delete, get_thumbnail

from shrinkmeister.backend import make_spec
from shrinkmeister.cache import SharedCache, get_shared_cache
from shrinkmeister.cache.coordination import Coordination
from shrinkmeister.conf import DAY, SettingError, get_config, get_tokens
from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.exceptions import (
    DriverError,
    OverloadError,
    SourceInvalidError,
    SourceTooLargeError,
    SourceTooSlowError,
    StorageError,
)
from shrinkmeister.protocol.keys import change_key, object_name, record_key
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.storage.django_storage import DjangoThumbnailStorage
from shrinkmeister_server import pipeline, served
from shrinkmeister_server.engines.pillow import Engine as PillowEngine
from shrinkmeister_server.loaders import load as sources
from shrinkmeister_server.rendering import render as rendering
from tests.site.models import Photo
from tests.support.pages import lazy
from tests.support.pictures import picture
from tests.support.sides import Server

pytestmark = [pytest.mark.survives("losses, failures and changes meanwhile"), pytest.mark.django_db]

PHOTOS = [f"photos/{number}.jpg" for number in range(4)]
MEDIA_URL = "https://example.com/media/"


class Clock:
    """The time of day of the shared cache."""

    def __init__(self, cache: SharedCache, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = cache.lookups.now()
        for part in (cache.lookups, cache.records, cache.coordination):
            monkeypatch.setattr(part, "now", lambda: self.now)


@pytest.fixture
def clock(media: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(get_shared_cache(), monkeypatch)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Mock:
    made = Mock(wraps=rendering.render)
    monkeypatch.setattr(pipeline, "render", made)
    return made


@pytest.fixture
def photos(media: Path, server: Server) -> list[str]:
    """Sources that have a thumbnail each."""
    for name in PHOTOS:
        storages["default"].save(name, ContentFile(picture((400, 300))))
        assert visit(server, name)
    return PHOTOS


def visit(server: Server, name: str) -> bool:
    """As a browser: whether the server was asked. What is shown has to be there."""
    thumbnail = lazy(name)
    url = thumbnail.url
    if thumbnail.lazy:
        answer = server.get(url)
        assert answer.status_code == 302
        url = answer["Location"]
    assert storages["default"].exists(url.removeprefix(MEDIA_URL)), "a broken image"
    return thumbnail.lazy


def is_shown(name: str) -> bool:
    """Whether a page shows it without the server."""
    return not lazy(name).lazy


class TestLostThumbnails:
    """The storage was emptied, and the records are there."""

    def empty(self, media: Path) -> None:
        for path in (media / "cache").rglob("*.jpg"):
            path.unlink()

    def test_one_that_is_found_lost_heals_all(
        self,
        photos: list[str],
        server: Server,
        media: Path,
        clock: Clock,
        made: Mock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        self.empty(media)
        assert all(is_shown(name) for name in photos)  # broken images
        due = next(seconds for seconds in range(0, 7 * DAY, 3600) if self.due_after(clock, seconds))
        clock.now += due
        first = next(name for name in photos if not is_shown(name))
        assert visit(server, first)
        assert [record.name for record in caplog.records] == ["shrinkmeister_server.pipeline"]
        # Those that are not due yet are looked at now.
        assert [visit(server, name) for name in photos if name != first] == [True] * 3
        assert made.call_count == 4
        assert not any(visit(server, name) for name in photos)
        assert len(caplog.records) == 1

    def due_after(self, clock: Clock, seconds: int) -> bool:
        clock.now += seconds
        try:
            return not all(is_shown(name) for name in PHOTOS)
        finally:
            clock.now -= seconds

    def test_what_is_still_there_is_recorded_again_and_not_made(
        self, photos: list[str], server: Server, clock: Clock, made: Mock
    ) -> None:
        clock.now += 7 * DAY
        assert [visit(server, name) for name in photos] == [True] * 4
        assert [visit(server, name) for name in photos] == [False] * 4
        assert made.call_count == 0

    def test_a_storage_that_cannot_tell_is_no_loss(
        self,
        photos: list[str],
        server: Server,
        clock: Clock,
        made: Mock,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(*args: Any) -> None:
            raise StorageError("the storage sleeps")

        clock.now += 7 * DAY
        with monkeypatch.context() as patched:
            patched.setattr(DjangoThumbnailStorage, "find", fail)
            assert visit(server, photos[0])
        assert made.call_count == 0
        assert "the storage sleeps" in caplog.text
        assert visit(server, photos[0])  # and it is still to be looked at

    def test_a_page_has_the_size_of_one_that_is_due(self, photos: list[str], clock: Clock) -> None:
        clock.now += 7 * DAY
        thumbnail = lazy(photos[0])
        assert (thumbnail.lazy, thumbnail.certain_size) == (True, (267, 200))


class TestLostRecords:
    @pytest.mark.parametrize("garbage", [b"\x80\x04K\x01.", b'{"v":2}', b'{"v":1,"w":300,"h":200}'])
    def test_garbage_has_the_bucket_asked(
        self, photos: list[str], server: Server, made: Mock, garbage: bytes
    ) -> None:
        cache = get_shared_cache()
        keys = [f"shrinkmeister:{key}" for key in self.keys(photos)]
        cache.connection.driver.set_many(dict.fromkeys(keys, garbage), 60)
        assert [visit(server, name) for name in photos] == [True] * 4
        assert made.call_count == 0
        assert not any(visit(server, name) for name in photos)

    def keys(self, photos: list[str]) -> list[str]:
        return [record_key(make_spec(name, "300x200", {}, get_config())) for name in photos]

    def test_a_former_bucket_is_none_to_redirect_to(
        self, photos: list[str], server: Server, made: Mock
    ) -> None:
        """Nor a stranger's host, whoever recorded it."""
        spec = make_spec(photos[0], "300x200", {}, get_config())
        url = lazy(photos[0]).url
        get_shared_cache().records.save(
            spec, ThumbnailRecord(300, 200, "https://former.example.com/"), None
        )
        answer = server.get(f"{self.lazy_url(photos[0])}")
        assert answer["Location"] == url
        assert lazy(photos[0]).url == url
        assert made.call_count == 0

    def lazy_url(self, name: str) -> str:
        return f"/{get_tokens().encrypt(make_spec(name, '300x200', {}, get_config()))}.jpg"


class TestFailures:
    """They are remembered for a minute, so that a source that is no good is read once."""

    @pytest.fixture(autouse=True)
    def read(self, monkeypatch: pytest.MonkeyPatch) -> Mock:
        read = Mock(wraps=sources.load)
        monkeypatch.setattr(pipeline, "load", read)
        return read

    @pytest.mark.parametrize(
        ("content", "status"), [(None, 404), (b"no image", 415), (picture((400, 300))[:600], 422)]
    )
    def test_a_source_that_is_no_good_is_read_once(
        self, media: Path, server: Server, read: Mock, content: bytes | None, status: int
    ) -> None:
        if content is not None:
            storages["default"].save("photos/late.jpg", ContentFile(content))
        for _ in range(3):
            assert server.get(lazy("photos/late.jpg").url).status_code == status
        assert read.call_count == 1

    def test_one_that_is_too_large(self, media: Path, server: Server, read: Mock, settings: Any) -> None:
        storages["default"].save("photos/large.jpg", ContentFile(picture((400, 300))))
        settings.THUMBNAIL_MAX_PIXELS = 1000
        for _ in range(2):
            assert server.get(lazy("photos/large.jpg").url).status_code == 413
        assert read.call_count == 1

    @pytest.mark.django_db
    def test_an_upload_clears_them(self, media: Path, server: Server, read: Mock) -> None:
        assert server.get(lazy("photos/dawn.jpg").url).status_code == 404
        photo = Photo(title="dawn")
        photo.image.save("dawn.jpg", ContentFile(picture((400, 300))))
        assert photo.image.name == "photos/dawn.jpg"
        assert server.get(lazy("photos/dawn.jpg").url).status_code == 302
        assert read.call_count == 2

    def test_delete_clears_them(self, media: Path, server: Server, read: Mock) -> None:
        assert server.get(lazy("photos/late.jpg").url).status_code == 404
        storages["default"].save("photos/late.jpg", ContentFile(picture((400, 300))))
        assert server.get(lazy("photos/late.jpg").url).status_code == 404
        delete("photos/late.jpg", delete_file=False)
        assert visit(server, "photos/late.jpg")

    def test_they_are_forgotten(self, media: Path, server: Server, read: Mock, settings: Any) -> None:
        settings.THUMBNAIL_ERROR_TTL = 0
        for _ in range(2):
            assert server.get(lazy("photos/late.jpg").url).status_code == 404
        assert read.call_count == 2

    def test_a_storage_that_fails_is_asked_again(
        self, media: Path, server: Server, read: Mock, photo: str
    ) -> None:
        read.side_effect = StorageError("down")
        for _ in range(2):
            assert server.get(lazy(photo).url).status_code == 502
        assert read.call_count == 2

    def test_others_of_the_source_that_are_stored_are_served(
        self, photos: list[str], server: Server, media: Path
    ) -> None:
        """A source that is gone is no reason to lose what was made of it."""
        (media / photos[0]).unlink()
        caches["shrinkmeister"].clear()
        assert server.get(lazy(photos[0], "100").url).status_code == 404
        assert visit(server, photos[0])

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "failure",
        [DriverError("gone wrong"), SettingError("E000", "gone wrong", "right"), TypeError("gone wrong")],
    )
    def test_an_upload_does_not_fail_with_us(
        self,
        media: Path,
        failure: Exception,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(*args: Any) -> None:
            raise failure

        monkeypatch.setattr(Coordination, "mark_change", fail)
        photo = Photo(title="dawn")
        with caplog.at_level(logging.WARNING):
            photo.image.save("dawn.jpg", ContentFile(picture((400, 300))))
        assert photo.pk
        assert "gone wrong" in caplog.text
        shown = [record.exc_info for record in caplog.records if record.exc_info]
        assert len(shown) == isinstance(failure, TypeError)

    @pytest.mark.parametrize(
        "failure",
        [MemoryError(), OSError(24, "too many open files")],
    )
    def test_what_says_more_of_the_server_is_not_remembered(
        self, photo: str, server: Server, failure: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(PillowEngine, "get_image", Mock(side_effect=failure))
            assert server.get(lazy(photo).url).status_code in (413, 500)
        assert visit(server, photo)

    @pytest.mark.parametrize(
        "failure",
        [
            SourceTooSlowError("slow"),
            SourceTooLargeError("large"),
            SourceInvalidError("broken"),
            AttributeError("a mistake"),
            "overload",
        ],
    )
    def test_a_thumbnail_that_is_stored_is_served_whatever_fails(
        self, photos: list[str], server: Server, failure: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its record was evicted, and the shared cache takes that for never made."""
        spec = make_spec(photos[0], "300x200", {}, get_config())
        get_shared_cache().records.delete([record_key(spec)])
        if failure == "overload":
            monkeypatch.setattr(
                pipeline, "get_limiter", lambda: Mock(slot=Mock(side_effect=OverloadError()))
            )
        else:
            monkeypatch.setattr(pipeline, "render", Mock(side_effect=failure))
        assert visit(server, photos[0])
        assert is_shown(photos[0])


class TestChangesMeanwhile:
    """A source is replaced or deleted while a server makes a thumbnail of it."""

    @pytest.fixture
    def during(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
        """Does something once, when the first thumbnail has been made and before it is stored."""

        def set_up(happens: Callable[[], None]) -> None:
            todo = [happens]
            # Perhaps what `made` counts already.
            render = vars(pipeline)["render"]

            def rendered(*args: Any) -> Any:
                picture = render(*args)
                if todo:
                    todo.pop()()
                return picture

            monkeypatch.setattr(pipeline, "render", rendered)

        return set_up

    def test_one_that_is_replaced_is_made_again(
        self, media: Path, photo: str, server: Server, during: Any, made: Mock
    ) -> None:
        def replace() -> None:
            (media / photo).write_bytes(picture((300, 300)))
            delete(photo, delete_file=False)

        during(replace)
        assert visit(server, photo)
        assert made.call_count == 2
        assert lazy(photo).certain_size == (200, 200)
        assert is_shown(photo)

    def test_one_that_is_deleted_leaves_nothing(
        self, media: Path, photo: str, server: Server, during: Any
    ) -> None:
        during(lambda: delete(photo))
        assert server.get(get_thumbnail(photo, "300x200").url).status_code == 404
        assert not is_shown(photo)
        assert [path for path in (media / "cache").rglob("*") if path.is_file()] == []

    def test_a_cache_that_fails_meanwhile_is_no_change(
        self, media: Path, photo: str, server: Server, during: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delete(photo, delete_file=False)  # there is a mark
        driver = get_shared_cache().connection.driver

        def fail(*args: Any) -> None:
            raise DriverError("Redis: refused")

        def break_down() -> None:
            for name in ("get_many", "set", "set_many", "add", "delete_many"):
                monkeypatch.setattr(driver, name, fail)

        during(break_down)
        assert server.get(get_thumbnail(photo, "300x200").url).status_code == 302

    def test_one_that_changes_all_the_time(
        self, media: Path, photo: str, server: Server, made: Mock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def rendered(*args: Any) -> Any:
            delete(photo, delete_file=False)
            return made(*args)

        monkeypatch.setattr(pipeline, "render", rendered)
        answer = server.get(get_thumbnail(photo, "300x200").url)
        assert (answer.status_code, answer["Cache-Control"]) == (302, "no-store")
        assert made.call_count == pipeline.MOST_CHANGES + 1
        # What the browser gets is stored, under a name that no record and no later look finds.
        shown = media / answer["Location"].removeprefix(MEDIA_URL)
        assert shown.is_file()
        assert not is_shown(photo)
        spec = make_spec(photo, "300x200", {}, get_config())
        assert shown.name != Path(object_name(spec, "")).name
        get_shared_cache().connection.driver.delete_many(["shrinkmeister:complete"])
        assert served.find_stored(spec) is None
        # It is a thumbnail of its source like the others, and is deleted with them.
        delete(photo, delete_file=False)
        assert not shown.exists()

    def test_an_app_is_told_that_it_is_no_lasting_url(
        self, media: Path, photo: str, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def rendered(*args: Any) -> Any:
            delete(photo, delete_file=False)
            return rendering.render(*args)

        url = get_thumbnail(photo, "300x200").url
        monkeypatch.setattr(pipeline, "render", rendered)
        answer = server.get(url, accept="application/json")
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        assert answer.json()["expires"] is not None
        monkeypatch.setattr(pipeline, "render", rendering.render)
        assert server.get(url, accept="application/json").json()["expires"] is None

    @pytest.mark.makes_thumbnails
    def test_the_eager_mode_shows_one_that_changes_all_the_time(
        self, media: Path, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def rendered(*args: Any) -> Any:
            delete(photo, delete_file=False)
            return rendering.render(*args)

        monkeypatch.setattr(pipeline, "render", rendered)
        with eager_thumbnails():
            shown = get_thumbnail(photo, "300x200")
        assert (media / shown.name).is_file()
        assert not shown.lazy
        assert not is_shown(photo)


class TestWritersOfTheCache:
    """What those who can write to the shared cache, without the secret, do with the marks of changes."""

    @pytest.fixture
    def mark(self, photo: str) -> str:
        """The key of the source's last change."""
        return "shrinkmeister:" + change_key(make_spec(photo, "300x200", {}, get_config()).source)

    def test_what_they_write_is_no_change(
        self, photo: str, server: Server, made: Mock, mark: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driver, values = get_shared_cache().connection.driver, count()

        def rendered(*args: Any) -> Any:
            forged = b'{"v":1,"c":"%d","t":%d,"m":"AAAAAAAAAAA"}' % (next(values), time.time() + 60)
            driver.set(mark, forged, 60)
            return made(*args)

        monkeypatch.setattr(pipeline, "render", rendered)
        assert visit(server, photo)
        assert made.call_count == 1
        assert is_shown(photo)

    def test_former_marks_that_they_put_back_keep_no_picture_away(
        self, photo: str, server: Server, made: Mock, mark: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driver = get_shared_cache().connection.driver
        former: list[bytes] = []
        for _ in range(3):
            get_shared_cache().coordination.mark_change(
                make_spec(photo, "300x200", {}, get_config()).source
            )
            former.append(driver.get(mark) or b"")
        again = cycle(former)

        def rendered(*args: Any) -> Any:
            driver.set(mark, next(again), 60)
            return made(*args)

        monkeypatch.setattr(pipeline, "render", rendered)
        for times in range(1, 5):
            answer = server.get(get_thumbnail(photo, "300x200").url)
            assert answer.status_code == 302
            assert made.call_count == times * (pipeline.MOST_CHANGES + 1)
