"""The storages of a site's image fields, which contain the sources of its thumbnails."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import ImageField


@dataclass(frozen=True)
class FieldStorage:
    """The storage of one field.

    field   "shop.Product.photo"
    folder  the folder of all its files, "" or with a slash at its end; None if unknown
    """

    field: str
    storage: Any
    folder: str | None


def field_storages() -> Iterator[FieldStorage]:
    """Yield the storage of each ImageField of the installed models."""
    for model in apps.get_models():
        # Only local fields, because a proxy and a child also have those of another model.
        for field in model._meta.local_fields:
            if isinstance(field, ImageField):
                yield FieldStorage(f"{model._meta.label}.{field.name}", field.storage, _folder(field))


def _folder(field: ImageField) -> str | None:
    upload_to: Any = field.upload_to
    if callable(upload_to):
        return None
    # A date follows the first %.
    fixed, percent, _ = str(upload_to).partition("%")
    return fixed.rpartition("/")[0] + "/" if "/" in fixed else "" if percent or not fixed else f"{fixed}/"
