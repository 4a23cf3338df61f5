"""A serializer field of Django REST framework (https://www.django-rest-framework.org/).

    class PhotoSerializer(serializers.ModelSerializer):
        thumbnail = ThumbnailField("300x200", options={"crop": "center"}, source="image")

    "thumbnail": {"url": "https://...jpg", "width": 300, "height": 200, "srcset": "https://...@2x.jpg 2x"}

All thumbnails of an answer are looked up in one round trip: the first of its fields that is asked goes
through what the root serializer has been given, down to the files of all others.
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

# The attribute of a root serializer that holds its page, and what that has been told to expect.
EXPECTED = "_shrinkmeister_expected"


class ThumbnailField(Field[Any, Any, ThumbnailData | None, Any]):
    """The thumbnail of a file, read-only: {"url", "width", "height", "srcset"}, or null for an empty file.

    geometry  "300x200", "300" or 300 (width), "x200" (height)
    options   sorl's: {"crop": "center", "quality": 80}
    source    of serializers: the attribute with the file, or whatever else the tag `thumbnail` takes

    `url` is final if the thumbnail is recorded, else the URL at which the thumbnail server makes it.
    `width` and `height` are null where they are not certain. `srcset` is for
    <img src="{url}" srcset="{srcset}">: the resolutions of THUMBNAIL_ALTERNATIVE_RESOLUTIONS,
    ".../a@2x.jpg 2x", and "" where there are none.

    A file that can have no thumbnail is null, and an error in the log; with THUMBNAIL_DEBUG it is raised,
    as by sorl's tag. A geometry or an option that cannot be is a SpecError at once.

    All thumbnails of an answer are one look-up, as far as their files can be had without a query and
    without calling anything: attributes, loaded fields, related objects that have been selected or
    prefetched. What a generator, a manager (but for one that is prefetched), a property or a method gives
    is looked up one by one.
    """

    # What drf-spectacular looks for, and others ignore.
    _spectacular_annotation = {"field": ThumbnailData | None}

    def __init__(
        self, geometry: str | int, *, options: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "read_only": True})
        self.geometry = geometry
        self.options = dict(options or {})
        # Any source will do: what is wrong here is wrong for all of them.
        ThumbnailSpec(Source("storage", "default", "any"), str(geometry), self.options)

    def to_representation(self, value: Any) -> ThumbnailData | None:
        if not value:
            return None
        with using_page(_page_of(self.root)):
            try:
                thumbnail = default.backend.get_thumbnail(value, self.geometry, **self.options)
            except SettingError:
                raise
            except ShrinkmeisterError:
                if get_config().debug:
                    raise
                logger.exception("%s.%s is null", type(self.parent).__name__, self.field_name)
                return None
            return thumbnail_data(thumbnail)


def _page_of(root: Any) -> RequestCache:
    """The page of the request, or one of the root serializer alone, which expects what that represents."""
    kept, seen = getattr(root, EXPECTED, (None, None))
    given = getattr(root, "instance", None)
    # A queryset is known by the list of its objects, which is not there before it has been evaluated.
    shown = _loaded(given) if isinstance(root, ListSerializer) else given
    # A page remembers what it was asked for, and a serializer may live for long.
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
    """The files of the ThumbnailFields at and below a field that represents these values.

    It goes no further down than there are values, and through each but once: serializers may contain
    themselves, and objects each other.

    seen: by the class of a serializer and the identity of a value
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
    """What a list of serializers will go through, if it is there already; else nothing."""
    if isinstance(value, BaseManager):
        value = value.all()
    if isinstance(value, QuerySet | RawQuerySet):
        value = getattr(value, "_result_cache", None)
    return value if isinstance(value, list | tuple | PageOfObjects) else ()


def _stored(value: Any, attributes: Iterable[str]) -> Any:
    """What these attributes, each of the one before, lead to; None if that takes a query or a call."""
    for name in attributes:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif name in getattr(value, "__dict__", ()) or _is_related(value, name):
            # Of a one-to-one it may be known that there is none.
            value = getattr(value, name, None)
        else:
            return None
    return value


def _is_related(value: Any, name: str) -> bool:
    """Whether it is a related object that is there, or the manager of some that may be."""
    descriptor: Any = getattr(type(value), name, None)
    if isinstance(descriptor, ReverseManyToOneDescriptor):
        return hasattr(value, "_prefetched_objects_cache")
    return hasattr(descriptor, "is_cached") and bool(descriptor.is_cached(value))
