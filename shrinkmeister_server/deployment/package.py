"""Finish the zip that Zappa has made: `callbacks.zip` of zappa_settings.json.

Without this, each cold start compiles every module: a zip loses the files' times, by which Python knows
whether bytecode is current. Also, Zappa's zip contains what only Zappa's command line needs.
"""

import compileall
import shutil
from collections.abc import Collection
from importlib.metadata import distributions
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from click import ClickException, echo

from shrinkmeister_server.aws_lambda.packaged_secrets import PATTERNS
from shrinkmeister_server.deployment.libraries import Target, replace_foreign, unfit_libraries
from shrinkmeister_server.deployment.plausibility import check, doubtful
from shrinkmeister_server.deployment.stage import (
    ALL_SECRETS,
    FILE,
    HANDLER,
    RUNNING,
    RUNTIMES,
    StageError,
    variables_of,
)

# Lambda unpacks no more. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_BYTES = 262_144_000
ZAPPAS_HANDLERS = ("handler.lambda_handler", "zappa.handler.lambda_handler")

# Zappa's command line and this module need these, but Zappa's handler does not load them.
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
# boto3 describes 400 services of AWS. It assumes roles with `sts`.
SERVICES = ("s3", "sts")


def finish(cli: Any, services: Collection[str] = SERVICES) -> None:
    """Finish the package of a ZappaCLI, which calls this function.

    services: those of AWS that boto3 keeps. Raises ClickException, which makes Zappa exit before it uploads
    anything.
    """
    target = Target(cli.runtime, cli.architecture)
    _check_stage(cli)
    with TemporaryDirectory() as directory:
        root = Path(directory)
        with ZipFile(cli.zip_path) as archive:
            archive.extractall(root)
        _check_installation(root)
        _remove_settings(root)
        replace_foreign(root, target)
        _remove_unneeded(root, services)
        _compile(root)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        if problems := list(unfit_libraries(root, files, target)):
            raise ClickException(
                f"These libraries would not load in {target.runtime} on {target.architecture}:\n"
                + "\n".join(problems)
                + "\nInstall versions that have wheels for it into this virtual environment."
            )
        size = sum(file.stat().st_size for file in files)
        if size > MAX_BYTES:
            raise ClickException(
                f"The unpacked package has {size:,} bytes, but Lambda takes {MAX_BYTES:,}. Uninstall what "
                f"the server does not need from this virtual environment, which should have nothing else."
            )
        with ZipFile(cli.zip_path, "w", ZIP_DEFLATED) as archive:
            for file in files:
                # Lambda runs the function as another user than the owner of the files.
                file.chmod(0o755)
                archive.write(file, file.relative_to(root))


def _check_stage(cli: Any) -> None:
    if cli.runtime not in RUNTIMES or cli.runtime != RUNNING:
        raise ClickException(
            f"runtime is {cli.runtime!r}, but Zappa runs with {RUNNING} and ships its packages. Make "
            f"the virtual environment with one of {', '.join(RUNTIMES)}, and set runtime to the same."
        )
    if not str(cli.zip_path).endswith(".zip"):
        raise ClickException("slim_handler is true, but this package does not need it. Set it to false.")
    stage = cli.stage_config
    if stage.get("lambda_handler", ZAPPAS_HANDLERS[0]) in ZAPPAS_HANDLERS:
        raise ClickException(
            f"lambda_handler is Zappa's own, which runs code that an event contains. Set it to {HANDLER!r}."
        )
    try:
        variables = variables_of(stage)
        packaged = stage.get("environment_variables", {})
        if names := [name for name in ALL_SECRETS if packaged.get(name)]:
            raise StageError(
                f"environment_variables contains {', '.join(names)}, which Zappa writes into the package. "
                f"Move them to aws_environment_variables."
            )
        # Without the secret, the function has variables from another place, and this file is incomplete.
        if variables.get("THUMBNAIL_SECRET_KEY"):
            check(stage)
            for doubt in doubtful(stage):
                echo(f"Shrinkmeister: {doubt}")
    except StageError as error:
        raise ClickException(f"The server does not accept {FILE}:\n{error}") from error
    if not variables.get("ALLOWED_HOST"):
        echo("Shrinkmeister: set ALLOWED_HOST to the host that Zappa prints, and run `zappa update`.")


def _remove_settings(root: Path) -> None:
    """Remove files of settings, which contain secrets. Zappa's own module of settings stays."""
    found = {file for pattern in PATTERNS for file in root.glob(pattern) if file.is_file()}
    if removed := sorted(file.name for file in found if file.name != "zappa_settings.py"):
        echo(f"Shrinkmeister: removed {', '.join(removed)} from the package, because of their secrets.")
    for name in removed:
        (root / name).unlink()


def _check_installation(root: Path) -> None:
    for name in ("shrinkmeister", "shrinkmeister_server"):
        if not (root / name / "__init__.py").is_file():
            raise ClickException(
                f"The package lacks {name}, because Zappa does not package an editable install. Install it "
                f'without -e: `pip install "path/to/the/checkout[server,redis,zappa]"`.'
            )


def _remove_unneeded(root: Path, services: Collection[str]) -> None:
    for distribution in list(distributions(path=[str(root)])):
        # The rest of a broken installation has no name.
        names = distribution.metadata.get_all("Name") or ()
        if any(name.lower().replace("_", "-") in TOOLS for name in names):
            for top in {file.parts[0] for file in distribution.files or ()}:
                # Whole folders, because Zappa adds files to them. RECORD may contain ".." and "/", which
                # are outside of the package.
                if (root / top).resolve().parent == root.resolve():
                    shutil.rmtree(root / top, ignore_errors=True)
    for library in ("boto3", "botocore"):
        for folder in (root / library / "data").glob("*/"):
            if folder.name not in services:
                shutil.rmtree(folder)
    for bytecode in list(root.rglob("__pycache__")):
        shutil.rmtree(bytecode)
    # Sources of translations, and files for type checkers.
    for pattern in ("*.po", "*.pyi"):
        for file in root.rglob(pattern):
            file.unlink()


def _compile(root: Path) -> None:
    """Write bytecode that Python uses without comparing it with the source, because a zip keeps no times.

    Files that do not compile, such as templates of code, are reported and shipped as they are.
    """
    compileall.compile_dir(
        root,
        maxlevels=100,
        quiet=1,
        stripdir=str(root),
        prependdir="/var/task",  # where Lambda unpacks the package; tracebacks show it
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
