"""Sources and thumbnails in real buckets: public and private, the same and different ones."""

import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.config import Config as ClientConfig
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.template import Context, Template
from sorl.thumbnail import delete, get_thumbnail
from storages.backends.s3 import S3Storage

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import SettingError, get_config
from shrinkmeister.drivers.base import Driver
from shrinkmeister.exceptions import StorageError
from shrinkmeister.setting_checks import check_expiry
from shrinkmeister.storage import get_former_storage, get_thumbnail_storage
from shrinkmeister.storage.buckets import MOST_SIGNED_SECONDS, alias_storage, bucket_storage
from shrinkmeister_server import pipeline
from tests.servers.s3 import S3Server
from tests.site.models import Photo
from tests.support.pictures import picture, size_of
from tests.support.sides import Server

pytestmark = pytest.mark.django_db

NAME = "Fotos aus Zürich/a b+c.jpg"


class Buckets:
    """A site whose media lie in one bucket and its thumbnails in another, or in the same."""

    def __init__(self, settings: Any, s3: S3Server, media: str, thumbs: str, **options: Any) -> None:
        self.s3 = s3
        self.media = media
        self.thumbs = thumbs
        options = {**s3.storage_options, "bucket_name": media, **options}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        settings.THUMBNAIL_BUCKET = thumbs
        settings.THUMBNAIL_SOURCES = [f"s3://{media}"]
        self.photo = Photo(image=storages["default"].save(NAME, ContentFile(picture((400, 300)))))

    def names(self, bucket: str) -> list[str]:
        answer = self.s3.client().list_objects_v2(Bucket=bucket)
        return [entry["Key"] for entry in answer.get("Contents", ())]

    def thumbnail(self, **options: Any) -> Any:
        return get_thumbnail(self.photo.image, "300x200", crop="center", **options)


@pytest.fixture
def public(settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str]) -> Buckets:
    return Buckets(
        settings, s3_server, s3_bucket(), s3_bucket(public=True), location="media", querystring_auth=False
    )


@pytest.fixture
def private(settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str]) -> Buckets:
    return Buckets(settings, s3_server, s3_bucket(), s3_bucket(), querystring_auth=True)


def browse(url: str) -> tuple[int, bytes, Any]:
    """What a browser without any rights sees."""
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


class Trips:
    """A driver that tells what it was asked for."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.names.append(name)
        return getattr(self._driver, name)


class TestPublic:
    def test_the_whole_way(self, public: Buckets, server: Server) -> None:
        answer = server.get(public.thumbnail().url)
        assert answer.status_code == 302
        status, data, headers = browse(answer["Location"])
        assert (status, size_of(data)) == (200, (300, 200))
        assert headers["Content-Type"] == "image/jpeg"
        assert headers["Cache-Control"] == "public, max-age=86400"
        final = public.thumbnail()
        assert (final.lazy, final.url, final.certain_size) == (False, answer["Location"], (300, 200))
        assert "?" not in final.url

    @pytest.mark.parametrize(("format", "content_type"), [("PNG", "image/png"), ("WEBP", "image/webp")])
    def test_formats(self, public: Buckets, server: Server, format: str, content_type: str) -> None:
        answer = server.get(public.thumbnail(format=format).url)
        assert browse(answer["Location"])[2]["Content-Type"] == content_type

    def test_an_acl_makes_objects_public(
        self, settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str], server: Server
    ) -> None:
        acl = {"default_acl": "public-read", "querystring_auth": False}
        buckets = Buckets(settings, s3_server, s3_bucket(), s3_bucket(), **acl)
        answer = server.get(buckets.thumbnail().url)
        assert size_of(browse(answer["Location"])[1]) == (300, 200)

    def test_the_source_stays_closed(self, public: Buckets, server: Server) -> None:
        server.get(public.thumbnail().url)
        status, _, _ = browse(f"{public.s3.endpoint_url}/{public.media}/media/a.jpg")
        assert status == 403

    def test_alternative_resolutions(self, public: Buckets, server: Server, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
        assert server.get(public.thumbnail().url_of("2x")).status_code == 302
        final = public.thumbnail()
        assert [size_of(browse(final.url_of(r))[1]) for r in ("1.5x", "2x")] == [(450, 300), (600, 400)]
        assert len(public.names(public.thumbs)) == 3

    def test_after_the_cache_has_lost_everything(
        self, public: Buckets, server: Server, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        """Recorded again from the object's metadata: one HEAD, no GET, nothing made.

        A cache that is new asks the bucket once whether it holds thumbnails.
        """
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        first = server.get(public.thumbnail().url)
        caches["shrinkmeister"].clear()
        assert public.thumbnail().lazy
        monkeypatch.setattr(pipeline, "load", lambda *args, **options: pytest.fail("made again"))
        requests = Requests(monkeypatch)
        assert server.get(public.thumbnail().url)["Location"] == first["Location"]
        assert requests.names == ["ListObjects", "HeadObject"]
        assert public.thumbnail().certain_size == (300, 200)
        assert not public.thumbnail().lazy
        # The size of the source came back with it.
        assert get_thumbnail(public.photo.image, "100").certain_size == (100, 75)

    def test_the_first_request_costs_one_read_and_one_write(
        self, public: Buckets, server: Server, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        """A cache that is new asks the bucket whether it holds thumbnails, once."""
        monkeypatch.setattr(
            get_shared_cache().connection, "driver", trips := Trips(get_shared_cache().connection.driver)
        )
        requests = Requests(monkeypatch)
        server.get(public.thumbnail().url)
        assert requests.names == ["ListObjects", "GetObject", "PutObject"]
        assert trips.names[1:4] == ["get_many", "add", "set"]  # after the page's own look-up

        another = public.thumbnail(quality=80).url
        requests.names.clear()
        trips.names.clear()
        first = server.get(another)
        assert requests.names == ["GetObject", "PutObject"]
        # Who was faster; the lock; who was faster before the lock; thumbnail and source; whether that has
        # changed meanwhile; the lock.
        assert trips.names == ["get_many", "add", "get_many", "set_many", "get_many", "delete_many"]
        phases = [part.partition(";")[0] for part in first["Server-Timing"].split(", ")]
        assert phases == [
            "lookup",
            "wait",
            "fetch",
            "decode",
            "resize",
            "encode",
            "store",
            "record",
        ]

        requests.names.clear()
        trips.names.clear()
        assert server.get(another)["Server-Timing"].startswith("lookup;dur=")
        assert requests.names == []
        assert trips.names == ["get_many"]

    def test_alternative_resolutions_cost_one_write_each(
        self, public: Buckets, server: Server, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
        server.get(public.thumbnail().url)
        requests = Requests(monkeypatch)
        server.get(public.thumbnail(quality=80).url)
        assert requests.names == ["GetObject", "PutObject", "PutObject", "PutObject"]

    def test_deleting(self, public: Buckets, server: Server, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        other = storages["default"].save("other.jpg", ContentFile(picture()))
        server.get(get_thumbnail(other, "50x50", crop="center").url)
        for geometry in ("300x200", "100", "x50"):
            server.get(get_thumbnail(public.photo.image, geometry).url)
        assert len(public.names(public.thumbs)) == 8
        delete(public.photo.image)
        assert len(public.names(public.thumbs)) == 2
        assert public.names(public.media) == ["media/other.jpg"]
        assert get_thumbnail(public.photo.image, "100").lazy
        assert not get_thumbnail(other, "50x50", crop="center").lazy

    def test_the_source_may_stay(self, public: Buckets, server: Server) -> None:
        server.get(public.thumbnail().url)
        delete(public.photo.image, delete_file=False)
        assert public.names(public.thumbs) == []
        assert public.names(public.media) == [f"media/{NAME}"]

    def test_deleting_more_than_a_batch(self, public: Buckets) -> None:
        client = public.s3.client()
        storage = get_thumbnail_storage()

        def put(number: int) -> None:
            client.put_object(Bucket=public.thumbs, Key=f"cache/x/{number}.jpg", Body=b"")

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(put, range(1003)))
        names = [stored.name for stored in storage.walk("cache/x/")]
        assert len(names) == 1003
        storage.delete(names)
        assert public.names(public.thumbs) == []


class TestPrivate:
    def test_a_page_signs_a_url_once(
        self, private: Buckets, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.get(private.thumbnail().url)
        first = private.thumbnail().url
        assert "?" in first
        monkeypatch.setattr(S3Storage, "url", lambda *args: pytest.fail("signed again"))
        assert private.thumbnail().url == first
        assert browse(first)[0] == 200

    def test_the_whole_way(self, private: Buckets, server: Server, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        answer = server.get(private.thumbnail().url)
        assert "X-Amz-Signature=" in answer["Location"]
        assert size_of(browse(answer["Location"])[1]) == (300, 200)
        assert browse(answer["Location"].partition("?")[0])[0] == 403
        assert browse(answer["Location"][:-1] + "x")[0] == 403
        final = private.thumbnail()
        assert not final.lazy
        assert final.certain_size == (300, 200)
        assert size_of(browse(final.url)[1]) == (300, 200)
        # sorl's filter would put "@2x" into the signature.
        page = Template(
            '{% load shrinkmeister %}{% autoescape off %}{{ im|resolution:"2x" }}{% endautoescape %}'
        )
        url = page.render(Context({"im": final}))
        assert size_of(browse(url)[1]) == (600, 400)
        resolution = server.get(private.thumbnail(version=2).url_of("2x"))
        assert size_of(browse(resolution["Location"])[1]) == (600, 400)

    def test_a_redirect_is_kept_for_less_than_its_target_works(
        self, settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str], server: Server
    ) -> None:
        buckets = Buckets(settings, s3_server, s3_bucket(), s3_bucket(), querystring_expire=60)
        assert server.get(buckets.thumbnail().url)["Cache-Control"] == "public, max-age=30"

    def test_a_client_that_does_not_sign_stays_lazy(
        self, private: Buckets, server: Server, settings: Any
    ) -> None:
        answer = server.get(private.thumbnail().url)
        options = {**settings.STORAGES["default"]["OPTIONS"], "querystring_auth": False}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        thumbnail = private.thumbnail()
        assert thumbnail.lazy
        assert thumbnail.certain_size == (300, 200)
        assert answer.status_code == 302

    def test_a_client_that_cannot_sign_stays_lazy_too(
        self, private: Buckets, server: Server, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        """Without credentials: one log line, not one a thumbnail, and no page without pictures."""
        server.get(private.thumbnail().url)
        options = {**settings.STORAGES["default"]["OPTIONS"], "access_key": None, "secret_key": None}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        assert all(private.thumbnail().lazy for _ in range(3))
        assert caplog.text.count("cannot be signed") == 1


@pytest.mark.slow
class TestSignatures:
    """No server is asked: the version, the region and the token of a URL are in its query."""

    @pytest.fixture(autouse=True)
    def _keys(self, settings: Any) -> None:
        settings.AWS_S3_ACCESS_KEY_ID, settings.AWS_S3_SECRET_ACCESS_KEY = "key", "secret"
        settings.THUMBNAIL_BUCKET = "thumbs"
        self.settings = settings
        self.use()

    def use(self, **options: Any) -> None:
        options = {"bucket_name": "photos", **options}
        self.settings.STORAGES = {
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        }

    def query(self, url: str) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}

    @pytest.mark.parametrize("endpoint_url", [None, "https://account.r2.cloudflarestorage.com"])
    @pytest.mark.parametrize("region", [None, "us-east-1", "eu-west-1", "eu-central-1"])
    def test_version_4_in_all_regions(self, region: str | None, endpoint_url: str | None) -> None:
        """boto3's own choice is version 2 in the first three."""
        self.use(region_name=region, endpoint_url=endpoint_url)
        for storage in (get_thumbnail_storage(), get_former_storage()):
            query = self.query(storage.url("a.jpg"))
            assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
            assert query["X-Amz-Credential"].split("/")[2] == (region or "us-east-1")

    def test_without_an_s3_storage_of_the_site(self) -> None:
        self.settings.STORAGES = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
        assert "X-Amz-Algorithm" in self.query(get_thumbnail_storage().url("a.jpg"))

    def test_a_choice_of_the_site_stays(self) -> None:
        self.use(signature_version="s3")
        assert "Signature" in self.query(get_thumbnail_storage().url("a.jpg"))
        self.use()
        self.settings.AWS_S3_SIGNATURE_VERSION = "s3"
        assert "Signature" in self.query(get_thumbnail_storage().url("a.jpg"))
        self.settings.AWS_S3_SIGNATURE_VERSION = None
        self.use(client_config=ClientConfig(signature_version="s3"))
        assert "Signature" in self.query(get_thumbnail_storage().url("a.jpg"))
        self.use(client_config=ClientConfig(read_timeout=3))
        assert "X-Amz-Algorithm" in self.query(get_thumbnail_storage().url("a.jpg"))

    def test_s3_takes_no_more_than_a_week(self) -> None:
        self.use(querystring_expire=MOST_SIGNED_SECONDS)
        assert not list(check_expiry(get_config()))
        self.use(querystring_expire=MOST_SIGNED_SECONDS + 1)
        assert [message.id for message in check_expiry(get_config())] == ["shrinkmeister.W014"]
        assert self.query(get_thumbnail_storage().url("a.jpg"))["X-Amz-Expires"] == str(MOST_SIGNED_SECONDS)
        assert get_thumbnail_storage().url_lifetime == MOST_SIGNED_SECONDS
        self.settings.STORAGES = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
        self.settings.AWS_QUERYSTRING_EXPIRE = MOST_SIGNED_SECONDS + 1
        assert [message.id for message in check_expiry(get_config())] == ["shrinkmeister.W014"]

    @pytest.mark.parametrize(
        "options",
        [{"querystring_auth": False}, {"custom_domain": "x.example.com"}, {"signature_version": "s3"}],
    )
    def test_others_may_work_for_longer(self, options: dict[str, Any]) -> None:
        self.use(querystring_expire=MOST_SIGNED_SECONDS + 1, **options)
        assert not list(check_expiry(get_config()))
        assert get_thumbnail_storage().url_lifetime == MOST_SIGNED_SECONDS + 1

    def test_the_token_of_a_role_does_not_come_with_other_keys(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On Lambda the environment has one, which django-storages adds to any keys."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-role")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-role")
        self.use(signature_version="s3v4")
        token = "X-Amz-Security-Token"
        assert token in self.query(storages["default"].url("a.jpg"))
        assert token not in self.query(get_thumbnail_storage().url("a.jpg"))
        assert token not in self.query(alias_storage("default").url("a.jpg"))
        self.use(access_key="of-the-role", secret_key="secret")
        assert token in self.query(get_thumbnail_storage().url("a.jpg"))
        self.use(access_key="other", secret_key="secret", security_token="its-own")
        assert self.query(get_thumbnail_storage().url("a.jpg"))[token] == "its-own"


class FixedBucket(S3Storage):  # type: ignore[misc]  # django-storages has no types
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "bucket_name": "media"})


class NoOptions(S3Storage):  # type: ignore[misc]  # django-storages has no types
    def __init__(self) -> None:
        super().__init__(bucket_name="media")


class TestSubclasses:
    @pytest.mark.parametrize("name", ["FixedBucket", "NoOptions"])
    def test_one_that_cannot_be_had_for_another_bucket(self, settings: Any, name: str) -> None:
        """Its thumbnails would lie, and be deleted, in the bucket of the sources."""
        settings.STORAGES = {"default": {"BACKEND": f"tests.storage.test_buckets.{name}"}}
        settings.THUMBNAIL_BUCKET = "thumbs"
        with pytest.raises(SettingError, match=f"{name}.*thumbs"):
            get_thumbnail_storage()


class TestOneBucket:
    def test_sources_and_thumbnails_side_by_side(
        self, settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str], server: Server
    ) -> None:
        bucket = s3_bucket(public=True)
        buckets = Buckets(settings, s3_server, bucket, bucket, querystring_auth=False)
        answer = server.get(buckets.thumbnail().url)
        assert size_of(browse(answer["Location"])[1]) == (300, 200)
        assert len(buckets.names(bucket)) == 2
        delete(buckets.photo.image)
        assert buckets.names(bucket) == []

    def test_without_a_bucket_setting_the_storage_itself(
        self, settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str], server: Server
    ) -> None:
        bucket = s3_bucket(public=True)
        buckets = Buckets(settings, s3_server, bucket, "", querystring_auth=False)
        answer = server.get(buckets.thumbnail().url)
        assert size_of(browse(answer["Location"])[1]) == (300, 200)

    def test_a_storage_with_a_folder(
        self, settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str], server: Server
    ) -> None:
        """Without THUMBNAIL_BUCKET the folder of the storage is the folder of its thumbnails."""
        bucket = s3_bucket(public=True)
        buckets = Buckets(settings, s3_server, bucket, "", querystring_auth=False, location="media")
        answer = server.get(buckets.thumbnail().url)
        assert size_of(browse(answer["Location"])[1]) == (300, 200)
        assert all(name.startswith("media/") for name in buckets.names(bucket))
        delete(buckets.photo.image)
        assert buckets.names(bucket) == []


class TestFailures:
    def test_no_source(self, public: Buckets, server: Server) -> None:
        storages["default"].delete(public.photo.image.name)
        assert server.get(public.thumbnail().url).status_code == 404
        assert public.names(public.thumbs) == []

    def test_a_bucket_that_the_list_does_not_name(
        self, public: Buckets, server: Server, settings: Any
    ) -> None:
        settings.THUMBNAIL_SOURCES = [f"s3://{public.thumbs}"]
        assert server.get(public.thumbnail().url).status_code == 403

    @pytest.mark.parametrize("missing", ["media", "thumbs"])
    def test_a_missing_bucket_is_not_a_missing_image(
        self, public: Buckets, server: Server, settings: Any, missing: str, caplog: Any
    ) -> None:
        """Which would be remembered, and is a wrong setting."""
        name = f"{getattr(public, missing)}-misspelled"
        if missing == "thumbs":
            settings.THUMBNAIL_BUCKET = name
        else:
            options = {**settings.STORAGES["default"]["OPTIONS"], "bucket_name": name}
            settings.STORAGES = {
                "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
            }
            settings.THUMBNAIL_SOURCES = [f"s3://{name}"]
        assert server.get(public.thumbnail().url).status_code == 502
        assert name in caplog.text
        assert public.thumbnail().lazy

    def test_a_wrong_key(self, public: Buckets, server: Server, settings: Any) -> None:
        options = {**settings.STORAGES["default"]["OPTIONS"], "secret_key": "wrong"}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        assert server.get(public.thumbnail().url).status_code == 502
        with pytest.raises(StorageError, match=public.thumbs):
            delete(public.photo.image, delete_file=False)

    def test_too_many_bytes(self, public: Buckets, server: Server, settings: Any) -> None:
        settings.THUMBNAIL_MAX_SOURCE_BYTES = 100
        assert server.get(public.thumbnail().url).status_code == 413

    def test_what_may_not_be_looked_at_is_not_missing(self, public: Buckets, settings: Any) -> None:
        """Else everything would be made again at each request."""
        options = {**settings.STORAGES["default"]["OPTIONS"], "secret_key": "wrong"}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        with pytest.raises(StorageError, match=r"403|Forbidden"):
            get_thumbnail_storage().find("cache/x/y.jpg", {})

    def test_objects_that_s3_keeps_are_told(
        self, public: Buckets, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """DeleteObjects answers 200 and lists what it did not do."""
        import botocore.client

        client: Any = botocore.client.BaseClient
        original = client._make_api_call

        def keep(self: Any, operation: str, parameters: Any) -> Any:
            if operation == "DeleteObjects":
                return {"Errors": [{"Key": "a.jpg", "Code": "AccessDenied"}]}
            return original(self, operation, parameters)

        server.get(public.thumbnail().url)
        monkeypatch.setattr(client, "_make_api_call", keep)
        with pytest.raises(StorageError, match="AccessDenied"):
            delete(public.photo.image, delete_file=False)

    @pytest.mark.outside
    def test_patience_with_s3_is_bounded(self, settings: Any) -> None:
        """botocore's own would be minutes: no browser, Lambda or worker waits for that."""
        settings.STORAGES = {
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"bucket_name": "photos"}}
        }
        config = bucket_storage("thumbs", get_config()).connection.meta.client.meta.config
        attempts = config.retries["total_max_attempts"]
        assert (config.connect_timeout + config.read_timeout) * attempts <= 20

    @pytest.mark.outside
    def test_all_threads_have_one_client(self, settings: Any) -> None:
        settings.STORAGES = {
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"bucket_name": "photos"}}
        }
        storage = bucket_storage("thumbs", get_config())
        for name in ("connection", "unsigned_connection"):
            with ThreadPoolExecutor(1) as other:
                assert getattr(storage, name) is other.submit(getattr, storage, name).result()
        assert storage.connection is not storage.unsigned_connection

    def test_an_object_of_somebody_else_is_made_anew(self, public: Buckets, server: Server) -> None:
        name = public.thumbnail().object_name
        public.s3.client().put_object(Bucket=public.thumbs, Key=name, Body=b"not ours")
        answer = server.get(public.thumbnail().url)
        assert size_of(browse(answer["Location"])[1]) == (300, 200)

    def test_health_of_the_bucket(self, public: Buckets, server: Server, settings: Any) -> None:
        assert server.get("/healthz").json() == {"cache": "ok", "bucket": "ok", "engine": "ok"}
        settings.THUMBNAIL_BUCKET = f"{public.thumbs}-misspelled"
        assert server.get("/healthz").json() == {"cache": "ok", "bucket": "failed", "engine": "ok"}


class Requests:
    """The names of the S3 operations that are asked for, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import botocore.client

        BaseClient: Any = botocore.client.BaseClient  # noqa: N806 - a class
        self.names: list[str] = []
        original = BaseClient._make_api_call

        def call(client: Any, operation: str, parameters: Any) -> Any:
            self.names.append(operation)
            return original(client, operation, parameters)

        monkeypatch.setattr(BaseClient, "_make_api_call", call)
