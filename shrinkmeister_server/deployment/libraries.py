"""Native libraries in a package for AWS Lambda: whether the runtime can load them, and wheels that it can.

Where Zappa finds no library for Lambda's processor, it packages the one of the machine that it runs on.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click import ClickException
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

# The newest versions of symbols in the runtimes of RUNTIMES.
NEWEST = {"GLIBC": "2.34", "GLIBCXX": "3.4.29", "CXXABI": "1.3.13"}
MACHINES = {"x86_64": "EM_X86_64", "arm64": "EM_AARCH64"}
PLATFORMS = {"x86_64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Target:
    """The machine on which a package runs, as Lambda names it."""

    runtime: str  # such as python3.13
    architecture: str  # x86_64 or arm64

    @property
    def platforms(self) -> list[str]:
        """Return the platforms of wheels whose libraries run there."""
        machine = PLATFORMS[self.architecture]
        glibcs = (f"manylinux_2_{n}" for n in range(_numbers(NEWEST["GLIBC"])[1], 4, -1))
        return [f"{one}_{machine}" for one in (*glibcs, "manylinux2014", "manylinux2010", "manylinux1")]

    def fits(self, wheel: str) -> bool:
        """Return whether a wheel runs there, by its file WHEEL: `Tag: cp313-cp313-manylinux_2_28_...`."""
        tags = [line.removeprefix("Tag: ") for line in wheel.splitlines() if line.startswith("Tag: ")]
        platforms = {platform for tag in tags for platform in tag.rpartition("-")[2].split(".")}
        return not platforms or bool(platforms & {"any", *self.platforms})


def replace_foreign(root: Path, target: Target) -> None:
    """Replace distributions with libraries for another machine by the target's wheels of the same version.

    A distribution from a file or a repository stays, and `unfit_libraries` examines it. The package index
    may have another project under its name.
    """
    for one in list(distributions(path=[str(root)])):
        if not one.read_text("direct_url.json") and not target.fits(one.read_text("WHEEL") or ""):
            _replace(root, one, target)


def _replace(root: Path, distribution: Distribution, target: Target) -> None:
    name = f"{distribution.metadata['Name']}=={distribution.version}"
    with TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-compile", "--only-binary", ":all:", "--target", directory]
        command += ["--implementation", "cp", "--python-version", target.runtime.removeprefix("python")]
        for platform in target.platforms:
            command += ["--platform", platform]
        done = subprocess.run([*command, name], capture_output=True, text=True)
        if done.returncode != 0:
            raise ClickException(
                f"{name} is not installed as a wheel for {target.runtime} on {target.architecture}, and "
                f"pip cannot get one: {done.stderr.strip()}"
            )
        for file in distribution.files or ():
            path = (root / str(file)).resolve()
            # The files include scripts of the environment, as ../../../bin/....
            if path.is_relative_to(root.resolve()) and path.is_file():
                path.unlink()
        shutil.copytree(directory, root, dirs_exist_ok=True)


def unfit_libraries(root: Path, files: Iterable[Path], target: Target) -> Iterator[str]:
    """Yield a line for each library that the target's loader would refuse."""
    for file in files:
        name = file.relative_to(root)
        with file.open("rb") as stream:
            if stream.read(4) != b"\x7fELF":
                if file.suffix in (".so", ".dylib", ".pyd") and file.stat().st_size:
                    yield f"{name}: is not a library for Linux"
                continue
            try:
                library = ELFFile(stream)
                machine = library["e_machine"]
                needed = _needed_versions(library)
            # elftools raises errors of any type for a truncated or invalid file.
            except Exception as error:
                yield f"{name}: cannot be read: {type(error).__name__}"
                continue
        if machine != MACHINES[target.architecture]:
            yield f"{name}: is for {machine}"
        for kind, version in sorted(needed):
            if kind in NEWEST and _numbers(version) > _numbers(NEWEST[kind]):
                yield f"{name}: needs {kind} {version}; the runtime has {NEWEST[kind]}"


def _needed_versions(library: Any) -> set[tuple[str, str]]:
    """Return the kinds and versions of symbols that a library needs, as {("GLIBC", "2.34"), ...}."""
    sections = (one for one in library.iter_sections() if isinstance(one, GNUVerNeedSection))
    names = {symbol.name for one in sections for _, symbols in one.iter_versions() for symbol in symbols}
    return {(kind, version) for kind, _, version in (name.rpartition("_") for name in names)}


def _numbers(version: str) -> list[int]:
    """Return a version in a form that can be compared; that of GLIBC_PRIVATE is the lowest."""
    return [int(part) for part in version.split(".") if part.isdecimal()]
