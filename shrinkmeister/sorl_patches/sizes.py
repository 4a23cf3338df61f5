"""The size of a template's image, without opening a file."""

from typing import Any

from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.images import BaseImageFile, DummyImageFile

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.page import current_page
from shrinkmeister.sorl_errors import as_sorls
from shrinkmeister.sorl_patches import is_backend_ours
from shrinkmeister.sources import source_of
from shrinkmeister.thumbnails.thumbnail import Thumbnail


def answered_by_sorl(file: Any) -> bool:
    """Return whether sorl's own filter handles the file: a placeholder, or a file of another backend."""
    if not file or isinstance(file, DummyImageFile) or sorl_settings.THUMBNAIL_DUMMY:
        return True
    return not isinstance(file, Thumbnail) and not is_backend_ours()


@as_sorls
def size_of(file: Any) -> tuple[int, int] | None:
    """Return (width, height) in pixels of a thumbnail, or of a source from the shared cache; or None."""
    if isinstance(file, Thumbnail):
        return file.certain_size
    if isinstance(file, BaseImageFile) and file.size:
        return file.size[0], file.size[1]
    config = get_config()
    return get_shared_cache().lookups.image_size(source_of(file, config), current_page())
