"""THUMBNAIL_CLEANUP: the thumbnails of a file go when a model instance loses it.

A file is lost when its instance is deleted, or saved with another file or none. What an instance gets
counts too: its name may have been that of another file. It happens after the transaction is committed, and
never deletes the file: that remains the site's decision, as it is Django's. Nor does it delete a thumbnail
that the instance names as its file.
"""

from collections.abc import Iterable, Set
from typing import Any

from django.apps import apps
from django.db.models import ImageField, Model
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.db.transaction import on_commit
from sorl.thumbnail import delete

from shrinkmeister.exceptions import SourceNotAllowedError
from shrinkmeister.uploads import UPLOADS, image_fields

# On an instance: what the table said before each save or deletion that is going on, since one may be within
# another.
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
                signal.connect(receiver, sender=model, dispatch_uid=receiver.__qualname__)


def _before_save(
    sender: type[Model],
    instance: Model,
    raw: bool,
    using: str,
    update_fields: Iterable[str] | None,
    **kwargs: Any,
) -> None:
    saved = [
        field for field in image_fields(sender) if update_fields is None or field.name in update_fields
    ]
    # A key that is made with the instance cannot be in the table yet.
    is_new = instance.pk is None or (instance._state.adding and instance._meta.pk.has_default())
    names = {} if is_new or raw or not saved else _names_in_table(sender, instance, using)
    _push(instance, ([] if raw else saved, names))


def _after_save(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    saved, before = _pop(instance)
    uploads = instance.__dict__.get(UPLOADS, set())
    for field in saved:
        name, former = getattr(instance, field.attname).name, before.get(field.attname)
        if field.attname in uploads or name != former:
            for either in {name, former} - {None, ""}:
                _forget(instance, field, either, before, using)
        uploads.discard(field.attname)


def _before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    # Of the table: what stands in the instance may be deferred, or not be saved.
    _push(instance, (image_fields(sender), _names_in_table(sender, instance, using)))


def _after_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    fields, before = _pop(instance)
    for field in fields:
        if name := before.get(field.attname):
            _forget(instance, field, name, before, using)


def _names_in_table(sender: type[Model], instance: Model, using: str) -> dict[str, str]:
    rows = sender._base_manager.using(using).filter(pk=instance.pk)
    return rows.values(*(field.attname for field in image_fields(sender))).first() or {}


def _push(instance: Model, before: tuple[list[ImageField], dict[str, str]]) -> None:
    instance.__dict__.setdefault(BEFORE, []).append(before)


def _pop(instance: Model) -> tuple[list[ImageField], dict[str, str]]:
    stack = instance.__dict__.get(BEFORE)
    return stack.pop() if stack else ([], {})


def _names_in_memory(instance: Model) -> set[str]:
    fields = [field for field in image_fields(type(instance)) if field.attname in instance.__dict__]
    return {getattr(instance, field.attname).name for field in fields}


def _forget(instance: Model, field: ImageField, name: str, before: dict[str, str], using: str) -> None:
    """before: what the table said of the instance; empty for a new one"""
    known = {*before.values(), *_names_in_memory(instance)}

    def forget() -> None:
        file = LostFile(instance, field, name)
        # The instance may have been saved again since, also by another object of the same row.
        later = _names_in_table(type(instance), instance, using) if before else {}
        file.files_in_use = known | set(later.values())
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
