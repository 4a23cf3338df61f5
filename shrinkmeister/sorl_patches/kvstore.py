"""sorl's key-value store, for code that forgets images through it.

    from sorl.thumbnail import default
    default.kvstore.delete(ImageFile(photo.image))

Our thumbnails are not in that store. So the class that THUMBNAIL_KVSTORE names gets a subclass, whose
methods do the same to our records and thumbnails. With sorl's own backend they do what sorl does.
"""

from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.utils.timezone import is_naive, make_aware
from sorl.thumbnail import default
from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.helpers import get_module_class
from sorl.thumbnail.kvstores.base import KVStoreBase

# Everything else is loaded with the first call: Django's start loads this module.

_deleting = ContextVar("deleting", default=False)


class Invalidating(KVStoreBase):  # type: ignore[misc]  # sorl has no types
    """The methods by which a site has images, their sizes and their thumbnails forgotten.

    They raise what `delete` of our backend raises: StorageError or DriverError where something may be left.
    """

    def get(self, image_file: Any) -> Any:
        return image_file if _is_thumbnail(image_file) else super().get(image_file)

    def delete(self, image_file: Any, delete_thumbnails: bool = True) -> None:
        if _is_thumbnail(image_file):
            default.backend.delete(image_file, delete_file=False)
            return
        if not delete_thumbnails and _is_backend_ours():
            _forget_source_record(image_file)
        # sorl's method calls `delete_thumbnails` by itself.
        super().delete(image_file, delete_thumbnails)

    def delete_thumbnails(self, image_file: Any) -> None:
        # A site's backend that inherits from ours and asks sorl's too comes back here.
        if not _deleting.get() and _is_backend_ours():
            _delete_thumbnails(image_file)
        super().delete_thumbnails(image_file)

    def clear(self, *args: Any, **kwargs: Any) -> None:
        if _is_backend_ours():
            from shrinkmeister.maintenance.clear import clear

            _complete(clear())
        super().clear(*args, **kwargs)

    def delete_all_thumbnail_files(self, older_than: datetime | None = None) -> None:
        """Delete ours too. Records of those that sorl made go first: no page shows a deleted one."""
        if _is_backend_ours():
            from shrinkmeister.maintenance.clear import forget_adopted
            from shrinkmeister.maintenance.prune import prune

            aware = older_than and (make_aware(older_than) if is_naive(older_than) else older_than)
            _complete(prune(aware))
            _complete(forget_adopted())
        # sorl before 13.1 takes no age.
        super().delete_all_thumbnail_files(*filter(None, [older_than]))


def install() -> None:
    """Change the store that code may have imported already. Call once, before it is used."""
    default.KVStore._setup = _setup


def _setup(self: Any) -> None:
    kind = get_module_class(sorl_settings.THUMBNAIL_KVSTORE)
    self._wrapped = type(kind.__name__, (Invalidating, kind), {"__module__": kind.__module__})()


def _is_backend_ours() -> bool:
    from shrinkmeister.backend import ShrinkmeisterBackend

    return isinstance(default.backend, ShrinkmeisterBackend)


def _is_thumbnail(image_file: Any) -> bool:
    from shrinkmeister.thumbnails.thumbnail import Thumbnail

    return isinstance(image_file, Thumbnail)


def _delete_thumbnails(image_file: Any) -> None:
    from shrinkmeister.exceptions import SourceNotAllowedError

    token = _deleting.set(True)
    try:
        default.backend.delete(image_file, delete_file=False)
    except SourceNotAllowedError:
        return  # in a storage that STORAGES does not name: it cannot have a thumbnail
    finally:
        _deleting.reset(token)


def _forget_source_record(image_file: Any) -> None:
    from shrinkmeister.cache.shared_cache import get_shared_cache
    from shrinkmeister.conf import get_config
    from shrinkmeister.exceptions import SourceNotAllowedError
    from shrinkmeister.sources import source_of

    try:
        source = source_of(image_file, get_config())
    except SourceNotAllowedError:
        return
    get_shared_cache().forget(source, [])
    _forget_page()


def _complete(job: Iterator[Any]) -> None:
    deque(job, maxlen=0)
    _forget_page()


def _forget_page() -> None:
    from shrinkmeister.page import current_page

    if page := current_page():
        page.forget()
