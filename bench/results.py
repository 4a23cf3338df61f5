"""RESULTS.md: one section for each benchmark, each with its own date and versions."""

import os
import platform
import re
from datetime import date
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def write(title: str, text: str, packages: tuple[str, ...], *others: str) -> None:
    """Puts a section in the place of that of an earlier run, or at the end.

    packages: whose versions are named; others: what else is, as "Redis 7.0.15"
    """
    versions = ", ".join([*(f"{name} {version(name)}" for name in packages), *others])
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    head = f"{date.today()}, {machine}, Python {platform.python_version()}; {versions}."
    section = f"## {title}\n\n{head}\n\n{text.strip()}\n"
    former = RESULTS.read_text() if RESULTS.exists() else "# Results\n"
    parts = re.split(r"(?m)^(?=## )", former)
    kept = [part for part in parts if not part.startswith(f"## {title}\n")]
    place = next((n for n, part in enumerate(parts) if part.startswith(f"## {title}\n")), len(kept))
    kept.insert(place, section)
    RESULTS.write_text("\n\n".join(part.strip() for part in kept) + "\n")
    print(section)
