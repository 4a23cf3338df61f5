"""Other image libraries and servers, installed into folders of this checkout: nothing needs root."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

NODE = Path(__file__).parent / "node"
THUMBOR = Path(__file__).parent / ".thumbor"
THUMBOR_VERSION = "7.8.0"
# Its loader and its result storage on S3.
THUMBOR_AWS_VERSION = "1.1.0"


class MissingPeer(Exception):  # noqa: N818 - an absence, not a mistake
    """A peer cannot be had on this machine; the message says why. Its rows are left out."""


def node_packages() -> Path:
    """The folder of node programs, beside which the packages of its package.json are installed."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise MissingPeer("node and npm were not found")
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    if {name: _node_version(name) for name in wanted} != wanted:
        _run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(NODE)])
    return NODE


def node_versions() -> list[str]:
    """ "node v20.20.2", "sharp 0.35.5"; after `node_packages`."""
    node = _run(["node", "--version"]).strip()
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    return [f"node {node}", *(f"{name} {version}" for name, version in wanted.items())]


def thumbor_python() -> Path:
    """The interpreter of a virtual environment that has thumbor: it wants other versions than we do."""
    python = THUMBOR / "bin" / "python"
    wanted = [f"thumbor=={THUMBOR_VERSION}", f"thumbor-aws=={THUMBOR_AWS_VERSION}"]
    stamp = THUMBOR / ",".join(wanted)
    if not stamp.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(THUMBOR)])
        _run([str(python), "-m", "pip", "install", "--quiet", *wanted])
        stamp.touch()
    return python


def _node_version(name: str) -> str | None:
    package = NODE / "node_modules" / name / "package.json"
    return str(json.loads(package.read_text())["version"]) if package.exists() else None


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingPeer(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
