"""Checks all links of the documentation and of the other Markdown files: `make docs-links`.

Links inside of the repository are always checked. Links to other sites are checked if PROBE answers, as it
does where this machine has access to the internet. Otherwise the output ends with a line that they were
skipped.
"""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
# Folders with Markdown files of others.
NOT_OURS = {"node_modules", "vendor", "_build", "var"}
PROBE = "https://docs.djangoproject.com/"
PROBE_SECONDS = 10
# MyST's label of the heading below it.
LABEL = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)
# With a scheme, as in https: and mailto:.
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def main() -> int:
    broken = [line for path in markdown_files() for line in broken_links(path)]
    for line in broken:
        print(line)
    online = has_internet()
    # The builder resolves all pages. So it also warns of each broken link between pages.
    command = [
        sys.executable,
        *["-m", "sphinx", "--builder", "linkcheck", "--fail-on-warning", "--keep-going", "--quiet"],
    ]
    if not online:
        command += ["--define", "linkcheck_ignore=.*"]
    failed = subprocess.run([*command, str(DOCS), str(DOCS / "_build" / "links")]).returncode
    if online:
        print("Links inside of the repository and to other sites were checked.")
    else:
        print(
            "Links inside of the repository were checked. "
            f"SKIPPED: links to other sites, because {PROBE} did not answer."
        )
    return int(bool(broken or failed))


def markdown_files() -> list[Path]:
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.startswith(".")]
        found += [Path(folder, name) for name in names if name.endswith(".md")]
    return sorted(found)


def broken_links(path: Path) -> Iterator[str]:
    """Yield a line for each link of a file that leads to no file or no heading of the repository."""
    links, _ = links_and_anchors(path)
    for link in links:
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists():
            yield f"{path.relative_to(ROOT)}: {link} does not exist"
        elif anchor and target.suffix == ".md" and anchor not in links_and_anchors(target)[1]:
            yield f"{path.relative_to(ROOT)}: {link} is not a heading"


def links_and_anchors(path: Path) -> tuple[list[str], set[str]]:
    """Return the links and images of a Markdown file that stay in the repository, and its anchors."""
    text = path.read_text(encoding="utf-8")
    links, anchors = [], {*LABEL.findall(text)}
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target and not OUTSIDE.match(str(target)):
                links.append(str(target))
        if before and before.type == "heading_open":
            texts = [child.content for child in token.children or ()]
            anchors.add(anchor_of("".join(texts)))
    return links, anchors


def anchor_of(heading: str) -> str:
    """Return the anchor that GitHub and MyST give to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def has_internet() -> bool:
    """Return whether PROBE answers, with whatever status."""
    try:
        urllib.request.urlopen(PROBE, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
