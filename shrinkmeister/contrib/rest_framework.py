"""A serializer field of Django REST framework (https://www.django-rest-framework.org/).

    class PhotoSerializer(serializers.ModelSerializer):
        thumbnail = ThumbnailField("300x200", options={"crop": "center"}, source="image")

    "thumbnail": {"url": "https://...jpg", "width": 300, "height": 200, "srcset": "https://...@2x.jpg 2x"}

All thumbnails of an answer are looked up in one round trip. The first field that is represented walks
through the objects of the root serializer and collects the files of all fields.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.core.paginator import Page as PageOfObjects
from django.db.models import QuerySet
from django.db.models.fields.related_descriptors import ReverseManyToOneDescriptor
from django.db.models.manager import BaseManager
from django.db.models.query import RawQuerySet
from rest_framework.serializers import Field, ListField, ListSerializer, Serializer
from sorl.thumbnail import default

from shrinkmeister.conf import SettingError, get_config
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.page import RequestCache, current_page, using_page
from shrinkmeister.prefetch import ThumbnailData, expect, thumbnail_data
from shrinkmeister.protocol.spec import Source, ThumbnailSpec

logger = logging.getLogger(__name__)

# The attribute of a root serializer that holds its page, and the objects whose files that page expects.
EXPECTED = "_shrinkmeister_expected"


class ThumbnailField(Field[Any, Any, ThumbnailData | None, Any]):
    """The thumbnail of a file, read-only: ThumbnailData, or null for an empty file.

    geometry  "300x200", "300" or 300 (width), "x200" (height)
    options   sorl's options: {"crop": "center", "quality": 80}
    source    the serializers' option: the attribute with the file, or with any value that the tag accepts

    If a file cannot have a thumbnail, the value is null, and the error is logged. With THUMBNAIL_DEBUG, the
    field raises the error, as sorl's tag does. An invalid geometry or option raises SpecError when the
    field is created.

    One look-up covers all files that need no query and no call: attributes, loaded fields, and related
    objects that were selected or prefetched. The field looks up other files one by one: those of
    generators, properties and methods, and of managers that were not prefetched.
    """

    # drf-spectacular reads this attribute.
    _spectacular_annotation = {"field": ThumbnailData | None}

    def __init__(
        self, geometry: str | int, *, options: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "read_only": True})
        self.geometry = geometry
        self.options = dict(options or {})
        # Validates geometry and options, with any source.
        ThumbnailSpec(Source("storage", "default", "any"), str(geometry), self.options)

    def to_representation(self, value: Any) -> ThumbnailData | None:
        if not value:
            return None
        with using_page(_page_of(self.root)):
            try:
                thumbnail = default.backend.get_thumbnail(value, self.geometry, **self.options)
            except ShrinkmeisterError as error:
                if isinstance(error, SettingError) or get_config().debug:
                    raise
                logger.exception("%s.%s is null", type(self.parent).__name__, self.field_name)
                return None
            return thumbnail_data(thumbnail)


def _page_of(root: Any) -> RequestCache:
    """Return the page of the request, or one for the root serializer, with the keys of its files."""
    kept, seen = getattr(root, EXPECTED, (None, None))
    given = getattr(root, "instance", None)
    # A queryset is identified by its list of objects, which exists only after it was evaluated.
    shown = _loaded(given) if isinstance(root, ListSerializer) else given
    # A new page for other objects, since a page keeps all keys and a serializer may live for long.
    page = current_page() or (kept if shown is seen else None) or RequestCache()
    if page is not kept or shown is not seen:
        setattr(root, EXPECTED, (page, shown))
        if given is not None:
            found = _files(root, [given], set())
            expect(page, ((file, field.geometry, field.options) for field, file in found))
    return page


def _files(
    field: Any, values: Sequence[Any], seen: set[tuple[type, int]]
) -> Iterator[tuple[ThumbnailField, Any]]:
    """Yield the files of the ThumbnailFields at and below a field that represents these values.

    Each value is visited once, since serializers may contain themselves, and objects each other.

    seen: the visited values, as the class of the serializer and the identity of the value
    """
    if not values:
        return
    if isinstance(field, ThumbnailField):
        yield from ((field, value) for value in values)
    elif isinstance(field, ListSerializer | ListField):
        yield from _files(field.child, [item for value in values for item in _loaded(value)], seen)
    elif isinstance(field, Serializer):
        known = {id(value): value for value in values if (type(field), id(value)) not in seen}
        seen |= {(type(field), number) for number in known}
        values = [*known.values()]
        for child in field.fields.values():
            if isinstance(child, ThumbnailField | ListSerializer | ListField | Serializer):
                inner = (_stored(value, child.source_attrs) for value in values)
                if not child.write_only:
                    yield from _files(child, [value for value in inner if value is not None], seen)


def _loaded(value: Any) -> Iterable[Any]:
    """Return the objects that a list serializer will represent, if they are loaded."""
    if isinstance(value, BaseManager):
        value = value.all()
    if isinstance(value, QuerySet | RawQuerySet):
        value = getattr(value, "_result_cache", None)
    return value if isinstance(value, list | tuple | PageOfObjects) else ()


def _stored(value: Any, attributes: Iterable[str]) -> Any:
    """Return the value of a chain of attributes; None if that needs a query or a call."""
    for name in attributes:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif name in getattr(value, "__dict__", ()) or _is_related(value, name):
            # A loaded one-to-one relation may have no object.
            value = getattr(value, name, None)
        else:
            return None
    return value


def _is_related(value: Any, name: str) -> bool:
    """Return whether it is a loaded related object, or the manager of prefetched ones."""
    descriptor: Any = getattr(type(value), name, None)
    if isinstance(descriptor, ReverseManyToOneDescriptor):
        return hasattr(value, "_prefetched_objects_cache")
    return hasattr(descriptor, "is_cached") and bool(descriptor.is_cached(value))
