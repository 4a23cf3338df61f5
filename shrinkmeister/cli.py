"""Print the URL of a thumbnail, or what a URL contains: what a page does, for a caller who has the secret.

  python -m shrinkmeister url s3://photos/dawn.jpg 300x200 --crop center
  python -m shrinkmeister find s3://photos/dawn.jpg 300x200 --crop center
  python -m shrinkmeister open https://thumbs.example.com/AYy2nDq...@2x.jpg

Settings are those of the site that DJANGO_SETTINGS_MODULE names. Without it they are environment variables
of the same names, as a thumbnail server has them: THUMBNAIL_SECRET_KEY, THUMBNAIL_CACHE_LOCATION, ...
`url` and `find` also need THUMBNAIL_SERVER_URL.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NoReturn
from urllib.parse import unquote

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.conf import get_config, get_tokens, lazy_url
from shrinkmeister.conf.table import SITE_SETTINGS
from shrinkmeister.environment import VariableError
from shrinkmeister.exceptions import ShrinkmeisterError, SpecError, TokenError
from shrinkmeister.protocol.keys import OBJECT, object_name, record_key
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister.protocol.tokens import Link

# Exit statuses: of any command that fails, and of `find` for a thumbnail without a record. Python exits
# with 1 after an uncaught exception.
WRONG = 2
LAZY = 3

# A person who types a command can wait for longer than a page.
WAIT_SECONDS = 2.0

FLAG = re.compile(r"--([A-Za-z_][A-Za-z0-9_-]*)(=.*)?", re.ASCII | re.DOTALL)
# Templates write them so, and so may callers.
CONSTANTS: Mapping[str, bool | None] = {"True": True, "False": False, "None": None}

OPTIONS = """\
Every other --name VALUE is an option of the thumbnail, as in a template: --crop center, --crop "10% 20%",
--quality 80, --upscale false, --padding_color '#fff'. Numbers, true, false, null, arrays and objects are
read as JSON. Everything else is text, and so is a value in double quotes: --version '"3"'."""
STATUSES = {
    "url": "Exit status: 0, or 2 after an error.",
    "find": "Exit status: 0 if the URL is final, 3 if it is lazy, 2 after an error.",
    "open": "Exit status: 0, also for an expired token; 2 for a token that cannot be opened.",
}


def main(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run one command and return its exit status.

    variables: the environment; settings are read from it unless Django has some already
    """
    try:
        options = _parser(arguments).parse_args(arguments)
        _configure(variables)
        return int(options.run(options, variables))
    except ShrinkmeisterError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return WRONG


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"{message}. See {self.prog} --help.\n")


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m shrinkmeister",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Any, help: str, epilog: str = "") -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=help,
            description=help,
            epilog=f"{epilog}\n\n{STATUSES[name]}".strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made

    url = command("url", _url, "Print the lazy URL of a thumbnail.", OPTIONS)
    find = command(
        "find", _find, "Print the final URL of a recorded thumbnail, or else the lazy URL.", OPTIONS
    )
    for one in (url, find):
        one.add_argument(
            "source",
            metavar="SOURCE",
            help="s3://bucket/key, storage://alias/name, a URL, or a plain name in THUMBNAIL_STORAGE.",
        )
        one.add_argument("geometry", metavar="GEOMETRY", help="300x200, 300 (width) or x200 (height).")
        one.add_argument(
            "--option",
            dest="options",
            action="append",
            default=[],
            type=_pair,
            metavar="NAME=VALUE",
            help="An option whose name may also be that of a flag of this command.",
        )
        flags = (FLAG.fullmatch(argument) for argument in arguments)
        for name in {flag[1] for flag in flags if flag} - {"help", "option"}:
            one.add_argument(
                f"--{name}",
                dest="options",
                action="append",
                type=partial(_named, name),
                metavar="VALUE",
                help=argparse.SUPPRESS,
            )
    opened = command("open", _open, "Print what a token contains. The secret has to be among the settings.")
    opened.add_argument(
        "token", metavar="TOKEN_OR_URL", help="A lazy URL, with or without @2x and extension, or its token."
    )
    opened.add_argument("--json", action="store_true", help="Print JSON.")
    return parser


def _named(name: str, text: str) -> tuple[str, Any]:
    return name.replace("-", "_"), _value(text)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} has no '='; write quality=80")
    return name, _value(value)


def _value(text: str) -> Any:
    """Return the value of an option: JSON if it can be parsed, otherwise text."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON, though Python reads it")


def _configure(variables: Mapping[str, str]) -> None:
    """Configure Django. Raises VariableError."""
    if module := variables.get("DJANGO_SETTINGS_MODULE"):
        try:
            django.setup()
        except ImportError as error:
            raise VariableError(
                f"DJANGO_SETTINGS_MODULE is {module!r}, which cannot be imported: {error}. Name the site's "
                f"settings, and run this in the folder of its manage.py; or set variables instead."
            ) from error
        except ImproperlyConfigured as error:
            raise VariableError(str(error)) from error
    elif not settings.configured:
        defaults = {"THUMBNAIL_CACHE_WAIT_SECONDS": WAIT_SECONDS}
        found = {
            row.name: row.form.read(variables, row.name, defaults.get(row.name, row.default))
            for row in SITE_SETTINGS
            # prometheus_client would write into the folder of a server that has this variable.
            if row.name != "THUMBNAIL_METRICS"
        }
        settings.configure(**{name: value for name, value in found.items() if value is not None})


def _url(options: argparse.Namespace, variables: Mapping[str, str]) -> int:
    print(lazy_url(_spec(options, variables), get_config()))
    return 0


def _find(options: argparse.Namespace, variables: Mapping[str, str]) -> int:
    # Imported here, because they import sorl, which reads its settings at import.
    from shrinkmeister.adoption.former import former_of
    from shrinkmeister.backend import thumbnail_of

    # This command makes no thumbnail, even if the pages of the site do.
    config = replace(get_config(), eager=False)
    spec = _spec(options, variables)
    plain = "://" not in options.source
    former = former_of(options.source, options.geometry, dict(options.options), config) if plain else None
    thumbnail = thumbnail_of(spec, config, former)
    print(thumbnail.url)
    return LAZY if thumbnail.lazy else 0


def _spec(options: argparse.Namespace, variables: Mapping[str, str]) -> ThumbnailSpec:
    from shrinkmeister.backend import spec_of
    from shrinkmeister.sources import parse_source

    text = options.source
    if "://" not in text and not (variables.get("DJANGO_SETTINGS_MODULE") or variables.get("STORAGES")):
        raise SpecError(
            f"SOURCE is {text!r}, a plain name, but neither DJANGO_SETTINGS_MODULE nor STORAGES says "
            f"where its storage is. Set one of them, or write 's3://bucket/key' or 'storage://alias/name'."
        )
    config = get_config()
    return spec_of(parse_source(text, config), options.geometry, dict(options.options), config)


def _open(options: argparse.Namespace, variables: Mapping[str, str]) -> int:
    found = _opened(options.token)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for name, text in _lines(found):
            print(f"{name:<11} {_printable(text)}")
    return 0


def _opened(pasted: str) -> dict[str, Any]:
    """Return what `open --json` prints. Raises TokenError."""
    config, text = get_config(), pasted.strip()
    if re.match(rf"[^?#]*({OBJECT.pattern})([?#]|$)", unquote(text)):
        raise TokenError(
            f"TOKEN_OR_URL is {pasted!r}, the URL of a stored thumbnail, whose name consists of digests. "
            f"Paste a lazy URL: only these contain the source."
        )
    try:
        link = Link.parse(text)
        opened = get_tokens().read(link.token)
    except TokenError as error:
        raise TokenError(
            f"TOKEN_OR_URL is {pasted!r}: {error}. Paste a whole lazy URL. Compare THUMBNAIL_SECRET_KEY "
            f"and its fallbacks with those of the site that made it."
        ) from error
    spec = opened.spec
    return {
        "source": str(spec.source),
        "geometry": spec.geometry,
        "options": dict(spec.options),
        "expires": opened.expires,
        "end": _date(opened.expires),
        "over": opened.is_expired(time.time()),
        "secret": opened.secret,
        "record": record_key(spec),
        "object": object_name(spec, config.prefix, link.resolution),
        "resolution": link.resolution,
    }


def _date(moment: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC. Python has no dates after the year 9999."""
    if moment is None:
        return None
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)).isoformat()
    except OverflowError:
        return "after the year 9999"


def _lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "source", found["source"]
    yield "geometry", found["geometry"]
    options = (
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in found["options"].items()
    )
    yield "options", " ".join(options) or "none"
    end = found["end"] or "never"
    yield "end", f"{end}, expired" if found["over"] else end
    place = found["secret"]
    yield "secret", f"{place} (THUMBNAIL_SECRET_KEY{'_FALLBACKS' if place else ''})"
    yield "record", found["record"]
    yield "object", found["object"]
    if found["resolution"]:
        yield "resolution", f"{found['resolution']}x"


def _printable(text: str) -> str:
    """Return the text without control characters: visitors may have chosen the name of the file."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
