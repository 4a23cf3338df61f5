"""The versions that are supported, each with the tests: `make matrix`, or `make corners` for the ends.

Interpreters are those that this machine has, on its PATH or from pyenv; the others are named.
"""

import os
import re
import shutil
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13")
DJANGOS = {"3.11": ("5.2",), "3.12": ("5.2", "6.0", "6.1"), "3.13": ("5.2", "6.0", "6.1")}
SORLS = ("12.11", "13.0", "13.1", "13.2", "13.3", "13.4")
# The thumbnail server makes what this one makes; older ones are for clients alone.
SERVERS_SORL = "13.4"
# What Zappa deploys has the versions of its own environment, and so have clients in other languages.
# Storages of other clouds depend on the libraries of those. `make test` has tried them all once.
EVERYTHING = ("-m", "not deploys and not clients and not clouds")
CLIENTS_ONLY = ("-m", "not deploys and not clients and not clouds and not makes_thumbnails")
# Attacks, floods, long simulations, browsers and the commands of deployments take most of the time, and
# hardly depend on versions. The ends of the matrix leave them to `make test`; the whole matrix has them.
ONCE = (
    *("anonymous", "cors", "deployment", "gallery", "hosts", "kills", "lambda_events", "lifetimes"),
    *("hostile_containers", "hostile_images", "hostile_parts", "hostile_tokens", "overload", "plain_zappa"),
    *("doctor", "endpoints", "losses", "same_pictures", "scale", "serving"),
)
# As in the Makefile.
WORKERS = ("--numprocesses=2", "--dist=loadfile")
WITHOUT_ONCE = tuple(f"--ignore-glob=*/test_{name}.py" for name in ONCE)

nox.options.error_on_missing_interpreters = False


def interpreter(version: str) -> str | None:
    """The path of an interpreter; first pyenv's own, which may not be on the PATH, or not work there."""
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    found = sorted(root.glob(f"versions/{version}.*/bin/python"))
    return str(found[-1]) if found else shutil.which(f"python{version}")


FOUND = {version: path for version in PYTHONS if (path := interpreter(version))}
MATRIX = [
    nox.param(FOUND[python], django, sorl, id=f"python-{python} django-{django} sorl-{sorl}")
    for python in FOUND
    for django in DJANGOS[python]
    for sorl in SORLS
]
ENDS = (min(FOUND, default=""), max(FOUND, default=""))
# The newest of all, with the newest and the oldest sorl; `oldest` below has the oldest of all else.
CORNERS = [
    nox.param(FOUND[ENDS[1]], DJANGOS[ENDS[1]][-1], sorl, id=f"python-{ENDS[1]} sorl-{sorl}")
    for sorl in (SORLS[0], SORLS[-1])
    if FOUND
]


@nox.session(python=False)
@nox.parametrize(("path", "django", "sorl"), MATRIX)
def matrix(session: nox.Session, path: str, django: str, sorl: str) -> None:
    """All tests, on every version of Python, Django and sorl-thumbnail."""
    run_tests(session, path, f"django=={django}.*", sorl)


@nox.session(python=False)
@nox.parametrize(("path", "django", "sorl"), CORNERS)
def corners(session: nox.Session, path: str, django: str, sorl: str) -> None:
    """The ends of the matrix."""
    run_tests(session, path, f"django=={django}.*", sorl, arguments=WITHOUT_ONCE)


@nox.session(python=False)
def oldest(session: nox.Session) -> None:
    """The oldest version of each library that setup.cfg allows, on the oldest Python."""
    bounds = re.findall(
        r"^ +([a-z0-9-]+)(?:\[\w+\])?>=([0-9.]+)", Path("setup.cfg").read_text(), re.MULTILINE
    )
    least = [f"{name}=={version}" for name, version in bounds if name not in ("sorl-thumbnail", "zappa")]
    if not FOUND:
        session.error(f"None of Python {', '.join(PYTHONS)} was found.")
    run_tests(session, FOUND[ENDS[0]], *sorted(set(least)), SERVERS_SORL, arguments=WITHOUT_ONCE)


def run_tests(session: nox.Session, path: str, *requirements: str, arguments: tuple[str, ...] = ()) -> None:
    """Run the tests in an environment of their own.

    requirements: what is pinned; the last is the version of sorl-thumbnail. arguments: of pytest
    """
    for version in PYTHONS:
        if version not in FOUND:
            session.warn(f"Python {version} was not found.")
    *pinned, sorl = requirements
    virtualenv = Path(session.create_tmp()).resolve() / "venv"
    session.run(path, "-m", "venv", "--clear", str(virtualenv), external=True)
    pip = (str(virtualenv / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    session.run(*pip, "install", "--editable", ".[dev]", *pinned, external=True)
    # As the Makefile does it.
    session.run(*pip, "install", "--force-reinstall", "--no-deps", "pyvips-binary", external=True)
    # Past the server's own requirement.
    session.run(*pip, "install", "--no-deps", f"sorl-thumbnail=={sorl}.*", external=True)
    selected = EVERYTHING if sorl == SERVERS_SORL else CLIENTS_ONLY
    arguments = (*WORKERS, *selected, *arguments, *session.posargs)
    session.run(pip[0], "-m", "pytest", *arguments, external=True)
