"""sorl's key-value store, for code that deletes images through it.

    from sorl.thumbnail import default
    default.kvstore.delete(ImageFile(photo.image))

Shrinkmeister's thumbnails are not in that store. So the class in THUMBNAIL_KVSTORE gets a subclass whose
methods also delete Shrinkmeister's records and thumbnails. With another backend they do what sorl does.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.utils.timezone import is_naive, make_aware
from sorl.thumbnail import default
from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.helpers import get_module_class
from sorl.thumbnail.kvstores.base import KVStoreBase

from shrinkmeister.page import forget_page
from shrinkmeister.sorl_patches import is_backend_ours

_deleting = ContextVar("deleting", default=False)


class Invalidating(KVStoreBase):  # type: ignore[misc]  # sorl has no types
    """The methods that delete images, their sizes and their thumbnails.

    They raise StorageError or DriverError if something may be left, as the backend's `delete` does.
    """

    def get(self, image_file: Any) -> Any:
        return image_file if _is_thumbnail(image_file) else super().get(image_file)

    def delete(self, image_file: Any, delete_thumbnails: bool = True) -> None:
        if _is_thumbnail(image_file):
            default.backend.delete(image_file, delete_file=False)
            return
        if not delete_thumbnails and is_backend_ours():
            from shrinkmeister.cache import get_shared_cache
            from shrinkmeister.conf import get_config
            from shrinkmeister.exceptions import SourceNotAllowedError
            from shrinkmeister.sources import source_of

            with suppress(SourceNotAllowedError):
                get_shared_cache().records.forget(source_of(image_file, get_config()), [])
            forget_page()
        # sorl's method calls `delete_thumbnails` by itself.
        super().delete(image_file, delete_thumbnails)

    def delete_thumbnails(self, image_file: Any) -> None:
        # A site's backend may call sorl's `delete` in its own. That call must not start the deletion again.
        if not _deleting.get() and is_backend_ours():
            token = _deleting.set(True)
            try:
                default.backend.delete(image_file, delete_file=False)
            finally:
                _deleting.reset(token)
        super().delete_thumbnails(image_file)

    def clear(self, *args: Any, **kwargs: Any) -> None:
        if is_backend_ours():
            from shrinkmeister.maintenance.prune import clear

            _complete(clear())
        super().clear(*args, **kwargs)

    def delete_all_thumbnail_files(self, older_than: datetime | None = None) -> None:
        """Delete Shrinkmeister's too. Records of sorl's go first, so that no page shows a deleted file."""
        if is_backend_ours():
            from shrinkmeister.maintenance.prune import forget_adopted, prune

            aware = older_than and (make_aware(older_than) if is_naive(older_than) else older_than)
            _complete(prune(aware))
            _complete(forget_adopted())
        # sorl before 13.1 has no such parameter.
        super().delete_all_thumbnail_files(*filter(None, [older_than]))


def install() -> None:
    # The store itself, since code may have imported it already.
    default.KVStore._setup = _setup


def _setup(self: Any) -> None:
    kind = get_module_class(sorl_settings.THUMBNAIL_KVSTORE)
    self._wrapped = type(kind.__name__, (Invalidating, kind), {"__module__": kind.__module__})()


def _is_thumbnail(image_file: Any) -> bool:
    from shrinkmeister.thumbnails.thumbnail import Thumbnail

    return isinstance(image_file, Thumbnail)


def _complete(job: Iterator[Any]) -> None:
    deque(job, maxlen=0)
    forget_page()
