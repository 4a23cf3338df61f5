"""THUMBNAIL_CLEANUP: the thumbnails of a file go when a model instance loses it.

A file is lost when its instance is deleted, or saved with another file or none. What an instance gets
counts too: its name may have been that of another file. It happens after the transaction is committed, and
never deletes the file: that remains the site's decision, as it is Django's. Nor does it delete a thumbnail
that the instance names as its file.
"""

from collections.abc import Callable, Iterable, Set
from typing import Any

from django.apps import apps
from django.db.models import ImageField, Model
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.db.transaction import on_commit
from sorl.thumbnail import delete

from shrinkmeister.exceptions import SourceNotAllowedError
from shrinkmeister.uploads import UPLOADS, image_fields

# On an instance: the names of each of its fields that the table had before a save or a deletion that is not
# done. A save may be within another one, and one that fails ends without a signal: so names are collected,
# and the save that is done first forgets all of them.
BEFORE = "_shrinkmeister_before"


class LostFile(FieldFile):
    """A file whose thumbnails go.

    files_in_use: names of files that stay, since the instance has or had them as files of its own
    """

    files_in_use: Set[str] = frozenset()


def connect() -> None:
    """Listens to each model that has an ImageField: Django's, or sorl's, which is one.

    Not to all models: a listener makes Django fetch each row that a queryset deletes.
    """
    for model in apps.get_models():
        if image_fields(model):
            for signal, receiver in RECEIVERS:
                signal.connect(receiver, sender=model, dispatch_uid=uid_of(receiver))


def uid_of(receiver: Callable[..., None]) -> str:
    """Return the name by which Django knows a receiver, which no site gives one of its own."""
    return f"{receiver.__module__}.{receiver.__qualname__}"


def _before_save(
    sender: type[Model],
    instance: Model,
    raw: bool,
    using: str,
    update_fields: Iterable[str] | None,
    **kwargs: Any,
) -> None:
    # A key that is made with the instance cannot be in the table yet.
    is_new = instance.pk is None or (instance._state.adding and instance._meta.pk.has_default())
    saved = _saved_fields(sender, raw, update_fields)
    names = {} if is_new or not saved else _names_in_table(sender, instance, using)
    _remember(instance, saved, names)


def _after_save(
    sender: type[Model],
    instance: Model,
    raw: bool,
    using: str,
    update_fields: Iterable[str] | None,
    **kwargs: Any,
) -> None:
    saved = _saved_fields(sender, raw, update_fields)
    before = _recall(instance, saved)
    had = set[str | None]().union(*before.values())
    uploads = instance.__dict__.get(UPLOADS, set())
    for field in saved:
        name, former = getattr(instance, field.attname).name, before.get(field.attname)
        if field.attname in uploads or (former is not None and former != {name}):
            for either in filter(None, {name, *(former or ())}):
                _forget(instance, field, either, had, using)
        uploads.discard(field.attname)


def _before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    # Of the table: what stands in the instance may be deferred, or not be saved.
    _remember(instance, image_fields(sender), _names_in_table(sender, instance, using))


def _after_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    fields = image_fields(sender)
    before = _recall(instance, fields)
    had = set[str | None]().union(*before.values())
    for field in fields:
        for name in filter(None, before.get(field.attname, set())):
            _forget(instance, field, name, had, using)


def _saved_fields(sender: type[Model], raw: bool, update_fields: Iterable[str] | None) -> list[ImageField]:
    fields = [] if raw else image_fields(sender)
    return [field for field in fields if update_fields is None or field.name in update_fields]


def _names_in_table(sender: type[Model], instance: Model, using: str) -> dict[str, str | None]:
    rows = sender._base_manager.using(using).filter(pk=instance.pk)
    return rows.values(*(field.attname for field in image_fields(sender))).first() or {}


def _remember(instance: Model, fields: Iterable[ImageField], names: dict[str, str | None]) -> None:
    before: dict[str, set[str | None]] = instance.__dict__.setdefault(BEFORE, {})
    for field in fields:
        collected = before.setdefault(field.attname, set())
        if field.attname in names:
            collected.add(names[field.attname])


def _recall(instance: Model, fields: Iterable[ImageField]) -> dict[str, set[str | None]]:
    """Take away the names that each field had before; a save within this one has taken its own."""
    before: dict[str, set[str | None]] = instance.__dict__.pop(BEFORE, {})
    found = {field.attname: before.pop(field.attname) for field in fields if field.attname in before}
    if before:
        instance.__dict__[BEFORE] = before
    return found


def _names_in_memory(instance: Model) -> set[str | None]:
    fields = [field for field in image_fields(type(instance)) if field.attname in instance.__dict__]
    return {getattr(instance, field.attname).name for field in fields}


def _forget(instance: Model, field: ImageField, name: str, had: Set[str | None], using: str) -> None:
    """had: the names that the table had of the instance; empty for a new one"""
    known = {*had, *_names_in_memory(instance)}

    def forget() -> None:
        file = LostFile(instance, field, name)
        # The instance may have been saved again since, also by another object of the same row.
        later = _names_in_table(type(instance), instance, using) if had else {}
        file.files_in_use = {name for name in known | set(later.values()) if name}
        try:
            delete(file, delete_file=False)
        except SourceNotAllowedError:
            return  # in a storage that STORAGES does not name: it cannot have a thumbnail

    # Robust: when it fails, Django's log says so; the instance is saved or deleted already.
    on_commit(forget, using=using, robust=True)


RECEIVERS = (
    (pre_save, _before_save),
    (post_save, _after_save),
    (pre_delete, _before_delete),
    (post_delete, _after_delete),
)
