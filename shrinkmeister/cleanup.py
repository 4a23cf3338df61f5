"""THUMBNAIL_CLEANUP: delete the thumbnails of a file when a model instance loses the file.

An instance loses a file when it is deleted, or saved with another file or none. The thumbnails of the file
that it gets are deleted, too: another file may have had its name. It happens after the transaction is
committed. The file itself is never deleted: the site decides about that, as in Django. A thumbnail that
the instance uses as its own file is kept.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from django.apps import apps
from django.db.models import ImageField, Model
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.db.transaction import on_commit
from sorl.thumbnail import delete

from shrinkmeister.uploads import UPLOADS, image_fields

# On an instance: field -> the names that its row had before each save or deletion that has not finished. A
# save can happen within another one, and one that fails ends without a signal. So names are collected, and
# the first save that finishes takes all of them.
BEFORE = "_shrinkmeister_before"


class LostFile(FieldFile):
    """A file whose thumbnails are deleted.

    files_in_use: names of files that are kept, since the instance has or had them as files of its own
    """

    files_in_use: Set[str] = frozenset()


def connect() -> None:
    """Listen to each model that has an ImageField: Django's, or sorl's, which is one.

    Not to all models: with a listener, Django fetches each row that a queryset deletes.
    """
    for model in apps.get_models():
        if image_fields(model):
            for signal, receiver in RECEIVERS:
                signal.connect(receiver, sender=model)


def _before_save(sender: type[Model], instance: Model, using: str, **save: Any) -> None:
    # A primary key that is made with the instance cannot be in the table yet.
    is_new = instance.pk is None or (instance._state.adding and instance._meta.pk.has_default())
    fields = _saved_fields(sender, save)
    _remember(instance, fields, {} if is_new or not fields else _names_in_table(sender, instance, using))


def _after_save(sender: type[Model], instance: Model, using: str, **save: Any) -> None:
    fields = _saved_fields(sender, save)
    before, had = _recall(instance, fields)
    uploads = instance.__dict__.get(UPLOADS, set())
    for field in fields:
        name, former = getattr(instance, field.attname).name, before.get(field.attname)
        if field.attname in uploads or (former is not None and former != {name}):
            _forget(instance, field, {name, *(former or ())}, had, using)
        uploads.discard(field.attname)


def _before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    # From the table: the names in the instance may be deferred or not saved.
    _remember(instance, image_fields(sender), _names_in_table(sender, instance, using))


def _after_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    fields = image_fields(sender)
    before, had = _recall(instance, fields)
    for field in fields:
        _forget(instance, field, before.get(field.attname, set()), had, using)


def _saved_fields(sender: type[Model], save: Mapping[str, Any]) -> list[ImageField]:
    """Return the fields that a save writes; save: the arguments of its signal."""
    names = save["update_fields"]
    fields = [] if save["raw"] else image_fields(sender)
    return [field for field in fields if names is None or field.name in names]


def _names_in_table(sender: type[Model], instance: Model, using: str) -> dict[str, str | None]:
    rows = sender._base_manager.using(using).filter(pk=instance.pk)
    return rows.values(*(field.attname for field in image_fields(sender))).first() or {}


def _remember(instance: Model, fields: Iterable[ImageField], names: Mapping[str, str | None]) -> None:
    before: dict[str, set[str | None]] = instance.__dict__.setdefault(BEFORE, {})
    for field in fields:
        collected = before.setdefault(field.attname, set())
        if field.attname in names:
            collected.add(names[field.attname])


def _recall(
    instance: Model, fields: Iterable[ImageField]
) -> tuple[dict[str, set[str | None]], set[str | None]]:
    """Take the remembered names: by field, and all of them. A save within this one has taken its own."""
    before: dict[str, set[str | None]] = instance.__dict__.pop(BEFORE, {})
    found = {field.attname: before.pop(field.attname) for field in fields if field.attname in before}
    if before:
        instance.__dict__[BEFORE] = before
    return found, set[str | None]().union(*found.values())


def _forget(
    instance: Model, field: ImageField, names: Set[str | None], had: Set[str | None], using: str
) -> None:
    """Delete the thumbnails of files after the commit; had: the names in its row, empty for a new one."""
    model = type(instance)
    in_memory = (one.attname for one in image_fields(model) if one.attname in instance.__dict__)
    known = had | {getattr(instance, attname).name for attname in in_memory}

    for name in filter(None, names):

        def forget(name: str = name) -> None:
            file = LostFile(instance, field, name)
            # The row may have been saved again since, also through another instance.
            later = _names_in_table(model, instance, using) if had else {}
            file.files_in_use = {name for name in known | set(later.values()) if name}
            delete(file, delete_file=False)

        # Robust: Django logs a failure. The instance is saved or deleted already.
        on_commit(forget, using=using, robust=True)


RECEIVERS = (
    (pre_save, _before_save),
    (post_save, _after_save),
    (pre_delete, _before_delete),
    (post_delete, _after_delete),
)
