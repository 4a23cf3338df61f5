"""The serializer field: what it says, and that an answer costs one look-up, however it nests."""

import json
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.paginator import Paginator
from django.core.signals import request_finished, request_started
from rest_framework.generics import ListAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.serializers import IntegerField, ListField, ListSerializer, ModelSerializer, Serializer
from rest_framework.serializers import SerializerMethodField as MethodField
from rest_framework.test import APIRequestFactory
from sorl.thumbnail import get_thumbnail

from shrinkmeister.contrib.rest_framework import ThumbnailField
from shrinkmeister.exceptions import SourceNotAllowedError, SpecError
from shrinkmeister.page import RequestCache, current_page, using_page
from shrinkmeister.prefetch import ThumbnailData, prefetch_thumbnails, thumbnail_data
from tests.site.models import Album, Photo, Room
from tests.support.pages import Trips, lazy, record


class PhotoSerializer(ModelSerializer[Any]):
    small = ThumbnailField("100", source="image")
    square = ThumbnailField("300x200", options={"crop": "center"}, source="image", help_text="A square.")

    class Meta:
        model = Photo
        fields = ("title", "small", "square")


class RoomSerializer(ModelSerializer[Any]):
    cover = ThumbnailField("300x200", source="poster.image")
    poster = PhotoSerializer()
    photos = PhotoSerializer(many=True)
    count = MethodField()

    class Meta:
        model = Room
        fields = ("cover", "poster", "photos", "count")

    def get_count(self, room: Room) -> int:
        return len(room.photos.all())


@pytest.fixture
def trips(media: Any, monkeypatch: pytest.MonkeyPatch) -> Trips:
    return Trips(monkeypatch)


def photos(count: int) -> list[Photo]:
    return [Photo(title=str(number), image=f"photos/{number}.jpg") for number in range(count)]


@pytest.fixture
def rooms(db: None, trips: Trips) -> Callable[[], Any]:
    """Three rooms with a poster and two photos each; loading them takes two queries."""
    for number in range(3):
        shown = [Photo.objects.create(image=f"photos/{number}-{one}.jpg") for one in range(3)]
        Room.objects.create(poster=shown[0]).photos.set(shown[1:])
    return lambda: Room.objects.select_related("poster").prefetch_related("photos")


class TestWhatItSays:
    def test_a_lazy_one(self, trips: Trips) -> None:
        (photo,) = photos(1)
        data = PhotoSerializer(photo).data
        assert data["square"] == {
            "url": get_thumbnail(photo.image, "300x200", crop="center").url,
            "width": 300,
            "height": 200,
            "srcset": "",
        }
        assert data["small"]["width"] is data["small"]["height"] is None

    def test_a_recorded_one_with_its_resolutions(self, trips: Trips, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
        url = record("photos/0.jpg", "300x200", ("1.5", "2"), crop="center")
        stem = url.removesuffix(".jpg")
        expected = {
            "url": url,
            "width": 300,
            "height": 200,
            "srcset": f"{stem}@1.5x.jpg 1.5x, {stem}@2x.jpg 2x",
        }
        data = PhotoSerializer(photos(1), many=True).data
        assert data[0]["square"] == expected
        assert json.loads(JSONRenderer().render(data))[0]["square"] == expected
        (thumbnail,) = prefetch_thumbnails(photos(1), "image", "300x200", crop="center")
        assert thumbnail_data(thumbnail) == expected

    def test_no_file(self, trips: Trips) -> None:
        data = PhotoSerializer([Photo(), *photos(1)], many=True).data
        assert data[0]["square"] is None
        assert data[1]["square"] is not None
        assert trips.keys == [3]
        assert thumbnail_data(None) is None

    def test_a_placeholder_has_one_url(self, trips: Trips, settings: Any) -> None:
        settings.THUMBNAIL_DUMMY = True
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        assert PhotoSerializer(photos(1)[0]).data["square"] == {
            "url": "https://dummyimage.com/300x200",
            "width": 300,
            "height": 200,
            "srcset": "",
        }
        assert trips.taken() == 0

    def test_placeholders_are_not_looked_up(self, trips: Trips, settings: Any) -> None:
        with using_page(RequestCache()):
            settings.THUMBNAIL_DUMMY = True
            assert PhotoSerializer(photos(5), many=True).data
            settings.THUMBNAIL_DUMMY = False
            get_thumbnail("photos/9.jpg", "100")
        assert trips.keys == [2]

    def test_an_image_of_another_host(self, trips: Trips, settings: Any) -> None:
        settings.THUMBNAIL_DEBUG = False
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        url = "https://unlisted-5.example.com/a.jpg"
        data = PhotoSerializer(SimpleNamespace(title="", image=url)).data
        assert data["small"] == {"url": url, "width": None, "height": None, "srcset": ""}

    def test_a_width_as_a_number(self, trips: Trips) -> None:
        class Numbered(Serializer[Any]):
            image = ThumbnailField(100)

        (photo,) = photos(1)
        assert Numbered(photo).data["image"] == PhotoSerializer(photo).data["small"]

    def test_it_is_read_only(self) -> None:
        assert ThumbnailField("300", read_only=False).read_only
        serializer = PhotoSerializer(data={"title": "a", "square": {"url": "https://evil.example.com"}})
        assert serializer.is_valid()
        assert serializer.validated_data == {"title": "a"}

    @pytest.mark.parametrize(
        ("geometry", "options"), [("300 x 200", {}), ("0", {}), ("300", {"format": "TIFF"})]
    )
    def test_what_cannot_be_is_an_error_at_once(self, geometry: str, options: dict[str, Any]) -> None:
        with pytest.raises(SpecError):
            ThumbnailField(geometry, options=options)

    def test_for_openapi(self) -> None:
        """As drf-spectacular reads it: a hint of a type, and text for people."""
        field: Any = PhotoSerializer().fields["square"]
        assert field._spectacular_annotation == {"field": ThumbnailData | None}
        assert field.help_text == "A square."


class TestOneLookUp:
    """Two thumbnails of each photo: a look-up for each, or one in all."""

    @pytest.mark.parametrize("kind", [list, tuple])
    def test_lists(self, trips: Trips, kind: Any) -> None:
        data = PhotoSerializer(kind(photos(5)), many=True).data
        assert trips.keys == [5 * 3]  # of the small ones the sources too
        assert len({one["square"]["url"] for one in data}) == 5
        assert current_page() is None

    def test_one_object(self, trips: Trips) -> None:
        assert PhotoSerializer(photos(1)[0]).data["square"]
        assert trips.keys == [3]

    @pytest.mark.django_db
    def test_querysets(self, trips: Trips, django_assert_num_queries: Any) -> None:
        Photo.objects.bulk_create(photos(5))
        serializer = PhotoSerializer(Photo.objects.all(), many=True)
        with django_assert_num_queries(1):
            assert len(serializer.data) == 5
        assert trips.keys == [15]

    @pytest.mark.django_db
    def test_querysets_of_dicts(self, trips: Trips, django_assert_num_queries: Any) -> None:
        Photo.objects.bulk_create(photos(5))
        with django_assert_num_queries(1):
            data = PhotoSerializer(Photo.objects.values("title", "image"), many=True).data
        assert trips.taken() == 1
        assert data == PhotoSerializer(photos(5), many=True).data

    def test_dicts(self, trips: Trips) -> None:
        given = [{"title": "a", "image": "photos/0.jpg"}, {"title": "b", "image": "photos/1.jpg"}]
        assert PhotoSerializer(given, many=True).data[1]["square"]
        assert trips.taken() == 1

    def test_pages(self, trips: Trips) -> None:
        page = Paginator(photos(5), 3).page(1)
        assert len(PhotoSerializer(page, many=True).data) == 3
        assert trips.keys == [9]

    @pytest.mark.django_db
    def test_a_view_with_pagination(
        self, trips: Trips, settings: Any, django_assert_num_queries: Any
    ) -> None:
        class ThreeEach(PageNumberPagination):
            page_size = 3

        class PhotoView(ListAPIView[Photo]):
            queryset = Photo.objects.order_by("pk")
            serializer_class = PhotoSerializer
            pagination_class = ThreeEach
            authentication_classes = ()
            permission_classes = ()

        Photo.objects.bulk_create(photos(5))
        with django_assert_num_queries(2):  # the page, and how many there are
            answer = PhotoView.as_view()(APIRequestFactory().get("/photos"))
        assert [one["title"] for one in answer.data["results"]] == ["0", "1", "2"]
        assert trips.keys == [9]

    def test_nested_serializers(
        self, rooms: Callable[[], Any], trips: Trips, django_assert_num_queries: Any
    ) -> None:
        with django_assert_num_queries(2):
            data = RoomSerializer(rooms(), many=True).data
        assert trips.keys == [3 * (7 + 3)]  # of each room thumbnails, and the sources of some
        assert [len(one["photos"]) for one in data] == [2, 2, 2]
        trips.taken()
        room = rooms().get(pk=1)
        with django_assert_num_queries(0):
            assert RoomSerializer(room).data == data[0]
        assert trips.taken() == 1

    def test_from_below(
        self, rooms: Callable[[], Any], trips: Trips, django_assert_num_queries: Any
    ) -> None:
        """A manager at the root, that has been prefetched; and relations the other way round."""

        class Other(Serializer[Any]):
            rooms = RoomSerializer(many=True)
            image = ThumbnailField("50")

        room = rooms().prefetch_related("photos__rooms__photos", "photos__rooms__poster").get(pk=1)
        with django_assert_num_queries(0):
            data = Other(room.photos, many=True).data
        assert trips.taken() == 1
        assert len(data[0]["rooms"][0]["photos"]) == 2

    def test_lists_of_files(self, trips: Trips) -> None:
        class Files(Serializer[Any]):
            files = ListField(child=ThumbnailField("300x200"))

        data = Files({"files": ["a.jpg", None, "b.jpg"]}).data
        assert trips.keys == [2 + 2]
        assert [one and one["url"] for one in data["files"]] == [
            get_thumbnail("a.jpg", "300x200").url,
            None,
            get_thumbnail("b.jpg", "300x200").url,
        ]

    def test_serializers_that_contain_themselves(self, trips: Trips) -> None:
        class Tree(Serializer[Any]):
            image = ThumbnailField("300x200")

            def get_fields(self) -> Any:
                return {**super().get_fields(), "children": Tree(many=True)}

        leaf = {"image": "leaf.jpg", "children": []}
        data = Tree({"image": "a.jpg", "children": [leaf, {"image": "b.jpg", "children": [leaf]}]}).data
        assert data["children"][1]["children"][0]["image"]
        assert trips.keys == [3 + 3]  # three, and of each that of its source

    def test_objects_that_contain_each_other(self, trips: Trips) -> None:
        """Where a serializer stops by itself, which the walk cannot see."""

        class Node(Serializer[Any]):
            image = ThumbnailField("300x200")

            def get_fields(self) -> Any:
                return {**super().get_fields(), "children": Node(many=True), "parent": Node()}

            def to_representation(self, instance: Any) -> Any:
                depth, above = 0, self.parent
                while above is not None:
                    depth, above = depth + 1, above.parent
                return None if depth > 3 else super().to_representation(instance)

        root = SimpleNamespace(image="root.jpg", parent=None, children=[])
        root.children.append(SimpleNamespace(image="child.jpg", parent=root, children=[]))
        data = Node(root).data
        assert data["children"][0]["parent"]["image"] == data["image"]
        assert trips.keys == [2 + 2]  # and of each that of its source

    def test_what_was_recorded_is_found_in_it(self, trips: Trips) -> None:
        url = record("photos/3.jpg", crop="center")
        trips.taken()
        data = PhotoSerializer(photos(5), many=True).data
        assert [one["square"]["url"] == url for one in data] == [False, False, False, True, False]
        assert trips.taken() == 1

    def test_in_redis(self, trips: Trips, settings: Any, redis_location: str) -> None:
        """As its own count of commands has it."""
        from redis import Redis

        settings.THUMBNAIL_CACHE_BACKEND, settings.THUMBNAIL_CACHE_NAME = "redis", None
        settings.CACHES = {"default": settings.CACHES["default"]}
        settings.THUMBNAIL_CACHE_LOCATION = redis_location
        url = record("photos/3.jpg", crop="center")
        with Redis.from_url(redis_location) as client:
            client.config_resetstat()
            data = PhotoSerializer(photos(100), many=True).data
            commands = client.info("commandstats")
        assert commands["cmdstat_mget"]["calls"] == 1
        assert not {name for name in commands if "get" in name.replace("mget", "")}
        assert data[3]["square"]["url"] == url

    @pytest.mark.django_db  # which Django closes at a request's end
    def test_within_a_request(self, trips: Trips) -> None:
        """In its page, which finds all of it for templates too."""
        request_started.send(sender=None, environ={"PATH_INFO": "/api"})
        try:
            for _ in range(2):
                assert len(PhotoSerializer(photos(5), many=True).data) == 5
                get_thumbnail("photos/1.jpg", "100")
                assert trips.keys == [15]
        finally:
            request_finished.send(sender=None)
        assert current_page() is None

    def test_another_page(self, trips: Trips) -> None:
        """A serializer that outlives a page expects the same of the next one."""
        serializer: Any = PhotoSerializer(photos(2), many=True)
        for _ in range(2):
            with using_page(RequestCache()):
                serializer.to_representation(serializer.instance)
        assert trips.keys == [6, 6]


class TestOneByOne:
    """What cannot be seen before is right all the same, and costs nothing but look-ups."""

    def test_by_hand(self, trips: Trips) -> None:
        expected: Any = PhotoSerializer(photos(3), many=True).data
        trips.taken()
        serializer = PhotoSerializer()
        assert [serializer.to_representation(photo) for photo in photos(3)] == expected
        assert trips.taken() == 6
        assert ThumbnailField("100").to_representation("photos/0.jpg") == expected[0]["small"]

    def test_generators(self, trips: Trips) -> None:
        serializer: Any = PhotoSerializer((photo for photo in photos(3)), many=True)
        assert [one["title"] for one in serializer.data] == ["0", "1", "2"]
        assert trips.taken() == 6

    @pytest.mark.django_db
    def test_a_child_by_hand_before_its_queryset(
        self, trips: Trips, django_assert_num_queries: Any
    ) -> None:
        Photo.objects.bulk_create(photos(3))
        serializer: Any = PhotoSerializer(Photo.objects.all(), many=True)
        with django_assert_num_queries(0):
            serializer.child.to_representation(photos(1)[0])
        assert trips.taken() == 2
        with django_assert_num_queries(1):
            assert len(serializer.data) == 3
        assert trips.taken() == 1

    def test_what_is_not_prefetched(
        self, rooms: Callable[[], Any], trips: Trips, django_assert_num_queries: Any
    ) -> None:
        expected = RoomSerializer(rooms(), many=True).data
        trips.taken()
        with django_assert_num_queries(
            1 + 3 * (1 + 1 + 1)
        ):  # a poster, photos, and photos that are counted
            assert RoomSerializer(Room.objects.all(), many=True).data == expected
        assert trips.taken() > 1

    @pytest.mark.django_db
    def test_deferred_fields(self, trips: Trips, django_assert_num_queries: Any) -> None:
        Photo.objects.bulk_create(photos(2))
        with django_assert_num_queries(3):
            assert PhotoSerializer(Photo.objects.defer("image"), many=True).data[1]["small"]

    def test_properties_and_methods_are_called_once(self, trips: Trips) -> None:
        calls = []

        class Computed:
            @property
            def image(self) -> str:
                calls.append("image")
                return "a.jpg"

            def picture(self) -> str:
                calls.append("picture")
                return "b.jpg"

        class Computing(Serializer[Any]):
            image = ThumbnailField("300x200")
            picture = ThumbnailField("300x200")

        assert Computing(Computed()).data["picture"]["url"] == get_thumbnail("b.jpg", "300x200").url
        assert calls == ["image", "picture"]

    def test_unsaved_instances(self, db: None, trips: Trips) -> None:
        class Posters(Serializer[Any]):
            cover = ThumbnailField("300x200", source="poster.image")

        assert Posters([Room(), Room(poster=photos(1)[0])], many=True).data[1]["cover"]

    def test_a_relation_that_may_not_be_read(self, db: None, trips: Trips) -> None:
        """Of an unsaved instance, whom this serializer does not ask for it."""

        class OfSaved(ListSerializer[Any]):
            def get_attribute(self, instance: Room) -> Any:
                return super().get_attribute(instance) if instance.pk else []

        class Shown(PhotoSerializer):
            class Meta(PhotoSerializer.Meta):
                list_serializer_class = OfSaved

        class Rooms(Serializer[Any]):
            cover = ThumbnailField("300x200", source="poster.image")
            photos = Shown(many=True)

        data = Rooms(Room(poster=photos(1)[0])).data
        assert data["cover"]
        assert data["photos"] == []

    def test_a_one_to_one_that_is_not_there(self, db: None, trips: Trips) -> None:
        """Which select_related has found out: the others have theirs, as with the framework's fields."""

        class Covers(Serializer[Any]):
            cover = ThumbnailField("300x200", source="album.cover")

        Photo.objects.create(image="photos/0.jpg")
        Album.objects.create(image="photos/1.jpg", cover="covers/1.jpg")
        shown = Photo.objects.select_related("album").order_by("id")
        assert [bool(one.get("cover")) for one in Covers(shown, many=True).data] == [False, True]

    def test_a_serializer_that_lives_for_long(self, trips: Trips) -> None:
        """Outside of requests it remembers no more than the page of its last answer."""
        serializer = PhotoSerializer()
        for photo in photos(20):
            serializer.instance = photo
            serializer.to_representation(photo)
        page, _ = vars(serializer)["_shrinkmeister_expected"]
        assert len(page.asked) == 4  # two records, that of the source, and the doubt

    def test_many_answers_of_one_serializer(self, trips: Trips) -> None:
        """The walk is not taken again for each object."""
        walked = []

        class Counting(list[Any]):
            def __iter__(self) -> Iterator[Any]:
                walked.append(1)
                return super().__iter__()

        assert len(PhotoSerializer(Counting(photos(10)), many=True).data) == 10
        assert len(walked) == 2


class TestErrors:
    class Odd(Serializer[Any]):
        image = ThumbnailField("300x200")

    GIVEN = [{"image": "a.jpg"}, {"image": "\0"}, {"image": "b.jpg"}]

    def test_a_file_that_can_have_none_is_null(
        self, trips: Trips, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As templates show {% empty %}."""
        settings.THUMBNAIL_DEBUG = False
        data = self.Odd(self.GIVEN, many=True).data
        assert [bool(one["image"]) for one in data] == [True, False, True]
        assert trips.taken() == 1
        (line,) = [line for line in caplog.records if line.levelno == logging.ERROR]
        assert line.getMessage() == "Odd.image is null"
        assert line.exc_info

    def test_half_of_a_surrogate_pair(self, trips: Trips, settings: Any) -> None:
        settings.THUMBNAIL_DEBUG = False
        given = [{"image": "a.jpg"}, {"image": "\ud800.jpg"}, {"image": "b.jpg"}]
        assert [bool(one["image"]) for one in self.Odd(given, many=True).data] == [True, False, True]

    def test_with_debug_it_is_raised(self, trips: Trips) -> None:
        with pytest.raises(SpecError):
            _ = self.Odd(self.GIVEN, many=True).data

    def test_a_storage_without_a_name(self, trips: Trips) -> None:
        file = SimpleNamespace(name="a.jpg", storage=FileSystemStorage("/elsewhere"))
        with pytest.raises(SourceNotAllowedError):
            _ = self.Odd({"image": file}).data

    def test_an_attribute_that_is_missing(self, trips: Trips) -> None:
        """As other read-only fields of the framework: left out."""
        assert self.Odd({"picture": "a.jpg"}).data == {}


@pytest.mark.usefixtures("media")
def test_a_field_of_numbers_takes_a_side_that_is_not_certain() -> None:
    class Sizes(Serializer[Any]):
        width = IntegerField(source="thumbnail.width")
        height = IntegerField(source="thumbnail.height")

    shown = Sizes({"thumbnail": lazy(geometry="1200", crop="center")}).data
    assert json.loads(JSONRenderer().render(shown)) == {"width": 1200, "height": None}
