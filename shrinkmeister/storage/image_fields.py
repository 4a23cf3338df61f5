"""The storages of a site's image fields: where the sources of its thumbnails are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import ImageField


@dataclass(frozen=True)
class FieldStorage:
    """field    "shop.Product.photo"
    folder   what the names of all its files begin with, "" or with a slash at its end; None if unknown
    """

    field: str
    storage: Any
    folder: str | None


def field_storages() -> Iterator[FieldStorage]:
    """Return the storage of each ImageField of the installed models, once for each field."""
    for model in apps.get_models():
        # A proxy and a child have the fields of another model too.
        for field in model._meta.local_fields:
            if isinstance(field, ImageField):
                yield FieldStorage(f"{model._meta.label}.{field.name}", field.storage, _folder(field))


def _folder(field: ImageField) -> str | None:
    upload_to: Any = field.upload_to
    if callable(upload_to):
        return None
    # What follows the first % is a date.
    fixed, percent, _ = str(upload_to).partition("%")
    return fixed.rpartition("/")[0] + "/" if "/" in fixed else "" if percent or not fixed else f"{fixed}/"
