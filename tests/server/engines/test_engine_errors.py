"""An error while a thumbnail is made: of the source, of its options, or a mistake of this server."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sorl.thumbnail import get_thumbnail

from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.exceptions import SourceInvalidError
from shrinkmeister_server.engines.pillow import Engine as PillowEngine
from shrinkmeister_server.inspection import tiff
from tests.server.test_server import save, spec_of, url_of
from tests.support import hostile
from tests.support.pages import lazy
from tests.support.pictures import picture
from tests.support.sides import Server

pytestmark = [pytest.mark.makes_thumbnails, pytest.mark.survives("errors of engines")]

# By their paths: sites with an older sorl cannot import the one of libvips.
ENGINES = {
    "pillow": "shrinkmeister_server.engines.pillow.Engine",
    "vips": "shrinkmeister_server.engines.vips.Engine",
    "sorl": "sorl.thumbnail.engines.pil_engine.Engine",
}
STEPS = ["get_image", "get_image_size", "create", "crop", "write"]

FAILED = {"status": 500, "error": "The server failed.", "code": "server-error"}


def attribute(*args: Any, **kwargs: Any) -> Any:
    return object().no_such_thing  # type: ignore[attr-defined]


def argument(*args: Any, **kwargs: Any) -> Any:
    return len(5)  # type: ignore[arg-type]


def key(*args: Any, **kwargs: Any) -> Any:
    return dict[str, int]()["no such key"]


def name(*args: Any, **kwargs: Any) -> Any:
    return no_such_name  # type: ignore[name-defined]  # noqa: F821


def module(*args: Any, **kwargs: Any) -> Any:
    import no_such_module  # type: ignore[import-not-found]  # noqa: F401


def wrong_call_of_pillow(*args: Any, **kwargs: Any) -> Any:
    return Image.new("RGB", (9, 9)).resize(5)


def machine(*args: Any, **kwargs: Any) -> Any:
    with open("/no/such/file"):
        pass


MISTAKES = [attribute, argument, key, name, module, wrong_call_of_pillow, machine]


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The types of the errors of which our own lines have a traceback; Django's are filtered."""
    ours = [record for record in caplog.records if record.name.startswith("shrinkmeister")]
    return [record.exc_info[0].__name__ for record in ours if record.exc_info and record.exc_info[0]]


class TestMistakes:
    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize("step", STEPS)
    def test_any_step_of_any_engine(
        self,
        engine: str,
        step: str,
        server: Server,
        photo: str,
        settings: Any,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings.THUMBNAIL_ENGINE = ENGINES[engine]
        with monkeypatch.context() as broken:
            broken.setattr(f"{ENGINES[engine]}.{step}", attribute)
            answer = server.get(lazy(photo).url)
        assert (answer.status_code, answer["Cache-Control"]) == (500, "no-store")
        assert tracebacks(caplog) == ["AttributeError"]
        assert server.get(lazy(photo).url).status_code == 302

    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_any_type(
        self,
        mistake: Callable[..., Any],
        server: Server,
        photo: str,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(PillowEngine, "create", mistake)
            for number in range(1, 3):
                assert server.get(lazy(photo).url).status_code == 500
                assert len(tracebacks(caplog)) == number
        assert server.get(lazy(photo).url).status_code == 302

    def test_of_the_inspection(
        self, server: Server, media: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Our own code refuses a source with errors of its own: a ValueError in it is a mistake too."""
        source = save("photos/a.tif", picture((64, 48), "TIFF"))
        with monkeypatch.context() as broken:
            broken.setattr(tiff.Directories, "_directory", lambda self, position: (1, 2, 3))
            assert server.get(lazy(source).url).status_code == 500
        assert tracebacks(caplog) == ["ValueError"]
        assert server.get(lazy(source).url).status_code == 302

    def test_as_json(self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(PillowEngine, "create", attribute)
        answer = server.get(lazy(photo).url, accept="application/json")
        assert answer.status_code == 500
        assert json.loads(answer.content) == FAILED

    def test_in_a_batch(
        self, server: Server, photo: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        crop = PillowEngine.crop

        def cropped(self: Any, image: Any, geometry: Any, options: Any) -> Any:
            return attribute() if options["crop"] == "left" else crop(self, image, geometry, options)

        monkeypatch.setattr(PillowEngine, "crop", cropped)
        urls = [lazy(photo, "30x20", crop=crop).url for crop in ("left", "right")]
        answer = server.post("/thumbnails", json.dumps({"thumbnails": urls}).encode())
        broken, made = json.loads(answer.content)["thumbnails"]
        assert broken == FAILED
        assert made["width"] == 30
        assert tracebacks(caplog) == ["AttributeError"]

    def test_in_the_eager_mode(self, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(PillowEngine, "create", attribute)
        with eager_thumbnails(), pytest.raises(AttributeError):
            get_thumbnail(photo, "30x20", crop="center")

    def test_a_program_that_is_not_installed(
        self, server: Server, photo: str, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.THUMBNAIL_ENGINE = "sorl.thumbnail.engines.convert_engine.Engine"
        settings.THUMBNAIL_IDENTIFY = "/no/such/program"
        assert server.get(lazy(photo).url).status_code == 500
        assert tracebacks(caplog) == ["EngineError"]


class TestSources:
    """Pillow's readers raise errors of these types for broken files, without a mistake in code."""

    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda: b"II*\0\x08\0", id="TIFF of six bytes"),
            pytest.param(lambda: b"P6 6\x01 6 255\n", id="ValueError"),
            pytest.param(lambda: picture((64, 48), "GIF")[:-30], id="GIF"),
            pytest.param(lambda: picture((64, 48), "AVIF")[:-30], id="RuntimeError"),
            pytest.param(lambda: picture((64, 48), "PNG")[:90], id="SyntaxError"),
        ],
    )
    def test_broken_ones_are_remembered(
        self,
        engine: str,
        make: Callable[[], bytes],
        server: Server,
        media: Path,
        settings: Any,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings.THUMBNAIL_ENGINE = ENGINES[engine]
        source = save("photos/broken.jpg", make())
        assert server.get(lazy(source, format="GIF").url).status_code in (415, 422)
        monkeypatch.setattr(f"{ENGINES[engine]}.get_image", attribute)
        assert server.get(lazy(source, format="GIF").url).status_code in (415, 422)
        assert tracebacks(caplog) == []

    @pytest.mark.parametrize("engine", ["pillow", "sorl"])
    def test_a_later_page_without_a_size(
        self, engine: str, server: Server, media: Path, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Pillow raises TypeError for it; libvips looks at the first page alone."""
        settings.THUMBNAIL_ENGINE = ENGINES[engine]
        source = save("photos/broken.tif", hostile.tiff(hostile.page((8, 8)), {256: 9}))
        for _ in range(2):
            assert server.get(lazy(source, format="GIF").url).status_code == 422
        assert tracebacks(caplog) == []

    def test_in_the_eager_mode(self, server: Server, media: Path) -> None:
        source = save("photos/broken.tif", hostile.tiff(hostile.page((8, 8)), {256: 9}))
        with eager_thumbnails(), pytest.raises(SourceInvalidError):
            get_thumbnail(source, "30x20", format="GIF")


class TestOptions:
    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize(
        "options",
        [
            {"crop": 5},
            {"crop": [1, 2]},
            {"cropbox": 5},
            {"cropbox": "0,0,9"},
            {"cropbox": ["0", "0", "9", "9"]},
            {"cropbox": "0,0,0,0"},
            {"cropbox": "a,b,c,d"},
            {"cropbox": [0, 0, 10**12, 10**12]},
            {"rounded": "much"},
            {"rounded": "9" * 400},
            {"rounded": [1]},
            {"blur": {"a": 1}},
            {"quality": None},
            {"quality": 101},
            {"quality": -1},
            {"quality": 80.5},
            {"quality": "much"},
            {"padding": True, "padding_color": 5},
        ],
        ids=str,
    )
    def test_wrong_ones_are_refused_before_the_source_is_read(
        self,
        engine: str,
        options: dict[str, Any],
        server: Server,
        settings: Any,
        media: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        settings.THUMBNAIL_ENGINE = ENGINES[engine]
        with caplog.at_level(logging.WARNING):
            answer = server.get(url_of(spec_of("photos/gone.jpg", "30x20", **options)))
        assert answer.status_code == 422
        assert tracebacks(caplog) == []

    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize(
        "options",
        [
            {"crop": None},
            {"crop": ""},
            {"cropbox": None},
            {"cropbox": (0, 0, 9, 9)},
            {"rounded": "3"},
            {"blur": "2"},
            {"quality": 90},
            {"quality": "80"},
            {"quality": 0},
            {"quality": 100, "format": "WEBP"},
            {"quality": 0, "format": "WEBP"},
            {"padding_color": None},
            {"progressive": "yes"},
        ],
        ids=str,
    )
    def test_what_sorl_takes(
        self, engine: str, options: dict[str, Any], server: Server, photo: str, settings: Any
    ) -> None:
        settings.THUMBNAIL_ENGINE = ENGINES[engine]
        assert server.get(url_of(spec_of(photo, "30x20", **options))).status_code == 302
