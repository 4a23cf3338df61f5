"""`python -m shrinkmeister url | find | open`: the real command in its own environment, and `main`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shrinkmeister.adoption.former import former_of
from shrinkmeister.backend import make_spec, spec_of
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cli import LAZY, main
from shrinkmeister.conf import get_config, lazy_url
from shrinkmeister.protocol.keys import object_name, record_key
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.spec import MAX_INTEGER, Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests import ROOT
from tests.servers.thumbnails import PATIENT
from tests.support.pages import record

SECRET = "the secret of the command, which is long enough"
OTHER_SECRET = "another secret of the command which is long enough"
SERVER = "https://thumbs.example.com"
DAWN = Source("s3", "photos", "2024/dawn.jpg")
SPEC = ThumbnailSpec(DAWN, "300x200", {"crop": "center", "quality": 80})
ASKED = (str(DAWN), "300x200", "--crop", "center", "--quality=80")


def run(*arguments: str, **variables: str | None) -> tuple[int, str, str]:
    """The real command, in an environment of nothing else: status, output, errors. Tells no secret."""
    environment = {
        "PATH": os.environ["PATH"],
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_SERVER_URL": SERVER,
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-m", "shrinkmeister", *arguments],
        env={name: value for name, value in environment.items() if value is not None},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    for secret in (SECRET, OTHER_SECRET):
        assert secret not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def secrets() -> list[str]:
    """Of the settings of these tests."""
    return [secret.reveal() for secret in get_config().secrets]


def token(spec: ThumbnailSpec = SPEC, secret: str = SECRET) -> str:
    return Tokens([secret]).encrypt(spec)


def use_redis(settings: Any, location: str) -> None:
    """Here, as the command does."""
    settings.THUMBNAIL_SECRET_KEY = SECRET
    settings.THUMBNAIL_CACHE_BACKEND, settings.THUMBNAIL_CACHE_NAME = "redis", None
    settings.CACHES = {"default": settings.CACHES["default"]}
    settings.THUMBNAIL_CACHE_LOCATION = location


@pytest.mark.outside
class TestTheCommand:
    def test_a_url_by_hand_and_what_is_in_it(self) -> None:
        variables = {"THUMBNAIL_SECRET_KEY_FALLBACKS": OTHER_SECRET, "THUMBNAIL_PREFIX": "small/"}
        assert run("url", *ASKED, **variables) == (0, f"{SERVER}/{token()}.jpg\n", "")
        pasted = f"{SERVER}/{token(secret=OTHER_SECRET)}@2x.jpg"
        status, output, errors = run("open", pasted, **variables)
        assert (status, errors) == (0, "")
        assert output.splitlines() == [
            "source      s3://photos/2024/dawn.jpg",
            "geometry    300x200",
            'options     crop="center" quality=80',
            "end         never",
            "secret      1 (THUMBNAIL_SECRET_KEY_FALLBACKS)",
            f"record      {record_key(SPEC)}",
            f"object      {object_name(SPEC, 'small/', '2')}",
            "resolution  2x",
        ]

    def test_a_wrong_secret_shows_nothing(self) -> None:
        status, output, errors = run("open", token(secret=OTHER_SECRET))
        assert (status, output) == (2, "")
        assert "THUMBNAIL_SECRET_KEY" in errors
        assert len(errors.splitlines()) == 1
        assert DAWN.name not in errors

    def test_finding_in_redis(self, redis_location: str, settings: Any) -> None:
        use_redis(settings, redis_location)
        variables = {"THUMBNAIL_CACHE_LOCATION": redis_location, **PATIENT}
        assert run("find", *ASKED, **variables) == (LAZY, f"{SERVER}/{token()}.jpg\n", "")
        get_shared_cache().records.save(
            SPEC, ThumbnailRecord(300, 200, "https://cdn.example.com/cache/"), None
        )
        final = f"https://cdn.example.com/{object_name(SPEC, 'cache/')}\n"
        assert run("find", *ASKED, **variables) == (0, final, "")

    def test_finding_in_a_private_bucket(self, redis_location: str, settings: Any) -> None:
        """Whose URLs are signed here, without asking it."""
        use_redis(settings, redis_location)
        get_shared_cache().records.save(SPEC, ThumbnailRecord(300, 200, None), None)
        variables = {
            "THUMBNAIL_CACHE_LOCATION": redis_location,
            "THUMBNAIL_BUCKET": "my-thumbnails",
            "AWS_S3_REGION_NAME": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            **PATIENT,
        }
        status, output, _ = run("find", *ASKED, **variables, AWS_QUERYSTRING_AUTH="true")
        assert status == 0
        assert output.startswith("https://my-thumbnails.s3.")
        assert f"{object_name(SPEC, 'cache/')}?X-Amz-Algorithm=AWS4-HMAC-SHA256" in output
        # Unless it is said that it is private, it is public, as on the server.
        assert run("find", *ASKED, **variables) == (LAZY, f"{SERVER}/{token()}.jpg\n", "")

    def test_a_cache_that_is_down_is_told(self) -> None:
        location = "redis://:password@127.0.0.1:1/0"
        status, output, errors = run("find", *ASKED, THUMBNAIL_CACHE_LOCATION=location)
        assert (status, output) == (LAZY, f"{SERVER}/{token()}.jpg\n")
        assert "127.0.0.1:1" in errors
        assert "password" not in errors

    def test_the_settings_of_a_site(self) -> None:
        """In which storage a plain name lies, that says too."""
        site = {"DJANGO_SETTINGS_MODULE": "tests.site.settings", "THUMBNAIL_SECRET_KEY": None}
        status, output, errors = run("url", "photos/dawn.jpg", "300x200", "--crop", "center", **site)
        spec = ThumbnailSpec(Source("storage", "default", "photos/dawn.jpg"), "300x200", {"crop": "center"})
        assert (status, output, errors) == (
            0,
            f"{SERVER}/{token(spec, secrets()[0])}.jpg\n",
            "",
        )

    def test_a_site_that_refuses(self, tmp_path: Path) -> None:
        refusal = (
            'from django.core.exceptions import ImproperlyConfigured\nraise ImproperlyConfigured("a\\nb")'
        )
        (tmp_path / "refusing.py").write_text(refusal)
        site = {"DJANGO_SETTINGS_MODULE": "refusing", "PYTHONPATH": str(tmp_path)}
        assert run("url", *ASKED, **site) == (2, "", "a b\n")

    def test_what_a_site_says_about_all_of_its_pictures(self) -> None:
        memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
        variables = {
            "THUMBNAIL_QUALITY": "70",
            "THUMBNAIL_FORMAT": "WEBP",
            "THUMBNAIL_UPSCALE": "false",
            "THUMBNAIL_BLUR": "0",
            # sorl before 13 asks for the alias `default` as it is imported.
            "STORAGES": json.dumps(dict.fromkeys(("default", "mine"), memory)),
            "THUMBNAIL_STORAGE": "mine",
        }
        spec = ThumbnailSpec(
            Source("storage", "mine", "a.jpg"), "300", {"quality": 70, "format": "WEBP", "upscale": False}
        )
        assert run("url", "a.jpg", "300", **variables) == (0, f"{SERVER}/{token(spec)}.webp\n", "")

    def test_urls_that_end(self) -> None:
        status, output, _ = run("url", str(DAWN), "300", THUMBNAIL_URL_TTL="3600")
        assert status == 0
        status, output, _ = run("open", "--json", output)
        found = json.loads(output)
        assert found["expires"] % 3600 == 0
        assert not found["over"]

    @pytest.mark.parametrize(
        ("arguments", "variables", "said"),
        [
            (("url", str(DAWN)), {"THUMBNAIL_SECRET_KEY": None}, "shrinkmeister.E001"),
            (("url", str(DAWN)), {"THUMBNAIL_SECRET_KEY": "short"}, "shrinkmeister.E001"),
            (("url", str(DAWN)), {"THUMBNAIL_SERVER_URL": None}, "shrinkmeister.E003"),
            (("url", str(DAWN)), {"THUMBNAIL_URL_TTL": "soon"}, "THUMBNAIL_URL_TTL is 'soon'"),
            (("find", str(DAWN)), {}, "shrinkmeister.E012"),
            (("url", "a.jpg"), {}, "SOURCE is 'a.jpg'"),
            (
                ("url", str(DAWN)),
                {"DJANGO_SETTINGS_MODULE": "no.such"},
                "DJANGO_SETTINGS_MODULE is 'no.such'",
            ),
        ],
    )
    def test_wrong_settings_are_one_line(
        self, arguments: tuple[str, ...], variables: dict[str, str | None], said: str
    ) -> None:
        status, output, errors = run(*arguments, "300", **variables)
        assert (status, output) == (2, "")
        assert said in errors
        assert len(errors.splitlines()) == 1

    def test_it_starts_lightly(self) -> None:
        """Without S3, images, and what sorl makes thumbnails with."""
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "shrinkmeister", "url", str(DAWN), "300"],
            env={
                "PATH": os.environ["PATH"],
                "THUMBNAIL_SECRET_KEY": SECRET,
                "THUMBNAIL_SERVER_URL": SERVER,
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "shrinkmeister.backend" in loaded
        heavy = ("PIL", "boto3", "botocore", "storages", "redis", "urllib3", "sorl.thumbnail.engines")
        assert not [
            one
            for one in loaded
            if one.startswith(heavy) or one.startswith("shrinkmeister.doctor.examination")
        ]

    def test_a_site_that_fails_has_another_status(self, tmp_path: Path) -> None:
        """Than a thumbnail that is lazy."""
        (tmp_path / "failing_settings.py").write_text("raise KeyError('DATABASE_URL')")
        variables = {"DJANGO_SETTINGS_MODULE": "failing_settings", "PYTHONPATH": str(tmp_path)}
        status, output, errors = run("find", *ASKED, **variables)
        assert (status, output) == (1, "")
        assert "KeyError: 'DATABASE_URL'" in errors

    @pytest.mark.parametrize("form", [(), ("--json",)])
    def test_a_terminal_of_ascii(self, form: tuple[str, ...]) -> None:
        """And a name that would move its cursor, or turn the text around."""
        _, url, _ = run("url", "s3://photos/日本\x9b31m\u202e.jpg", "300")
        status, output, errors = run("open", url.strip(), *form, PYTHONIOENCODING="ascii")
        assert (status, errors) == (0, "")
        assert output.isascii()
        assert "\\u65e5\\u672c" in output

    def test_its_help(self) -> None:
        status, output, _ = run("--help", THUMBNAIL_SECRET_KEY=None)
        assert status == 0
        assert "find s3://photos/dawn.jpg 300x200 --crop center" in output
        status, output, _ = run("find", "--help")
        assert "0 if the URL is final, 3 if it is lazy" in output


def say(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """In this process, with the settings of the tests."""
    try:
        status = main(arguments, {"STORAGES": "told by the settings"})
    except SystemExit as left:
        status = int(left.code or 0)
    said = capsys.readouterr()
    assert get_config().secrets[0].reveal() not in said.out + said.err
    return status, said.out.strip(), said.err.strip()


def shown(capsys: pytest.CaptureFixture[str], pasted: str) -> dict[str, Any]:
    status, output, _ = say(capsys, "open", "--json", pasted)
    assert status == 0
    found: dict[str, Any] = json.loads(output)
    return found


Capture = pytest.CaptureFixture[str]


class TestOptions:
    @pytest.mark.parametrize(
        ("given", "options"),
        [
            (["--crop", "center"], {"crop": "center"}),
            (["--crop", "10% 20%", "--quality=80"], {"crop": "10% 20%", "quality": 80}),
            (["--padding_color", "#fff", "--padding", "true"], {"padding_color": "#fff", "padding": True}),
            (["--padding-color", "#fff"], {"padding_color": "#fff"}),
            (["--upscale", "false"], {"upscale": False}),
            (["--upscale", "False"], {"upscale": False}),
            (["--version", "3"], {"version": 3}),
            (["--version", '"3"'], {"version": "3"}),
            (["--version", "1.50"], {"version": 1.5}),
            (["--version", "-1"], {"version": -1}),
            (["--version", "null"], {"version": None}),
            (["--version", "NaN"], {"version": "NaN"}),
            (["--version", "null and void"], {"version": "null and void"}),
            (["--version", ""], {"version": ""}),
            (["--filters", '["a", {"b": 1}]'], {"filters": ["a", {"b": 1}]}),
            (["--option", "quality=80", "--option", "help=a=b"], {"quality": 80, "help": "a=b"}),
            (["--quality", "1", "--quality", "80"], {"quality": 80}),
        ],
    )
    def test_values(self, capsys: Capture, given: list[str], options: dict[str, Any]) -> None:
        """Before, between and behind the arguments."""
        config = get_config()
        expected = lazy_url(spec_of(DAWN, "300", options, config), config)
        for order in ([*given, str(DAWN), "300"], [str(DAWN), *given, "300"], [str(DAWN), "300", *given]):
            assert say(capsys, "url", *order) == (0, expected, "")

    def test_what_is_too_deep_for_json_is_text(self, capsys: Capture) -> None:
        status, _, errors = say(capsys, "url", str(DAWN), "300", "--version", "[" * 100_000)
        assert status == 2
        assert "more than 3800" in errors

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["url", str(DAWN), "300x"], "the geometry is '300x'; write pixels as text: '300x200'"),
            (["url", str(DAWN), "300", "--format", "TIFF"], "the format is 'TIFF'; one of ['JPEG', "),
            (["url", str(DAWN), "300", "--crop"], "argument --crop: expected one argument. See"),
            (["url", str(DAWN), "300", "--option", "crop"], "'crop' has no '='; write quality=80. See"),
            (["url", str(DAWN), "300", "--option", "a b=1"], "'a b'"),
            (["url", str(DAWN), "300", "more"], "unrecognized arguments: more. See"),
            (["url", str(DAWN)], "required: GEOMETRY. See python -m shrinkmeister url --help."),
            (["url", "ftp://a/b.jpg", "300"], "unknown source scheme 'ftp'"),
            (["url", "s3://bucket", "300"], "the source's name is ''"),
            (["url", "", "300"], "source is empty"),
            (["url", f"s3://photos/{'a' * 3000}", "300"], "more than 3800"),
            (["open", "--crop", "center", "x"], "unrecognized arguments: --crop"),
            (["show", "x"], "invalid choice: 'show'"),
            ([], "required: command"),
        ],
    )
    def test_wrong_arguments_are_one_line(self, capsys: Capture, arguments: list[str], said: str) -> None:
        status, output, errors = say(capsys, *arguments)
        assert (status, output) == (2, "")
        assert said in errors
        assert len(errors.splitlines()) == 1


class TestFind:
    def test_a_plain_name(self, capsys: Capture, media: Path) -> None:
        spec = make_spec("photos/dawn.jpg", "300x200", {"crop": "center"}, get_config())
        asked = ("find", "photos/dawn.jpg", "300x200", "--crop", "center")
        assert say(capsys, *asked) == (LAZY, lazy_url(spec, get_config()), "")
        url = record("photos/dawn.jpg", crop="center")
        assert say(capsys, *asked) == (0, url, "")

    def test_an_adopted_one(self, capsys: Capture, media: Path, settings: Any) -> None:
        """Which sorl's own backend has made of it."""
        settings.THUMBNAIL_ADOPTED_BACKEND = "sorl.thumbnail.base.ThumbnailBackend"
        former = former_of("photos/dawn.jpg", "300x200", {"crop": "center"}, get_config())
        assert former is not None
        image = ThumbnailRecord(300, 200, "https://cdn.example.com/")
        get_shared_cache().records.adopt({former.place: image}, 60)
        asked = ("find", "photos/dawn.jpg", "300x200", "--crop", "center")
        assert say(capsys, *asked) == (0, f"https://cdn.example.com/{former.name}", "")

    def test_it_makes_nothing(self, capsys: Capture, media: Path, settings: Any) -> None:
        settings.THUMBNAIL_EAGER = True
        assert say(capsys, "find", "photos/dawn.jpg", "300")[0] == LAZY


class TestOpen:
    SPEC = ThumbnailSpec(DAWN, "300", {"format": "PNG"})

    @pytest.fixture
    def sealed(self) -> str:
        return Tokens(secrets()).encrypt(self.SPEC)

    @pytest.mark.parametrize(
        "form",
        [
            "{}",
            "{}.png",
            "{}@1.5x.png",
            "/{}.png",
            "https://thumbs.example.com/{}.png",
            "http://127.0.0.1:8001/a.b/@c/{}@1.5x.png",
            "https://thumbs.example.com/{}%401.5x.png?a=b/c.d#e",
            "  https://thumbs.example.com/{}.png\n",
            f"https://thumbs.example.com/{{}}.png?from=/{'a' * 32}/{'b' * 32}.jpg",
        ],
    )
    def test_what_may_be_pasted(self, capsys: Capture, sealed: str, form: str) -> None:
        found = shown(capsys, form.format(sealed))
        resolution = "1.5" if "1.5x" in form else None
        assert found == {
            "source": "s3://photos/2024/dawn.jpg",
            "geometry": "300",
            "options": {"format": "PNG"},
            "expires": None,
            "end": None,
            "over": False,
            "secret": 0,
            "record": record_key(self.SPEC),
            "object": object_name(self.SPEC, "cache/", resolution),
            "resolution": resolution,
        }

    def test_its_text(self, capsys: Capture, sealed: str) -> None:
        _, output, _ = say(capsys, "open", Tokens(secrets()).encrypt(ThumbnailSpec(DAWN, "300")))
        assert output.splitlines()[2:5] == [
            "options     none",
            "end         never",
            "secret      0 (THUMBNAIL_SECRET_KEY)",
        ]

    def test_an_end(self, capsys: Capture) -> None:
        """One that is over is genuine, and so is one that no calendar of Python's has."""
        over = Tokens(secrets(), 100, lambda: 1_800_000_000).encrypt(self.SPEC)
        far = Tokens(secrets(), 200_000_000_000, lambda: 1).encrypt(self.SPEC)
        farthest = Tokens(secrets(), MAX_INTEGER // 2, lambda: 1).encrypt(self.SPEC)
        is_over = shown(capsys, over)
        assert (is_over["expires"], is_over["end"]) == (1_800_000_200, "2027-01-15T08:03:20+00:00")
        assert shown(capsys, far)["end"] == shown(capsys, farthest)["end"] == "after the year 9999"
        assert not shown(capsys, far)["over"]

    def test_one_that_is_over_says_so(self, capsys: Capture) -> None:
        over = Tokens(secrets(), 100, lambda: 1_000_000_000).encrypt(self.SPEC)
        assert shown(capsys, over)["over"]
        status, output, _ = say(capsys, "open", over)
        assert status == 0
        assert "2001-09-09T01:50:00+00:00, expired" in output

    def test_a_name_does_nothing_to_a_terminal(self, capsys: Capture) -> None:
        spec = ThumbnailSpec(Source("s3", "photos", "\x1b[2J\n\u202eö.jpg"), "300")
        _, output, _ = say(capsys, "open", Tokens(secrets()).encrypt(spec))
        assert output.splitlines()[0] == r"source      s3://photos/\x1b[2J\n\u202eö.jpg"

    @pytest.mark.parametrize(
        ("pasted", "said"),
        [
            ("https://thumbs.example.com/", "is not a token, nor a URL with a token"),
            ("", "is not a token, nor a URL with a token"),
            ("https://thumbs.example.com/robots.txt", "is not a token, nor a URL with a token"),
            ("AYy2nDq", "canonical form"),
            (token(secret=OTHER_SECRET), "TOKEN_OR_URL"),
            (
                f"https://my-thumbnails.s3.amazonaws.com/{object_name(SPEC, 'cache/', '2')}?X-Amz-Date=1",
                "the URL of a stored thumbnail",
            ),
        ],
    )
    def test_what_cannot_be_opened(self, capsys: Capture, pasted: str, said: str) -> None:
        status, output, errors = say(capsys, "open", pasted)
        assert (status, output) == (2, "")
        assert said in errors
        assert repr(pasted) in errors
