"""Forget failures of a file when a model's ImageField gets it, so that its thumbnails can be made now.

The shared cache remembers failures for a while, so that a missing source is not read again and again.
"""

import logging
from typing import Any

from django.apps import apps
from django.db.models import ImageField, Model
from django.db.models.fields.files import ImageFieldFile

from shrinkmeister.sorl_patches import is_backend_ours

logger = logging.getLogger(__name__)

# On an instance: the fields that have got a file since it was saved.
UPLOADS = "_shrinkmeister_uploads"


class NoticedFile(ImageFieldFile):
    """Reports that it was written. A file that keeps its name shows that in no other way."""

    def save(self, name: str, content: Any, save: bool = True) -> None:
        self.instance.__dict__.setdefault(UPLOADS, set()).add(self.field.attname)
        # May save the instance, when the file is stored already.
        super().save(name, content, save)
        # Loaded with the first upload, since Django's start loads this module.
        from shrinkmeister.cache import get_shared_cache
        from shrinkmeister.conf import get_config
        from shrinkmeister.conf.credentials import described, is_safe
        from shrinkmeister.exceptions import ShrinkmeisterError, SourceNotAllowedError, SpecError
        from shrinkmeister.sources import source_of

        if not is_backend_ours():
            return
        try:
            get_shared_cache().coordination.try_mark_change(source_of(self, get_config()))
        except (SourceNotAllowedError, SpecError):
            pass  # no server can read it, so no failure is remembered
        # The file is saved, and nothing here may fail that. Failures are forgotten soon anyway.
        except Exception as error:
            mistake = not isinstance(error, ShrinkmeisterError) and is_safe(error)
            text = "The thumbnail server did not learn of an upload: %s"
            logger.warning(text, described(error), exc_info=error if mistake else None)


def connect() -> None:
    """Make the files of each ImageField, Django's or sorl's, report that they were written. Call once."""
    for model in apps.get_models():
        for field in image_fields(model):
            # A site's own class stays; then an upload that keeps its name is not noticed.
            if field.attr_class is ImageFieldFile:
                field.attr_class = NoticedFile


def image_fields(model: type[Model]) -> list[ImageField]:
    return [field for field in model._meta.get_fields() if isinstance(field, ImageField)]
