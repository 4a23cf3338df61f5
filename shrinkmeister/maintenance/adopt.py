"""Records for the thumbnails that sorl's own backend has made, and for their sources."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from django.utils.encoding import filepath_to_uri
from sorl.thumbnail.images import ImageFile

from shrinkmeister.adoption.former import (
    former_image,
    former_place,
    former_places,
    get_namer,
    stored_formers,
)
from shrinkmeister.adoption.kvstore import Size, get_former_store
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import SettingError, get_config
from shrinkmeister.conf.values import FORMER_BACKEND_HINT
from shrinkmeister.protocol.records import ThumbnailRecord, base_of
from shrinkmeister.protocol.spec import Source
from shrinkmeister.storage import get_former_storage
from shrinkmeister.storage.listing import StoredThumbnail, batches

BOOKMARK = "adopt"


@dataclass
class Adoption:
    """Progress of `adopt`.

    of            former backend, storage and prefix; progress is resumed only if all three are the same
    thumbnails    thumbnails adopted
    incomplete    those of them that lack an alternative resolution, so that pages do not use them
    unknown       objects below THUMBNAIL_PREFIX that sorl's key-value store does not know
    sources       sources whose size has been adopted
    lost          if no thumbnail is adopted: those that sorl's key-value store lists
    bookmark      the name of the thumbnail to continue after
    """

    of: str = ""
    thumbnails: int = 0
    incomplete: int = 0
    unknown: int = 0
    sources: int = 0
    lost: int = 0
    bookmark: str = ""


def adopt(ttl: int, dry_run: bool = False, restart: bool = False) -> Iterator[Adoption]:
    """Record the thumbnails that sorl's key-value store knows and that are stored, and their sources.

    ttl: how many seconds the records live

    Resumes an interrupted run after its last thumbnail, except with `restart`; records all sources again.
    Raises SettingError, StorageError, DriverError, and what the key-value store raises.
    """
    if get_namer() is None:
        raise SettingError(
            "shrinkmeister.E016",
            "THUMBNAIL_ADOPTED_BACKEND is not set, so pages would not look for adopted thumbnails.",
            FORMER_BACKEND_HINT,
        )
    config, cache, store = get_config(), get_shared_cache(), get_former_store()
    done = Adoption(f"{config.adopted_backend} {config.storage} {config.prefix}")
    if not dry_run and not restart:
        done = _resumed(cache.notes.bookmark(BOOKMARK), done)

    def record(images: dict[Source, ThumbnailRecord]) -> None:
        if not dry_run:
            cache.records.adopt(images, ttl)
            cache.notes.set_bookmark(BOOKMARK, json.dumps(asdict(done)))

    for thumbnails in batches(stored_formers(done.bookmark)):
        images = [former_image(thumbnail.name) for thumbnail in thumbnails]
        sizes = store.sizes(images)
        records = _records_of(thumbnails, images, sizes)
        done.thumbnails += len(records)
        done.incomplete += sum(not record.has(config.resolutions) for record in records.values())
        done.unknown += len(thumbnails) - len(records)
        done.bookmark = thumbnails[-1].names[0]
        record(records)
        if not dry_run:
            # A thumbnail that was deleted meanwhile has lost its entry; see `erase`.
            now = zip(images, sizes, store.sizes(images), strict=True)
            gone = [image.name for image, before, after in now if before and not after]
            cache.records.forget_adopted(former_place(name) for name in gone)
        yield done
    done.sources = done.lost = 0
    for keys in store.sources():
        if not done.thumbnails:
            done.lost += len(store.thumbnails(keys))
        records = {}
        for source in store.images(keys).values():
            places = former_places(source)
            done.sources += bool(places)
            records |= dict.fromkeys(places, ThumbnailRecord(*source.size))
        record(records)
        yield done
    if not dry_run:
        cache.notes.set_bookmark(BOOKMARK, None)


def _records_of(
    thumbnails: list[StoredThumbnail], images: list[ImageFile], sizes: list[Size | None]
) -> dict[Source, ThumbnailRecord]:
    """Return the records, by place, of those thumbnails that sorl's key-value store knows."""
    storage = get_former_storage()
    return {
        former_place(thumbnail.name): ThumbnailRecord(
            *size,
            base_of(storage.url(thumbnail.name), filepath_to_uri(thumbnail.name)),
            tuple(filter(None, thumbnail.objects)),
        )
        for thumbnail, image, size in zip(thumbnails, images, sizes, strict=True)
        # sorl cuts names at a question mark, and removes the location of the storage.
        if size and image.name == thumbnail.name
    }


def _resumed(bookmark: str | None, fresh: Adoption) -> Adoption:
    """Return the progress in a bookmark, or `fresh` if it is not valid or is about other thumbnails."""
    try:
        former = Adoption(**json.loads(bookmark or "{}"))
    except (ValueError, TypeError):
        return fresh
    valid = all(type(value) is type(getattr(fresh, name)) for name, value in asdict(former).items())
    return former if valid and former.of == fresh.of else fresh
