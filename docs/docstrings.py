"""A Sphinx extension that reads the docstrings of this project, which are written for readers of code.

    url            the final URL, or a lazy one       a list of fields or values
    lazy: the limit in seconds                        a parameter
    from a import b                                   indented code without `::`

Errors also get a line with their code. Docstrings of modules are left out.
"""

import inspect
import re
from typing import Any

from django.conf import settings

# Modules of the site read settings when they are imported.
if not settings.configured:
    settings.configure()

from shrinkmeister.exceptions import ShrinkmeisterError

# "width, height  in pixels": a name, two spaces or more, and its meaning.
TERM = re.compile(r"(?P<names>\w+(?:, \w+)*) {2,}(?P<text>\S.*)")
# docutils would make an address of a@2x.jpg.
FILE_NAME = re.compile(r"[\w./]*\w@\w[\w.]*")
PARAMETER = re.compile(r"(?P<name>\w+): (?P<text>\S.*)")


def read_docstring(app: object, what: str, name: str, obj: Any, options: object, lines: list[str]) -> None:
    """Rewrite a docstring in place, as reStructuredText."""
    if what == "module":  # the page itself introduces the module
        lines.clear()
        return
    parameters = _parameters(obj)
    written: list[str] = []
    inside = ""  # "term", "parameter" or "code"
    for line in (FILE_NAME.sub(r"``\g<0>``", one) for one in lines):
        if match := TERM.fullmatch(line):
            names = ", ".join(f"``{one}``" for one in match["names"].split(", "))
            written += [names, f"    {match['text']}"]
            inside = "term"
        elif (match := PARAMETER.fullmatch(line)) and match["name"] in parameters:
            written += ["", f":param {match['name']}: {match['text']}"]
            inside = "parameter"
        elif line.startswith(" ") and inside in ("term", "parameter"):
            written.append(f"    {line.strip()}")
        elif line.startswith("    ") and inside != "code":
            written += ["::", "", line]
            inside = "code"
        else:
            written.append(line)
            if line.strip() and not line.startswith(" "):
                inside = ""
    lines[:] = written
    if isinstance(obj, type) and issubclass(obj, ShrinkmeisterError):
        lines += ["", f"Code: ``{obj.code}``."]


def _parameters(obj: Any) -> set[str]:
    try:
        return set(inspect.signature(obj).parameters)
    except (TypeError, ValueError):
        return set()


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", read_docstring)
    return {"parallel_read_safe": True}
