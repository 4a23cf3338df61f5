"""A file that a model's ImageField gets: its thumbnails, which may have failed before, can be made now.

The shared cache remembers failures for a while: a source that is not there is asked for again and again.
"""

import logging
from typing import Any

from django.apps import apps
from django.db.models import ImageField, Model
from django.db.models.fields.files import ImageFieldFile

logger = logging.getLogger(__name__)

# On an instance: which of its fields have got a file since it was saved.
UPLOADS = "_shrinkmeister_uploads"


class NoticedFile(ImageFieldFile):
    """Tells that it was written. Else nobody could tell that, when it keeps its name."""

    def save(self, name: str, content: Any, save: bool = True) -> None:
        self.instance.__dict__.setdefault(UPLOADS, set()).add(self.field.attname)
        # Which may save the instance: then the file is there already.
        super().save(name, content, save)
        _mark_change(self)


def connect() -> None:
    """Has the files of each ImageField, Django's or sorl's, tell it; to be called once."""
    for model in apps.get_models():
        for field in image_fields(model):
            # A class of a site's own stays; then an upload that keeps its name is not noticed.
            if field.attr_class is ImageFieldFile:
                field.attr_class = NoticedFile


def image_fields(model: type[Model]) -> list[ImageField]:
    return [field for field in model._meta.get_fields() if isinstance(field, ImageField)]


def _mark_change(file: NoticedFile) -> None:
    # With the first upload: this module is loaded when Django starts.
    from sorl.thumbnail import default

    from shrinkmeister.backend import ShrinkmeisterBackend
    from shrinkmeister.cache import get_shared_cache
    from shrinkmeister.conf import get_config
    from shrinkmeister.conf.credentials import described, is_safe
    from shrinkmeister.exceptions import ShrinkmeisterError, SourceNotAllowedError, SpecError
    from shrinkmeister.sources import source_of

    if not isinstance(default.backend, ShrinkmeisterBackend):
        return
    try:
        get_shared_cache().coordination.try_mark_change(source_of(file, get_config()))
    except (SourceNotAllowedError, SpecError):
        return  # where no server could read it: nothing has failed there
    # The file is saved, and nothing of ours may fail that; failures of before are forgotten soon anyway.
    except Exception as error:
        mistake = not isinstance(error, ShrinkmeisterError) and is_safe(error)
        text = "The thumbnail server did not learn of an upload: %s"
        logger.warning(text, described(error), exc_info=error if mistake else None)
