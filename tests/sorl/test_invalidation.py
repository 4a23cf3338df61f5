"""Code that forgets images through sorl's key-value store, as it does with sorl's own backend."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.utils import timezone
from sorl.thumbnail import default, delete
from sorl.thumbnail.base import ThumbnailBackend
from sorl.thumbnail.images import ImageFile
from sorl.thumbnail.kvstores.base import KVStoreBase

from shrinkmeister.backend import ShrinkmeisterBackend, make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.page import RequestCache, using_page
from shrinkmeister.protocol.keys import object_name
from shrinkmeister.protocol.records import SourceRecord, ThumbnailRecord
from shrinkmeister.sources import source_of
from tests.support.pages import lazy, record
from tests.support.pictures import picture
from tests.support.sorls import follow_settings

OTHER = "photos/dusk.jpg"
SORLS_BACKEND = "sorl.thumbnail.base.ThumbnailBackend"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:Using any other KVStore:DeprecationWarning"),
]


@pytest.fixture(params=["cached_db", "redis"])
def kvstore(
    request: pytest.FixtureRequest, settings: Any, media: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The store that a site calls, which has just imported it."""
    if request.param == "redis":
        settings.THUMBNAIL_KVSTORE = "sorl.thumbnail.kvstores.redis_kvstore.KVStore"
        settings.THUMBNAIL_REDIS_URL = request.getfixturevalue("redis_location")
    follow_settings(monkeypatch)
    return default.kvstore


def put(name: str) -> Path:
    """Store a thumbnail as the server does, with its records; return its file."""
    spec = make_spec(name, "300x200", {}, get_config())
    place: str = storages["default"].save(object_name(spec, "cache/"), ContentFile(picture((300, 200))))
    record(name, source=SourceRecord(400, 300))
    assert not lazy(name).lazy
    return Path(storages["default"].path(place))


@pytest.fixture
def thumbnails(photo: str, kvstore: Any) -> tuple[Path, Path]:
    """Those of the photo and of another one."""
    storages["default"].save(OTHER, ContentFile(picture((400, 300))))
    return put(photo), put(OTHER)


def is_known(name: str) -> bool:
    """Return whether the shared cache has the size of a source."""
    return get_shared_cache().lookups.image_size(source_of(name, get_config())) is not None


INVALIDATIONS: dict[str, Callable[[str], None]] = {
    "delete": lambda name: default.kvstore.delete(ImageFile(name)),
    "delete of a field's file": lambda name: default.kvstore.delete(
        ImageFile(storages["default"].open(name), storages["default"])
    ),
    "delete_thumbnails": lambda name: default.kvstore.delete_thumbnails(ImageFile(name)),
    "by sorl's backend": lambda name: ThumbnailBackend().delete(name, delete_file=False),
}


@pytest.mark.parametrize("how", INVALIDATIONS)
def test_it_does_what_delete_does(how: str, photo: str, thumbnails: tuple[Path, Path]) -> None:
    thumbnail, other = thumbnails
    with using_page(RequestCache()):
        assert not lazy(photo).lazy
        INVALIDATIONS[how](photo)
        assert lazy(photo).lazy  # in the same request too
    assert not thumbnail.exists()
    assert not is_known(photo)
    assert storages["default"].exists(photo)
    assert other.exists()
    assert is_known(OTHER)
    assert not lazy(OTHER).lazy


class BothBackend(ShrinkmeisterBackend):
    """A site's own, which has thumbnails of sorl's too."""

    def delete(self, file_: Any, delete_file: bool = True) -> None:
        ThumbnailBackend().delete(file_, delete_file=False)
        super().delete(file_, delete_file=delete_file)


@pytest.mark.parametrize("how", [*INVALIDATIONS, "delete by the backend"])
def test_a_backend_that_asks_sorls_too(
    how: str, photo: str, thumbnails: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default.backend, "_wrapped", BothBackend())
    if how in INVALIDATIONS:
        INVALIDATIONS[how](photo)
    else:
        delete(photo, delete_file=False)
    assert not thumbnails[0].exists()
    assert thumbnails[1].exists()
    assert not is_known(photo)


def test_the_reference_alone(photo: str, thumbnails: tuple[Path, Path], kvstore: Any) -> None:
    kvstore.delete(ImageFile(photo), delete_thumbnails=False)
    assert not is_known(photo)
    assert not lazy(photo).lazy
    assert thumbnails[0].exists()


def test_a_thumbnail(photo: str, thumbnails: tuple[Path, Path], kvstore: Any) -> None:
    """As with sorl: what is known of it goes, and its file stays."""
    thumbnail = lazy(photo)
    assert kvstore.get(thumbnail) is kvstore.get_or_set(thumbnail) is thumbnail
    kvstore.delete(thumbnail)
    assert lazy(photo).lazy
    assert thumbnails[0].exists()
    assert storages["default"].exists(photo)


def test_clear(photo: str, thumbnails: tuple[Path, Path], kvstore: Any) -> None:
    assert kvstore.get_or_set(ImageFile(photo)).size == [400, 300]
    kvstore.clear()
    assert lazy(photo).lazy
    assert lazy(OTHER).lazy
    assert not is_known(photo)
    assert kvstore.get(ImageFile(photo)) is None
    assert all(thumbnail.exists() for thumbnail in thumbnails)


def test_cleanup(photo: str, thumbnails: tuple[Path, Path], kvstore: Any) -> None:
    """What sorl has heard of and is gone loses its thumbnails."""
    for name in (photo, OTHER):
        kvstore.get_or_set(ImageFile(name))
    storages["default"].delete(photo)
    kvstore.cleanup()
    assert [thumbnail.exists() for thumbnail in thumbnails] == [False, True]
    assert lazy(photo).lazy
    assert not lazy(OTHER).lazy


def test_all_thumbnail_files(photo: str, thumbnails: tuple[Path, Path], kvstore: Any) -> None:
    kvstore.delete_all_thumbnail_files()
    assert [thumbnail.exists() for thumbnail in thumbnails] == [False, False]
    assert lazy(photo).lazy
    assert storages["default"].exists(photo)


@pytest.mark.skipif(
    "older_than" not in KVStoreBase.delete_all_thumbnail_files.__code__.co_varnames,
    reason="sorl before 13.1 takes no age",
)
def test_thumbnail_files_of_an_age(photo: str, thumbnails: tuple[Path, Path], kvstore: Any) -> None:
    now = timezone.now()
    kvstore.delete_all_thumbnail_files(older_than=now - timedelta(days=1))
    assert not lazy(photo).lazy
    # Without a time zone, as sorl takes it.
    kvstore.delete_all_thumbnail_files(older_than=timezone.make_naive(now + timedelta(days=1)))
    assert [thumbnail.exists() for thumbnail in thumbnails] == [False, False]
    assert lazy(photo).lazy


@pytest.mark.parametrize("how", ["delete", "delete_thumbnails", "delete_all_thumbnail_files"])
def test_thumbnails_that_sorl_has_made(how: str, photo: str, kvstore: Any, settings: Any) -> None:
    """No record stays behind that names a deleted file."""
    settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
    former = ThumbnailBackend().get_thumbnail(photo, "30")
    place = source_of(former, get_config())
    get_shared_cache().records.adopt({place: ThumbnailRecord(30, 23, "https://example.com/media/")}, 60)
    assert lazy(photo, "30").url == former.url
    getattr(kvstore, how)(*([] if how == "delete_all_thumbnail_files" else [ImageFile(photo)]))
    assert not former.exists()
    assert lazy(photo, "30").lazy


@pytest.mark.parametrize("adopted", [None, SORLS_BACKEND])
def test_a_size_is_not_stale(adopted: str | None, photo: str, kvstore: Any, settings: Any) -> None:
    settings.THUMBNAIL_ADOPTED_BACKEND = adopted
    assert kvstore.get_or_set(ImageFile(photo)).size == [400, 300]
    storages["default"].delete(photo)
    storages["default"].save(photo, ContentFile(picture((30, 50))))
    assert kvstore.get_or_set(ImageFile(photo)).size == [400, 300]
    delete(photo, delete_file=False)
    assert kvstore.get_or_set(ImageFile(photo)).size == [30, 50]


def test_sources_that_have_no_thumbnails_of_ours(
    photo: str, kvstore: Any, tmp_path: Path, settings: Any
) -> None:
    storage = FileSystemStorage(tmp_path / "unnamed")
    storage.save("a.jpg", ContentFile(picture((40, 30))))
    for image in (ImageFile("a.jpg", storage), ImageFile("https://unlisted.example.com/a.jpg")):
        for delete_thumbnails in (True, False):
            kvstore.delete(image, delete_thumbnails)
    assert storage.exists("a.jpg")


def test_an_image_by_url_is_what_its_url_is(settings: Any, media: Path) -> None:
    settings.THUMBNAIL_SOURCES = ["https://images.example.com"]
    url = "https://images.example.com/a.jpg"
    assert source_of(ImageFile(url), get_config()) == source_of(url, get_config())


def test_with_sorls_backend_it_is_sorls(
    photo: str, thumbnails: tuple[Path, Path], kvstore: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(default.backend, "_wrapped", ThumbnailBackend())
        former = default.backend.get_thumbnail(photo, "30")
        kvstore.delete(ImageFile(photo))
        assert not former.exists()
        kvstore.clear()
        kvstore.delete_all_thumbnail_files()
    assert not lazy(photo).lazy
    assert thumbnails[0].exists()
