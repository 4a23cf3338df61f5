"""Tokens and paths of whoever wants harm: a short answer, and a log that does not tell what was asked.

Mutated tokens, which nobody with a secret has made; and genuine ones with a payload that no client of ours
would seal. Hypothesis makes them; the numbers that were tried are asserted.
"""

import json
import logging
import posixpath
import runpy
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from shrinkmeister.conf import get_tokens
from shrinkmeister.error_policy import POLICIES
from shrinkmeister.exceptions import (
    SourceMissingError,
    SourceNotAllowedError,
    SpecError,
    TokenError,
    TokenExpiredError,
)
from shrinkmeister.protocol.encryption import MAX_LENGTH
from shrinkmeister.protocol.spec import DEFAULT_OPTIONS, EXTENSIONS, Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server.loaders import http, s3, storage
from shrinkmeister_server.loaders import load as sources
from tests.conf.test_environment import NEEDED
from tests.fuzz.target import SECRET, bytes_of, check, sealed, seeds, text_of
from tests.server.engines.test_engines import SORLS
from tests.support.sides import Server

pytestmark = pytest.mark.survives("kinds of hostile tokens and paths")

OTHER_SECRET = "another secret, which is long enough too"
NAME = "photos/dawn.jpg"
MEDIA_URL = "https://example.com/media/"
HOST = "thumbs.example.com"

# Of several lengths, formats and kinds of options.
SPECS = [
    ThumbnailSpec(Source("storage", "default", NAME), geometry, options)
    for geometry, options in (
        ("9", {}),
        ("30x20", {"crop": "center"}),
        ("x31", {"format": "PNG"}),
        ("32x24", {"format": "WEBP", "quality": 80}),
        ("33x24", {"version": "x" * 100}),
        ("34x24", {"version": "y" * 1000}),
        ("35x24", {"version": "z" * 2600}),
    )
]
GENUINE = {Tokens([SECRET]).encrypt(spec): spec for spec in SPECS}
TOKENS = sorted(GENUINE)

# The public answers to errors, by status.
SENTENCES = {
    400: {"This server does not answer to such a request."},
    404: {"Nothing is here."},
}
for policy in POLICIES.values():
    SENTENCES.setdefault(policy.status, set()).update([policy.answer] if policy.answer else [])


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What the server's own settings let into its log."""
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    levels = runpy.run_module("shrinkmeister_server.settings")["LOGGING"]
    for name, logger in levels["loggers"].items():
        caplog.set_level(logger["level"], name)
    caplog.set_level(levels["root"]["level"])
    return caplog


@pytest.fixture
def asked(server: Server, photo: str, settings: Any, log: pytest.LogCaptureFixture) -> Server:
    """A server for which the genuine tokens are thumbnails that it has."""
    assert photo == NAME
    settings.THUMBNAIL_SECRET_KEY = SECRET
    for token, spec in GENUINE.items():
        assert server.get(f"/{token}.{spec.extension}").status_code == 302
    return server


def refused(answer: Any, log: pytest.LogCaptureFixture, *untold: str) -> int:
    """The status of an answer that is as it should be.

    untold: what neither it nor the log may have in it
    """
    assert 400 <= answer.status_code < 500, answer.content
    assert answer["Cache-Control"] == "no-store"
    assert "Location" not in answer
    body = answer.content.decode()
    if answer["Content-Type"] == "application/json":
        told = json.loads(body)
        assert told == {"status": answer.status_code, "error": told["error"], "code": told["code"]}
        body = f"{told['error']}\n"
    assert body.removesuffix("\n") in SENTENCES[answer.status_code]
    untold = (SECRET, OTHER_SECRET, *untold)
    for text in untold:
        assert not any(text in value for value in answer.headers.values())
    for record in log.records:
        line = logging.Formatter().format(record)  # with the traceback, if it has one
        assert record.levelno <= logging.WARNING, line
        assert "Traceback" not in line
        assert line.isprintable(), line  # so it is one line
        assert not any(text in line for text in untold), line
    log.clear()
    return int(answer.status_code)


def either(texts: str, separator: str = " ") -> st.SearchStrategy[str]:
    return st.sampled_from(texts.split(separator))


def often(usual: Any, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Half of the time; by `|` each of the others would come as often."""
    return st.booleans().flatmap(lambda chosen: st.just(usual) if chosen else others)


# Mutations of a token. Each takes its choices from `draw`.


def bits_flipped(draw: st.DrawFn, token: str) -> str:
    """Of the version, of the tag, of what is encrypted."""
    data = bytearray(bytes_of(token))
    for place in draw(st.lists(st.integers(0, len(data) * 8 - 1), min_size=1, max_size=3, unique=True)):
        data[place // 8] ^= 1 << place % 8
    return text_of(bytes(data))


def another_version(draw: st.DrawFn, token: str) -> str:
    return text_of(bytes([draw(st.integers(0, 255))]) + bytes_of(token)[1:])


def bytes_inserted(draw: st.DrawFn, token: str) -> str:
    data, place = bytes_of(token), draw(st.integers(0, len(bytes_of(token))))
    return text_of(data[:place] + draw(st.binary(min_size=1, max_size=20)) + data[place:])


def bytes_deleted(draw: st.DrawFn, token: str) -> str:
    data = bytes_of(token)
    start = draw(st.integers(0, len(data) - 1))
    return text_of(data[:start] + data[start + draw(st.integers(1, 20)) :])


def bytes_spliced(draw: st.DrawFn, token: str) -> str:
    """The tag of one before the text of another, and all other halves."""
    data, other = bytes_of(token), bytes_of(draw(st.sampled_from(TOKENS)))
    return text_of(data[: draw(st.integers(0, len(data)))] + other[draw(st.integers(0, len(other))) :])


def spliced(draw: st.DrawFn, token: str) -> str:
    other = draw(st.sampled_from(TOKENS))
    start = draw(st.integers(0, len(token)))
    end = start if draw(st.booleans()) else draw(st.integers(0, len(other)))
    return token[:start] + other[end:]


def character_changed(draw: st.DrawFn, token: str) -> str:
    place = draw(st.integers(0, len(token) - 1))
    return token[:place] + draw(CHARACTERS) + token[place + 1 :]


def characters_inserted(draw: st.DrawFn, token: str) -> str:
    place = draw(st.integers(0, len(token)))
    return token[:place] + draw(st.text(CHARACTERS, min_size=1, max_size=4)) + token[place:]


def characters_deleted(draw: st.DrawFn, token: str) -> str:
    place = draw(st.integers(0, len(token) - 1))
    return token[:place] + token[place + draw(st.integers(1, 8)) :]


def truncated(draw: st.DrawFn, token: str) -> str:
    cut = draw(st.integers(0, len(token)))
    return token[:cut] if draw(st.booleans()) else token[cut:]


def spare_bits_set(draw: st.DrawFn, token: str) -> str:
    """What base64 decodes to the same bytes."""
    return token[:-2] + draw(st.text(ALPHABET, min_size=2, max_size=2))


def escaped(draw: st.DrawFn, token: str) -> str:
    place = draw(st.integers(0, len(token) - 1))
    return f"{token[:place]}%{ord(token[place]):02x}{token[place + 1 :]}"


def too_long(draw: st.DrawFn, token: str) -> str:
    return (token + draw(st.sampled_from("A_\0é")) * draw(st.integers(1, 5000)))[
        : draw(st.integers(1, 9000))
    ]


def of_another_key(draw: st.DrawFn, token: str) -> str:
    near = st.sampled_from([OTHER_SECRET, f"{SECRET} ", SECRET.upper(), SECRET[:-1]])
    return sealed(GENUINE[token].canonical, draw(near | st.text(st.characters(codec="utf-8"), max_size=40)))


def anything(draw: st.DrawFn, token: str) -> str:
    return draw(st.text(max_size=200))


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CHARACTERS = (
    st.sampled_from(ALPHABET)
    | st.sampled_from("=+/.~%@?#&;: \n\r\t\0\\")
    # Others that are letters or digits, or become some when they are folded.
    | st.sampled_from("\xe9\xc0\u0131\u017f\u0663\U0001d504\ufeff\u2028")
    | st.characters()
)
MUTATIONS = (
    bits_flipped,
    another_version,
    bytes_inserted,
    bytes_deleted,
    bytes_spliced,
    spliced,
    character_changed,
    characters_inserted,
    characters_deleted,
    truncated,
    spare_bits_set,
    escaped,
    too_long,
    of_another_key,
    anything,
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    mutation = draw(st.sampled_from(MUTATIONS))
    return mutation(draw, draw(st.sampled_from(TOKENS)))


def test_ten_thousand_mutated_tokens_open_nothing(asked: Server, log: pytest.LogCaptureFixture) -> None:
    """Neither in `Tokens.open`, with whatever text, nor as a path of the server."""
    tokens = Tokens([SECRET])
    hostile: set[str] = set()
    statuses: set[int] = set()

    @examples(max_examples=13_000)
    @given(mutated(), st.sampled_from(sorted(EXTENSIONS.values())))
    def ask(token: str, extension: str) -> None:
        if token in GENUINE:
            assert tokens.decrypt(token) == GENUINE[token]
            return
        with pytest.raises(TokenError) as error:
            tokens.decrypt(token)
        assert not isinstance(error.value, TokenExpiredError)
        untold = (token,) if len(token) > 40 else ()
        statuses.add(
            refused(
                asked.get(f"/{quote(token, safe='', errors='surrogatepass')}.{extension}"),
                log,
                NAME,
                *untold,
            )
        )
        hostile.add(token)

    ask()
    assert len(hostile) >= 10_000
    assert statuses == {403, 404}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (HOST, 302),
        ("THUMBS.example.com", 302),
        (f"{HOST}:8443", 302),
        ("elsewhere.example.com", 400),
        (f"{HOST}.example.org", 400),
        (f"{HOST}@example.org", 400),
        (f"user@{HOST}", 400),
        (f"{HOST}/..", 400),
        (f"{HOST}:port", 400),
        (f"{HOST}\0", 400),
        (f"{HOST}\r\nX: y", 400),
        (f" {HOST}", 400),
        (f"{HOST},{HOST}", 400),
        ("thumbs\u3002example\u3002com", 400),
        ("127.0.0.1", 400),
        ("[::1]", 400),
        ("[", 400),
        ("", 400),
        ("x" * 10_000, 400),
    ],
)
def test_a_genuine_token_is_none_at_another_host(
    asked: Server, log: pytest.LogCaptureFixture, host: str, status: int
) -> None:
    for token, spec in GENUINE.items():
        for method in ("GET", "HEAD"):
            url = f"/{token}.{spec.extension}"
            answer = asked.ask(method, url, host=host, x_forwarded_host=HOST, forwarded=f"host={HOST}")
            assert answer.status_code == status
            if status == 400 and method == "GET":
                refused(answer, log, NAME, token)


def test_a_genuine_token_is_none_at_another_server(
    asked: Server, log: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.THUMBNAIL_SECRET_KEY = OTHER_SECRET
    for token, spec in GENUINE.items():
        assert refused(asked.get(f"/{token}.{spec.extension}"), log, NAME, token) == 403


PIECES = (
    either("/ // . .. /../ /./ \\ ; ? # : % %2e %00 http: healthz \xe9 \u017f \u2028 \U0001d504")
    | either("@2x @2 @x @1.5x @.x @..x @0x @-1x @1e9x @\u0662x @2X @2x@2x @NaNx")
    | either(".jpg .JPG .jpeg .png .webp .svg")
    | st.sampled_from("\0\n\r\t ")
    | st.integers(1, 20_000).map(lambda digits: f"@{'9' * digits}x")
)
# What is not UTF-8, and what was a way around checks where it was decoded carelessly.
BROKEN = st.binary(min_size=1, max_size=8) | st.sampled_from(
    [b"\xff", b"\xc0\xaf", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82", b"\x80"]
)


@st.composite
def hostile_path(draw: st.DrawFn) -> bytes:
    """Bytes before, inside, behind and instead of the parts of a genuine path."""
    token = draw(st.sampled_from(TOKENS))
    parts = [b"/", token.encode(), b".", GENUINE[token].extension.encode()]
    for _ in range(draw(st.integers(1, 3))):
        piece = draw(PIECES.map(str.encode) | BROKEN)
        place = draw(st.integers(0, len(parts)))
        if draw(st.booleans()):
            parts.insert(place, piece)
        elif place < len(parts):
            parts[place] = piece
    return b"".join(parts)


def test_hostile_paths(asked: Server, log: pytest.LogCaptureFixture) -> None:
    genuine = {f"/{token}.{spec.extension}".encode() for token, spec in GENUINE.items()}
    hostile: set[bytes] = set()
    statuses: set[int] = set()

    @examples(max_examples=3_500)
    @given(
        hostile_path(), st.sampled_from(["*/*", "application/json", "text/html;q=x, */;;q=nan", "\0", ""])
    )
    def ask(path: bytes, accept: str) -> None:
        answer = asked.raw(path, accept=accept)
        if path in genuine or path in (b"/healthz", b"healthz"):
            return
        statuses.add(refused(answer, log, NAME, *TOKENS))
        hostile.add(path)

    ask()
    assert len(hostile) >= 2_500
    assert statuses == {403, 404}


# Genuine tokens, of whoever has got hold of the secret or has a client with an error.

NUMBERS = st.sampled_from([0, 1, -1, 2, 95, 5000, 10**9, 2**31, 2**53 - 1, 2**53, 10**400]) | (
    st.sampled_from([0.5, 0.1, 1e-5, -0.0, 1e15, 1e300, float("inf"), float("nan")])
)
WORDS = (
    either("|0|1|-1|x|\u0663|center|smart|noop|0px 0px|100% 99999999999px|-5% 200%", "|")
    | either("0,0,1,1 -5,-5,5,5 5,5,5,5 9,9,1,1 0,0,99999,99999 0,0,0.5,1 1,2,3 ,,,")
    | either("#fff #12 red rgb(300%,0,0) lab(1) GRAY CMYK P web_high keep")
    | either("JPEG PNG GIF WEBP AVIF TIFF jpeg")
    | st.sampled_from(["9" * 400, "\ud800", "\0", "\n2026 ERROR forged", "\x1b[2J", "\U0001f600"])
)
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=20)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8) | WORDS, inner, max_size=4)
    ),
    max_leaves=8,
)
OPTIONS = st.dictionaries(
    st.sampled_from(
        [*DEFAULT_OPTIONS, "remove_border", "version", "image_info", "raise_errors", "a b", ""]
    ),
    LEAVES | VALUES,
    min_size=1,
    max_size=4,
)
NAMES = (
    st.sampled_from(["{}/", "{}/x", "{}\0", "/{}", "./{}", "photos//{}", "photos/../{}"]).map(
        lambda form: form.format(NAME)
    )
    | either("photos|/|//|.|..|...|../../etc/passwd|/etc/passwd|a\\..\\b|~|%2e%2e/x|\n", "|")
    | st.sampled_from(["photos/\xe9.jpg", "photos/e\u0301.jpg", "\ud800", "x" * 300, "x/" * 1000])
)
GEOMETRIES = either("30x20 30 x20 1x1 99999x99999 99999 x99999 1x99999 99999x1")
IMPOSSIBLE_GEOMETRIES = either("|x|100000|0x1|030|\u0663|30x20\n", "|")
PLACES = st.sampled_from(
    [("storage", "other"), ("storage", ""), ("storage", "a\nb"), ("s3", "photos"), ("file", ""), ("", "")]
)


@st.composite
def hostile_payload(draw: st.DrawFn) -> bytes:
    """From any JSON at all to what is nearly a spec, written in many ways."""
    if draw(st.booleans()):
        value = draw(VALUES | st.lists(VALUES, min_size=4, max_size=7))
    else:
        value = [
            *draw(often(("storage", "default"), PLACES)),
            draw(often(NAME, NAMES)),
            draw(often("30x20", GEOMETRIES | IMPOSSIBLE_GEOMETRIES)),
            draw(often({}, OPTIONS)),
        ]
        if draw(st.booleans()):
            value[draw(st.integers(0, 4))] = draw(VALUES)
        if draw(st.booleans()):
            value.append(draw(NUMBERS | VALUES))
    text = json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        sort_keys=True,
        separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])),
    )
    if draw(st.booleans()):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(WORDS | st.sampled_from(list('[]{},:" \t'))) + text[place:]
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return text.encode(encoding, errors="backslashreplace" if encoding == "latin-1" else "surrogatepass")


@st.composite
def hostile_spec(draw: st.DrawFn) -> ThumbnailSpec:
    """What is a spec, with options that no engine was made for."""
    source, geometry = Source("storage", "default", NAME), draw(GEOMETRIES)
    spec = ThumbnailSpec(source, geometry)
    for name, value in draw(OPTIONS).items():
        try:
            spec = ThumbnailSpec.parse(
                ThumbnailSpec(source, geometry, {**spec.options, name: value}).canonical
            )
        except SpecError:
            continue  # what is no spec, the test above has
    return spec


def payload_of(*place_name_and_geometry: str) -> bytes:
    return json.dumps([*place_name_and_geometry, {}], separators=(",", ":")).encode()


def sound(answer: Any, payload: bytes, media: Path) -> None:
    """A redirect, of a payload that was a spec to the byte, to what has been made."""
    start, _, end = payload[:-1].rpartition(b",")
    # One that expires has its end as a sixth member.
    canonical = start + b"]" if end.isdigit() else payload
    assert ThumbnailSpec.parse(canonical).canonical == canonical
    assert answer["Location"].startswith(f"{MEDIA_URL}cache/")
    assert (media / answer["Location"].removeprefix(MEDIA_URL)).stat().st_size > 0


def test_genuine_tokens_with_any_payload(asked: Server, log: pytest.LogCaptureFixture, media: Path) -> None:
    payloads: set[bytes] = set()
    statuses: set[int] = set()

    @examples(max_examples=2_000)
    @example(payload_of("storage", "default", NAME, "30x20"))
    @example(payload_of("s3", "photos", NAME, "30x20"))
    @example(payload_of("storage", "default", "photos/nowhere.jpg", "30x20"))
    @example(payload_of("storage", "default", NAME, "99999x99999"))
    @given(hostile_payload())
    def ask(payload: bytes) -> None:
        answer = asked.get(f"/{sealed(payload)}.jpg")
        if answer.status_code == 302:
            sound(answer, payload, media)
        else:
            refused(answer, log, NAME, "etc/passwd")
        statuses.add(answer.status_code)
        payloads.add(payload)

    ask()
    assert len(payloads) >= 1_500
    assert statuses >= {302, 403, 404, 422}


@pytest.mark.parametrize("engine", SORLS)
def test_genuine_tokens_with_options_that_no_engine_was_made_for(
    asked: Server, log: pytest.LogCaptureFixture, media: Path, settings: Any, engine: str
) -> None:
    settings.THUMBNAIL_ENGINE = engine
    settings.THUMBNAIL_MAX_PIXELS = 300_000
    specs: set[ThumbnailSpec] = set()
    statuses: set[int] = set()

    @examples(max_examples=500)
    @given(hostile_spec())
    def ask(spec: ThumbnailSpec) -> None:
        answer = asked.get(f"/{sealed(spec.canonical)}.{spec.extension}")
        if answer.status_code == 302:
            sound(answer, spec.canonical, media)
        else:
            refused(answer, log, NAME)
        statuses.add(answer.status_code)
        specs.add(spec)

    ask()
    assert len(specs) >= 250
    assert statuses == {302, 422}


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 2_800,
        b"[" * 1_400 + b"]" * 1_400,
        b'{"a":' * 560,
        b'["storage","default","photos/dawn.jpg","30x20",{"a":' + b"[" * 1_300 + b"]" * 1_300 + b"}]",
        b'["storage","default",["photos/dawn.jpg"],"30x20",{}]',
        b'["storage","default",{"photos/dawn.jpg":1},"30x20",{}]',
        b'["storage","default","photos/dawn.jpg","30x20",{"a":1,"a":1}]',
        b'["storage","default","photos/dawn.jpg","30x20",{},' + b"9" * 2_700 + b"]",
        b'["storage","default","photos/dawn.jpg","30x20",{"a":' + b"9" * 2_700 + b"}]",
    ],
    ids=lambda payload: payload[:60].decode(),
)
def test_payloads_that_parsers_break_at(
    asked: Server, log: pytest.LogCaptureFixture, payload: bytes
) -> None:
    token = sealed(payload)
    assert len(token) <= MAX_LENGTH
    assert refused(asked.get(f"/{token}.jpg"), log, NAME, token) == 403


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 1_300, f"{NAME}/x", "photos", f"{'x' * 300}/x"])
def test_names_that_no_file_has(asked: Server, log: pytest.LogCaptureFixture, name: str) -> None:
    spec = ThumbnailSpec(Source("storage", "default", name), "30x20")
    assert refused(asked.get(f"/{get_tokens().encrypt(spec)}.jpg"), log, name) == 404


def test_a_key_that_s3_has_no_room_for(settings: Any) -> None:
    settings.AWS_S3_ACCESS_KEY_ID = settings.AWS_S3_SECRET_ACCESS_KEY = "x"
    settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage"}}
    from botocore.stub import Stubber

    source = Source("s3", "photos", "x" * 1_025)
    with Stubber(s3.get_s3_storage(source).connection.meta.client) as client:
        client.add_client_error("get_object", "KeyTooLongError", http_status_code=400)
        with pytest.raises(SourceMissingError):
            sources.load(source, anywhere=True)


# What the allow-list of the tests below names, and around it what it does not.
LISTED = ["storage://default/photos/", "s3://photos/public", "https://images.example.com/public/"]


@pytest.fixture
def read(asked: Server, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stands for all reading of sources, on a server with an allow-list of folders."""
    settings.THUMBNAIL_SOURCES = LISTED
    reading = Mock(side_effect=SourceMissingError("it is not there"))
    monkeypatch.setattr(s3, "get_s3_storage", reading)
    for loader in (storage, http):
        monkeypatch.setattr(loader, "load", lambda source, max_bytes: reading(source))
    return reading


@pytest.mark.parametrize(
    "source",
    [
        # other places
        ("storage", "other", "photos/a.jpg"),
        ("storage", "Default", "photos/a.jpg"),
        ("storage", "default\n", "photos/a.jpg"),
        ("storage", "photos", "photos/a.jpg"),
        ("s3", "private", "public/a.jpg"),
        ("s3", "Photos", "public/a.jpg"),
        ("s3", "photos.private", "public/a.jpg"),
        ("s3", "default", "photos/a.jpg"),
        ("s3", "photos/public", "a.jpg"),
        ("s3", "..", "photos/public/a.jpg"),
        ("http", "images.example.com", "public/a.jpg"),
        ("https", "169.254.169.254", "public/a.jpg"),
        ("https", "images.example.com.", "public/a.jpg"),
        ("https", "images.example.com:443", "public/a.jpg"),
        ("https", "images.example.com:8080", "public/a.jpg"),
        ("https", "images.example.com:", "public/a.jpg"),
        ("https", "images.example.com.example.org", "public/a.jpg"),
        ("https", "IMAGES.example.com", "public/a.jpg"),
        ("https", "user@images.example.com", "public/a.jpg"),
        ("https", "images.example.com@example.org", "public/a.jpg"),
        ("https", "images.example.com#", "public/a.jpg"),
        ("https", "images.example.com\\", "public/a.jpg"),
        ("https", "images%2eexample.com", "public/a.jpg"),
        ("https", "images\u3002example.com", "public/a.jpg"),
        ("https", "[::1]", "public/a.jpg"),
        ("HTTPS", "images.example.com", "public/a.jpg"),
        ("file", "", "/etc/passwd"),
        ("file", "default", "photos/a.jpg"),
        ("ftp", "images.example.com", "public/a.jpg"),
        # other folders
        ("storage", "default", "photos"),
        ("storage", "default", "photos-private/a.jpg"),
        ("storage", "default", "Photos/a.jpg"),
        ("storage", "default", "\uff50hotos/a.jpg"),
        ("storage", "default", "private/photos/a.jpg"),
        ("storage", "default", "/photos/a.jpg"),
        ("storage", "default", "//photos/a.jpg"),
        ("storage", "default", "./photos/a.jpg"),
        ("storage", "default", "\\photos/a.jpg"),
        ("storage", "default", "photos\\a.jpg"),
        ("storage", "default", "photos%2fa.jpg"),
        ("storage", "default", "/etc/passwd"),
        ("s3", "photos", "public-not/a.jpg"),
        ("s3", "photos", "public"),
        ("s3", "photos", "publica.jpg"),
        ("s3", "photos", "/public/a.jpg"),
        ("https", "images.example.com", "/public/a.jpg"),
        ("https", "images.example.com", "public?/public/a.jpg"),
        # ways out
        ("storage", "default", "photos/../private/a.jpg"),
        ("storage", "default", "photos/./../private/a.jpg"),
        ("storage", "default", "photos//../../private/a.jpg"),
        ("storage", "default", "photos/.."),
        ("storage", "default", "photos/..\\private/a.jpg"),
        ("storage", "default", "photos/a\\..\\..\\private/a.jpg"),
        ("s3", "photos", "public/../private/a.jpg"),
        ("s3", "photos", "public/./a.jpg"),
        ("https", "images.example.com", "public/../private/a.jpg"),
        ("https", "images.example.com", "public/%2e%2e/private/a.jpg"),
        ("https", "images.example.com", "public/%2E./private/a.jpg"),
        ("https", "images.example.com", "public/..%2fprivate/a.jpg"),
        ("https", "images.example.com", "public/..%5Cprivate/a.jpg"),
    ],
    ids=repr,
)
def test_a_genuine_token_opens_nothing_that_is_not_listed(
    asked: Server, log: pytest.LogCaptureFixture, read: Mock, source: tuple[str, str, str]
) -> None:
    payload = json.dumps([*source, "30x20", {}], ensure_ascii=False, separators=(",", ":")).encode()
    assert refused(asked.get(f"/{sealed(payload)}.jpg"), log, source[2]) == 403
    read.assert_not_called()


@pytest.mark.parametrize("listed", LISTED)
def test_what_is_listed_is_read(asked: Server, read: Mock, listed: str) -> None:
    """Or the tests above would find nothing."""
    source = Source.parse(f"{listed.removesuffix('/')}/a..b/.c/%/d.jpg")
    spec = ThumbnailSpec(source, "30x20")
    assert asked.get(f"/{get_tokens().encrypt(spec)}.jpg").status_code == 404
    read.assert_called_once_with(source)


def test_no_name_leads_out_of_a_listed_folder(asked: Server, read: Mock) -> None:
    """As storages and hosts read names: backslashes for slashes, escapes decoded, dots followed."""
    parts = either("photos|public|a||.|..|...|\\|..\\|%2e%2e|%2E|..%2f|%5c..|%25|\uff0e\uff0e", "|")
    names = st.lists(parts, min_size=1, max_size=6).map("/".join)
    tried: dict[bool, set[str]] = {True: set(), False: set()}

    @examples(max_examples=2_000)
    @given(st.sampled_from(LISTED), names)
    def ask(listed: str, rest: str) -> None:
        root, _, folder = listed.removesuffix("/").rpartition("/")
        name = f"{folder}/{rest}"
        read.reset_mock()
        try:
            sources.load(Source.parse(f"{root}/{name}"))
        except SourceMissingError:
            for spelling in (name, unquote(name)):
                assert posixpath.normpath(spelling.replace("\\", "/")).split("/")[0] == folder
        except SourceNotAllowedError:
            pass
        tried[read.called].add(name)

    ask()
    assert min(map(len, tried.values())) >= 200


@pytest.mark.parametrize("seed", sorted(set(seeds())), ids=repr)
def test_the_seeds_of_the_fuzzer(seed: bytes) -> None:
    check(seed)
