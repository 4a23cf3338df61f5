"""Visits, expiry, loss and renewal in any order: no page shows the URL of a thumbnail that is not there.

The site's backend and the server's pipeline are real; their clock, their shared cache and their bucket are
simulated, and the bucket deletes what is old at the first moment at which S3 may.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shrinkmeister import backend, deletion
from shrinkmeister.backend import ShrinkmeisterBackend, make_spec
from shrinkmeister.cache import SharedCache
from shrinkmeister.cache.connection import CacheConnection, RecordCodec
from shrinkmeister.conf import DAY, get_config
from shrinkmeister.drivers.base import Driver
from shrinkmeister.exceptions import SourceMissingError
from shrinkmeister.protocol.records import SourceRecord
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.protocol.spec import Source
from shrinkmeister.sources import source_of
from shrinkmeister.storage.base import StoredInfo, ThumbnailStorage
from shrinkmeister.storage.listing import StoredObject
from shrinkmeister.thumbnails import files
from shrinkmeister_server import pipeline, served
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import Picture, Rendering
from shrinkmeister_server.request import Request

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.makes_thumbnails,
    pytest.mark.survives("histories of visits, expiry and loss"),
]

CDN = "https://cdn.example.com/"
NAMES = ("photos/0.jpg", "photos/1.jpg", "photos/2.jpg")
GEOMETRIES = ("300x200", "100")
TTL, CHECK_TTL = 5 * DAY, 2 * DAY


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Memory(Driver):
    """A shared cache of which values end."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.values: dict[str, tuple[float, bytes]] = {}

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        found = {key: self.values[key] for key in keys if key in self.values}
        return {key: value for key, (end, value) in found.items() if self.clock() < end}

    def set(self, key: str, value: bytes, timeout: int) -> None:
        self.values[key] = (self.clock() + timeout, value)

    def add(self, key: str, value: bytes, timeout: int) -> bool:
        if self.get_many([key]):
            return False
        self.set(key, value, timeout)
        return True

    def delete_many(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.values.pop(key, None)


class Bucket(ThumbnailStorage):
    """Name -> what was written, and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.objects: dict[str, tuple[float, bytes, StoredInfo]] = {}

    def save(self, name: str, data: bytes, content_type: str, info: StoredInfo) -> None:
        self.objects[name] = (self.clock(), data, info)

    def find(self, name: str, others: dict[str, str]) -> StoredInfo | None:
        if name not in self.objects:
            return None
        written, _, info = self.objects[name]
        return StoredInfo.from_metadata(info.metadata(), datetime.fromtimestamp(written, UTC))

    def url(self, name: str) -> str:
        return CDN + name

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        return iter([StoredObject(name) for name in sorted(self.objects) if name.startswith(prefix)])

    def modified(self, stored: StoredObject) -> datetime | None:
        raise NotImplementedError

    def delete(self, names: list[str]) -> None:
        for name in names:
            self.objects.pop(name, None)

    def check(self) -> None:
        raise NotImplementedError

    def expire(self, days: int) -> None:
        old = [name for name, (written, *_) in self.objects.items() if self.clock() - written >= days * DAY]
        self.delete(old)


class Lifetimes(RuleBasedStateMachine):
    @initialize(expire_days=st.sampled_from([None, 2, 3, 10]))
    def begin(self, expire_days: int | None) -> None:
        self.expire_days = expire_days
        self.overridden = override_settings(
            THUMBNAIL_EXPIRE_DAYS=expire_days, THUMBNAIL_SOURCES=["storage://default"]
        )
        self.overridden.enable()
        self.clock = Clock()
        self.driver, self.bucket = Memory(self.clock), Bucket(self.clock)
        connection = CacheConnection(self.driver, "p:", self.clock)
        codec = RecordCodec(Signer(["a secret of the simulation, which is long enough"]))
        self.cache = SharedCache(connection, codec, TTL, CHECK_TTL, self.clock)
        # Source -> what is in it, counted; None where it is gone.
        self.contents: dict[str, int | None] = dict.fromkeys(NAMES, 0)
        # Name -> what its thumbnails may show at the oldest: what was there when they were cleared last.
        self.oldest: dict[str, int] = dict.fromkeys(NAMES, 0)
        self.lost_at = self.evicted_at = -1e9
        # What a browser has open: the objects, and since when.
        self.open: list[tuple[str, float]] = []
        self.patched = pytest.MonkeyPatch()
        for module in (backend, deletion, pipeline, served):
            self.patched.setattr(module, "get_shared_cache", lambda: self.cache)
        for module in (deletion, files, pipeline, served):
            self.patched.setattr(module, "get_thumbnail_storage", lambda: self.bucket)
        self.patched.setattr(pipeline, "load", self._load)
        self.patched.setattr(pipeline, "render", self._render)
        for reader in (pipeline, served):
            self.patched.setattr(reader, "time", SimpleNamespace(time=self.clock, monotonic=self.clock))

    def teardown(self) -> None:
        self.patched.undo()
        self.overridden.disable()

    def _load(self, source: Source, anywhere: bool) -> bytes:
        content = self.contents[source.name]
        if content is None:
            raise SourceMissingError("gone")
        return b"%d" % content

    def _render(self, data: bytes, *args: Any) -> Rendering:
        return Rendering(Picture(data, 300, 200), {}, SourceRecord(4000, 3000))

    @rule(geometries=st.lists(st.sampled_from(GEOMETRIES), min_size=1, max_size=2, unique=True))
    def visit_page(self, geometries: list[str]) -> None:
        for name in NAMES:
            for geometry in geometries:
                self.visit(name, geometry)

    def visit(self, name: str, geometry: str) -> None:
        thumbnail = ShrinkmeisterBackend().get_thumbnail(name, geometry)
        url = thumbnail.url
        if thumbnail.lazy:
            spec = make_spec(name, geometry, {}, get_config())
            try:
                url = pipeline.thumbnail(Request(spec, Timing())).url()
            except SourceMissingError:
                # Where the mark of a change is evicted, for a minute.
                remembered = self.clock() - self.evicted_at < 60
                assert remembered or self.contents[name] is None, "a failure was remembered for too long"
                return
        shown = url.removeprefix(CDN)
        if shown not in self.bucket.objects:
            assert not thumbnail.lazy, "the server redirects to what is not there"
            assert self.clock() - self.lost_at < CHECK_TTL, "a page shows what is not there"
            doubt = self.driver.get_many(["p:doubt"]).get("p:doubt", b"0")
            assert int(doubt) <= self.lost_at, "the loss is known, and a page does not care"
            return
        assert int(self.bucket.objects[shown][1]) >= self.oldest[name], "what was cleared is back"
        # One whose source is gone cannot be renewed, and is shown until it goes.
        if self.contents[name] is not None:
            self.open.append((shown, self.clock()))

    @rule(hours=st.sampled_from([1, 10, 23, 30, 47]))
    def pass_time(self, hours: float) -> None:
        self.clock.now += hours * 3600
        if self.expire_days:
            self.bucket.expire(self.expire_days)

    # One rule for all that happens seldom, so that there are pages and time between.
    @rule(
        what=st.sampled_from(
            ["cache", "key", "thumbnails", "thumbnail", "cleared", "source gone", "source back"]
        ),
        number=st.integers(0, 11),
    )
    def disturb(self, what: str, number: int) -> None:
        name = NAMES[number % len(NAMES)]
        keys, objects = sorted(self.driver.values), sorted(self.bucket.objects)
        if what == "cache":
            self.driver.values.clear()
        elif what == "key" and keys:
            del self.driver.values[keys[number % len(keys)]]
            self.evicted_at = self.clock()
        elif what in ("thumbnails", "thumbnail") and objects:
            lost = objects if what == "thumbnails" else [objects[number % len(objects)]]
            self.bucket.delete(lost)
            self.lost_at = self.clock()
            self.open = [(one, since) for one, since in self.open if one not in lost]
        elif what == "cleared":  # after a source was replaced, or came
            self.contents[name] = content = (self.contents[name] or 0) + 1
            ShrinkmeisterBackend().delete(name, delete_file=False)
            self.oldest[name] = content
            self.open = [(one, since) for one, since in self.open if one in self.bucket.objects]
        elif what == "source gone":
            self.contents[name] = None
        elif what == "source back" and self.contents[name] is None:  # as an upload does it
            self.contents[name] = self.oldest[name]
            self.cache.coordination.mark_change(source_of(name, get_config()))

    @invariant()
    def an_open_page_keeps_its_pictures(self) -> None:
        if not hasattr(self, "open"):
            return
        self.open = [(name, since) for name, since in self.open if self.clock() - since < DAY - 60]
        for name, _ in self.open:
            assert name in self.bucket.objects, "a picture expired on an open page"


TestLifetimes = Lifetimes.TestCase
TestLifetimes.settings = settings(max_examples=500, stateful_step_count=30)
