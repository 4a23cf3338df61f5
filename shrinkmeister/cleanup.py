"""THUMBNAIL_CLEANUP: the thumbnails of a file go when a model instance loses it.

A file is lost when its instance is deleted, or saved with another file or none; an upload under a name that
was used before counts too. That happens after the transaction is committed, and never deletes the file:
that remains the site's decision, as it is Django's.
"""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db.models import ImageField, Model
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_delete, post_save, pre_save
from django.db.transaction import on_commit
from sorl.thumbnail import delete

# What an instance is to lose, from its pre_save to its post_save.
LOST = "_shrinkmeister_lost"


def connect() -> None:
    """Listens to each model that has an ImageField: Django's, or sorl's, which is one.

    Not to all models: a listener makes Django fetch each row that a queryset deletes.
    """
    for model in apps.get_models():
        if _fields(model):
            pre_save.connect(_before_save, sender=model, dispatch_uid=_before_save.__qualname__)
            post_save.connect(_after_save, sender=model, dispatch_uid=_after_save.__qualname__)
            post_delete.connect(_after_delete, sender=model, dispatch_uid=_after_delete.__qualname__)


def _fields(model: type[Model]) -> list[ImageField]:
    return [field for field in model._meta.get_fields() if isinstance(field, ImageField)]


def _before_save(
    sender: type[Model],
    instance: Model,
    raw: bool,
    using: str,
    update_fields: Iterable[str] | None,
    **kwargs: Any,
) -> None:
    saved = [field for field in _fields(sender) if update_fields is None or field.name in update_fields]
    if raw or not saved:
        return
    names = [field.attname for field in saved]
    before: dict[str, str] = {}
    # A key that is made with the instance cannot be in the table yet.
    if instance.pk is not None and not (instance._state.adding and instance._meta.pk.has_default()):
        before = sender._base_manager.using(using).filter(pk=instance.pk).values(*names).first() or {}
    # An upload is saved between the two signals, under a name that its storage may change.
    uploads = {name for name in names if (file := getattr(instance, name)) and not file._committed}
    setattr(instance, LOST, (saved, before, uploads))


def _after_save(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    fields, before, uploads = instance.__dict__.pop(LOST, ((), {}, ()))
    for field in fields:
        name, former = getattr(instance, field.attname).name, before.get(field.attname)
        if field.attname in uploads:
            # Whoever had a file of that name before has lost it.
            _forget(FieldFile(instance, field, name), using)
        if former and former != name:
            _forget(FieldFile(instance, field, former), using)


def _after_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    for field in _fields(sender):
        if file := getattr(instance, field.attname):
            _forget(FieldFile(instance, field, file.name), using)


def _forget(file: FieldFile, using: str) -> None:
    def forget() -> None:
        delete(file, delete_file=False)

    # Robust: when it fails, Django's log says so; the instance is saved or deleted already.
    on_commit(forget, using=using, robust=True)
