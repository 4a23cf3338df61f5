"""The zip that Zappa has made, as it should be on Lambda: `callbacks.zip` of zappa_settings.json.

Of what Zappa alone ships, each cold start compiles every module: a zip has lost the times of the files, by
which Python knows bytecode of before. It ships what only its own command line needs. And where it finds no
library for Lambda's processor, it ships that of the machine it runs on.
"""

import compileall
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from click import ClickException, echo
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from shrinkmeister_server.aws_lambda.packaged_secrets import PATTERNS
from shrinkmeister_server.deployment.stage import (
    ALL_SECRETS,
    FILE,
    HANDLER,
    POST,
    StageError,
    check,
    doubts,
    variables_of,
)

# Of Amazon Linux 2023, on which these runtimes stand. Python 3.11 and before stand on an older one, with
# whose glibc wheels of cryptography do not run. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
RUNTIMES = ("python3.12", "python3.13", "python3.14")
MOST = {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13)}
MACHINES = {"x86_64": "EM_X86_64", "arm64": "EM_AARCH64"}
PLATFORMS = {"x86_64": "x86_64", "arm64": "aarch64"}
# Bytes that Lambda unpacks at most. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MOST_BYTES = 262_144_000
# Its settings, as the module that Zappa writes.
MODULE = "zappa_settings.py"
ZAPPAS_HANDLERS = ("handler.lambda_handler", "zappa.handler.lambda_handler")
FORMER_POST = "shrinkmeister_server.deployment.site.tell"
# Where Lambda unpacks it, for tracebacks.
TASK_ROOT = "/var/task"

# Of Zappa's command line, and of this module; Zappa's handler loads none of it.
TOOLS = (
    "argcomplete",
    "cfn-flip",
    "hjson",
    "pip",
    "placebo",
    "pyelftools",
    "setuptools",
    "troposphere",
    "wheel",
)
# boto3 describes 400 services. What roles are assumed with is `sts`.
SERVICES = ("s3", "sts")


@dataclass(frozen=True)
class Target:
    """runtime       as Lambda names it: python3.13
    architecture  as Lambda names it: x86_64 or arm64
    """

    runtime: str
    architecture: str

    @property
    def python(self) -> str:
        return self.runtime.removeprefix("python")

    @property
    def platforms(self) -> list[str]:
        """The names of wheels' platforms whose libraries run there."""
        machine = PLATFORMS[self.architecture]
        glibcs = (f"manylinux_2_{n}" for n in range(MOST["GLIBC"][1], 4, -1))
        return [f"{one}_{machine}" for one in (*glibcs, "manylinux2014", "manylinux2010", "manylinux1")]


def finish(cli: Any, services: Collection[str] = SERVICES) -> None:
    """Zappa calls it with its ZappaCLI.

    services: of AWS that boto3 can still be asked for. Raises ClickException, with which Zappa ends
    before it has uploaded anything.
    """
    target = Target(cli.runtime, cli.architecture)
    _check_runtime(target)
    if not str(cli.zip_path).endswith(".zip"):
        raise ClickException("slim_handler is true, and this package does not need it. Set it to false.")
    _check_callbacks(cli.stage_config)
    _check_variables(cli.stage_config)
    with TemporaryDirectory() as directory:
        root = Path(directory)
        with ZipFile(cli.zip_path) as archive:
            archive.extractall(root)
        _check_installation(root)
        _remove_settings(root)
        for distribution in _foreign(root, target):
            _replace(root, distribution, target)
        _remove_unneeded(root, services)
        _compile(root)
        if problems := list(_unfit(root, target)):
            raise ClickException(
                f"These libraries would not load in {target.runtime} on {target.architecture}:\n"
                + "\n".join(problems)
                + "\nInstall versions that have wheels for it into this virtual environment."
            )
        size = sum(file.stat().st_size for file in _files(root))
        if size > MOST_BYTES:
            raise ClickException(
                f"The package has {size:,} bytes unpacked, and Lambda takes {MOST_BYTES:,}. Uninstall what "
                f"the server does not need from this virtual environment, which should have nothing else."
            )
        _pack(root, Path(cli.zip_path))
    zipped = Path(cli.zip_path).stat().st_size
    echo(
        f"Shrinkmeister: {zipped / 1e6:.1f} MB, {size / 1e6:.1f} MB unpacked, for {target.runtime} on "
        f"{target.architecture}"
    )


def _check_runtime(target: Target) -> None:
    running = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if target.runtime not in RUNTIMES:
        raise ClickException(
            f"runtime is {target.runtime!r}, and the server runs in {', '.join(RUNTIMES)}. Set one of "
            f"them, and run Zappa with that Python."
        )
    if target.runtime != running:
        raise ClickException(
            f"runtime is {target.runtime!r}, and Zappa runs with {running}, whose packages it ships. Make "
            f"the virtual environment with {target.runtime}, or set runtime to {running!r}."
        )


def _check_callbacks(stage: dict[str, Any]) -> None:
    """Refuse a stage with which events that are not HTTP requests reach Zappa's handler."""
    if stage.get("lambda_handler", ZAPPAS_HANDLERS[0]) in ZAPPAS_HANDLERS:
        raise ClickException(
            f"lambda_handler is Zappa's own, which runs what an event brings. Set it to {HANDLER!r}."
        )
    if stage.get("callbacks", {}).get("post") == FORMER_POST:
        raise ClickException(
            f"callbacks has {FORMER_POST!r}, which leaves the function open to every AWS account. Set post "
            f"to {POST!r}."
        )


def _check_variables(stage: dict[str, Any]) -> None:
    try:
        variables = variables_of(stage)
        packaged = stage.get("environment_variables", {})
        if names := [name for name in ALL_SECRETS if packaged.get(name)]:
            raise StageError(
                f"environment_variables has {', '.join(names)}, and Zappa writes them into the package. "
                f"Move them to aws_environment_variables."
            )
        # A secret that is not in the file has been given to the function in another way, and what else has
        # nobody knows here.
        if variables.get("THUMBNAIL_SECRET_KEY"):
            check(stage)
            for doubt in doubts(stage):
                echo(f"Shrinkmeister: {doubt}")
    except StageError as error:
        raise ClickException(f"{FILE} has something that the server does not take:\n{error}") from error
    if not variables.get("ALLOWED_HOST"):
        echo("Shrinkmeister: set ALLOWED_HOST to the host that Zappa prints, and run `zappa update`.")


def _remove_settings(root: Path) -> None:
    """Take out files of settings with their secrets; Zappa's own module of them stays."""
    found = {file for pattern in PATTERNS for file in root.glob(pattern) if file.is_file()}
    if removed := sorted(file.name for file in found if file.name != MODULE):
        echo(f"Shrinkmeister: took {', '.join(removed)} out of the package, for the secrets in them.")
    for name in removed:
        (root / name).unlink()


def _check_installation(root: Path) -> None:
    for name in ("shrinkmeister", "shrinkmeister_server"):
        if not (root / name / "__init__.py").is_file():
            raise ClickException(
                f"The package lacks {name}: Zappa packages nothing of an editable install. Install it "
                f'without -e: `pip install "path/to/the/checkout[server,redis,zappa]"`.'
            )


def _foreign(root: Path, target: Target) -> list[Distribution]:
    """Those with libraries that were not built for the target, by what their wheels were called.

    What comes from a file or a repository stays, for `_unfit` to judge: the index may have the project of
    somebody else under its name.
    """
    return [
        one
        for one in distributions(path=[str(root)])
        if not one.read_text("direct_url.json") and not _fits(one.read_text("WHEEL") or "", target)
    ]


def _fits(wheel: str, target: Target) -> bool:
    """wheel: the text of a file WHEEL, which has lines as `Tag: cp313-cp313-manylinux_2_28_x86_64`."""
    tags = [line.removeprefix("Tag: ") for line in wheel.splitlines() if line.startswith("Tag: ")]
    platforms = {platform for tag in tags for platform in tag.rpartition("-")[2].split(".")}
    return not platforms or bool(platforms & {"any", *target.platforms})


def _replace(root: Path, distribution: Distribution, target: Target) -> None:
    """Puts the same version, as its project has built it for the target, in the place of a distribution."""
    name = f"{distribution.metadata['Name']}=={distribution.version}"
    with TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-compile", "--only-binary", ":all:", "--target", directory]
        command += ["--implementation", "cp", "--python-version", target.python]
        for platform in target.platforms:
            command += ["--platform", platform]
        done = subprocess.run([*command, name], capture_output=True, text=True)
        if done.returncode != 0:
            raise ClickException(
                f"{name} is not installed as a wheel for {target.runtime} on {target.architecture}, and "
                f"pip cannot have one: {done.stderr.strip()}"
            )
        _remove(root, distribution)
        shutil.copytree(directory, root, dirs_exist_ok=True)


def _remove(root: Path, distribution: Distribution) -> None:
    for file in distribution.files or ():
        path = (root / str(file)).resolve()
        # Scripts of the environment are named too, as ../../../bin/....
        if path.is_relative_to(root.resolve()) and path.is_file():
            path.unlink()


def _remove_unneeded(root: Path, services: Collection[str]) -> None:
    for distribution in list(distributions(path=[str(root)])):
        # What a broken installation has left has none.
        names = distribution.metadata.get_all("Name") or ()
        if any(name.lower().replace("_", "-") in TOOLS for name in names):
            for top in {file.parts[0] for file in distribution.files or ()}:
                # Whole: Zappa has put files into it. And nothing outside, which ".." and "/" are.
                if (root / top).resolve().parent == root.resolve():
                    shutil.rmtree(root / top, ignore_errors=True)
    for library in ("boto3", "botocore"):
        for folder in (root / library / "data").glob("*/"):
            if folder.name not in services:
                shutil.rmtree(folder)
    for bytecode in list(root.rglob("__pycache__")):
        shutil.rmtree(bytecode)
    # The sources of translations, and what type checkers alone read.
    for pattern in ("*.po", "*.pyi"):
        for file in root.rglob(pattern):
            file.unlink()


def _compile(root: Path) -> None:
    """Bytecode that counts without a look at its source, whose time no zip keeps. What does not compile, as
    templates of code, is told and shipped as it is."""
    compileall.compile_dir(
        root,
        maxlevels=100,
        quiet=1,
        stripdir=str(root),
        prependdir=TASK_ROOT,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


def _unfit(root: Path, target: Target) -> Iterator[str]:
    """A line for each library that the target's loader would refuse."""
    for file in _files(root):
        name = file.relative_to(root)
        with file.open("rb") as stream:
            if stream.read(4) != b"\x7fELF":
                if file.suffix in (".so", ".dylib", ".pyd") and file.stat().st_size:
                    yield f"{name}: is no library for Linux"
                continue
            try:
                library = ELFFile(stream)
                machine = library["e_machine"]
                newest = _newest(library)
            # Of what is cut off or made up, the library raises anything.
            except Exception as error:
                yield f"{name}: cannot be read: {type(error).__name__}"
                continue
        if machine != MACHINES[target.architecture]:
            yield f"{name}: is for {machine}"
        for kind, version in newest.items():
            if version > MOST.get(kind, version):
                yield f"{name}: needs {kind} {_dotted(version)}; the runtime has {_dotted(MOST[kind])}"


def _newest(library: Any) -> dict[str, tuple[int, ...]]:
    """The newest version that a library needs of each kind of symbols, as {"GLIBC": (2, 34)}."""
    newest: dict[str, tuple[int, ...]] = {}
    for section in library.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, needed in section.iter_versions():
                for one in needed:
                    kind, _, version = one.name.rpartition("_")
                    if version.replace(".", "").isdecimal():
                        numbers = tuple(map(int, version.split(".")))
                        newest[kind] = max(newest.get(kind, ()), numbers)
    return newest


def _dotted(version: Iterable[int]) -> str:
    return ".".join(map(str, version))


def _pack(root: Path, path: Path) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file in _files(root):
            entry = ZipInfo(str(file.relative_to(root)))
            entry.compress_type = ZIP_DEFLATED
            # Lambda's user is another one than the file's.
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, file.read_bytes())


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())
