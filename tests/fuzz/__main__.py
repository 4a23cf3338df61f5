"""`make fuzz`: a minute of inputs that coverage leads, of tokens, specs, records and metadata.

ARGS go to libFuzzer, of which the last counts: `make fuzz ARGS=-max_total_time=3600`. An input that was not
borne is written into a file `crash-...` here; `make fuzz ARGS=crash-...` tries it again.
"""

import json
import os
import sys
from json import decoder, scanner
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed; it has wheels for CPython 3.11 to 3.13 on Linux.")

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")
with atheris.instrument_imports(include=["shrinkmeister"]):
    from tests.fuzz.target import check, seeds

# As long as the longest token, with the byte that chooses.
MAX_LENGTH = 4096
GRAFTS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.0,
    0.5,
    1e-5,
    1e300,
    2**53,
    float("nan"),
    "",
    "\0",
    "a",
    "..",
    "\ud800",
    [],
    {},
)


def follow_json() -> None:
    """Has JSON read in Python, so that coverage shows what would be JSON with one more byte.

    By what the library has below its C code, and its types leave out.
    """
    for reader in (scanner.py_make_scanner, decoder.py_scanstring, decoder.JSONObject, decoder.JSONArray):  # type: ignore[attr-defined]
        atheris.instrument_func(reader)
    of_loads: Any = json._default_decoder  # type: ignore[attr-defined]
    of_loads.parse_string = decoder.py_scanstring  # type: ignore[attr-defined]
    of_loads.scan_once = scanner.py_make_scanner(of_loads)  # type: ignore[attr-defined]


def mutated(data: bytes, most: int, seed: int) -> bytes:
    """Half of the time what is JSON stays JSON, and a part of it is exchanged."""
    generator = Random(seed)
    try:
        value = grafted(decoder.JSONDecoder().decode(data[1:].decode()), generator)
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        text = ""
    if not text or generator.random() < 0.5:
        return bytes(atheris.Mutate(data, most))
    return (data[:1] + text.encode(errors="surrogatepass"))[:most]


def grafted(value: Any, generator: Random) -> Any:
    """The value with another one somewhere in it."""
    if value and generator.random() < 0.7:
        if isinstance(value, list):
            place = generator.randrange(len(value))
            return [*value[:place], grafted(value[place], generator), *value[place + 1 :]]
        if isinstance(value, dict):
            name = generator.choice(list(value))
            return {**value, name: grafted(value[name], generator)}
    match generator.randrange(4):
        case 0:
            return [value]
        case 1:
            return {"a": value}
        case 2:
            for _ in range(generator.randrange(900)):
                value = [value]
            return value
        case _:
            return generator.choice(GRAFTS)


def main() -> None:
    follow_json()
    inputs = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    with TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        arguments = [*sys.argv, f"-max_len={MAX_LENGTH}", *([] if inputs else [corpus])]
        atheris.Setup(arguments, check, custom_mutator=mutated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
