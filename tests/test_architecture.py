"""Who may know whom: no cycle, the client knows nothing of the server, and it stays light."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import shrinkmeister
import shrinkmeister_server
from tests import INSTALLED

MODULES = {
    ".".join(path.relative_to(INSTALLED).with_suffix("").parts).removesuffix(".__init__"): path
    for package in (shrinkmeister, shrinkmeister_server)
    for path in Path(str(package.__file__)).parent.rglob("*.py")
}


def imports(name: str) -> set[str]:
    """The modules that a module names in its imports, wherever in it they stand."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            module = str(node.module)
            found |= {f"{module}.{alias.name}" for alias in node.names} & MODULES.keys() or {module}
    return found


def packages(name: str) -> set[str]:
    return {found.partition(".")[0] for found in imports(name)}


def test_there_is_no_cycle() -> None:
    graph = {name: (imports(name) & MODULES.keys()) - {name} for name in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_the_client_never_imports_the_server() -> None:
    for name in MODULES:
        if name.split(".")[0] == "shrinkmeister":
            assert "shrinkmeister_server" not in packages(name), name


def in_room(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def test_the_protocol_is_pure() -> None:
    """It imports the standard library, cryptography and our exceptions; no Django, sorl or settings."""
    for name in MODULES:
        if in_room(name, "shrinkmeister.protocol") or name == "shrinkmeister.exceptions":
            others = packages(name) - {*sys.stdlib_module_names, "cryptography", "shrinkmeister"}
            assert not others, name
            ours = {one for one in imports(name) if one.startswith("shrinkmeister.")}
            allowed = ("shrinkmeister.protocol", "shrinkmeister.exceptions")
            assert all(any(in_room(one, room) for room in allowed) for one in ours), (name, ours)


# What the modules of a room may import of the client, besides the room itself.
BASE = ("protocol", "exceptions", "secret")
ROOMS = {
    "conf": (*BASE, "environment"),
    "drivers": (*BASE, "conf"),
    "cache": (*BASE, "conf", "drivers", "geometry", "ttl_cache"),
    "storage": (*BASE, "conf", "ttl_cache", "cache"),
    "geometry": BASE,
    "ttl_cache": (),
    "lifetime": (),
    "page": ("lifetime", "cache"),
    "caching": ("lifetime", "page"),
    "fragments": ("lifetime", "page", "caching"),
}


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_run_one_way(room: str) -> None:
    """protocol <- conf <- drivers <- cache, storage <- the page's path."""
    allowed = [f"shrinkmeister.{one}" for one in (room, *ROOMS[room])]
    for name in MODULES:
        if in_room(name, f"shrinkmeister.{room}"):
            ours = {one for one in imports(name) if one.startswith("shrinkmeister.")}
            wrong = {one for one in ours if not any(in_room(one, other) for other in allowed)}
            assert not wrong, name


# What the server imports of the client.
FOR_SERVER = (
    *("protocol", "conf", "cache", "storage", "exceptions", "environment", "secret", "setting_checks"),
    *("doctor.messages", "error_policy"),
)


def test_the_server_imports_nothing_of_the_pages_path() -> None:
    allowed = [f"shrinkmeister.{one}" for one in FOR_SERVER]
    wrong = {
        (name, one)
        for name in MODULES
        if name.startswith("shrinkmeister_server")
        for one in imports(name)
        if one.startswith("shrinkmeister.") and not any(in_room(one, room) for room in allowed)
    }
    assert not wrong


CONTRIB = "shrinkmeister.contrib"


def test_what_is_for_other_libraries_is_imported_by_nobody() -> None:
    for name in MODULES:
        of_library = {one for one in imports(name) if one.split(".")[0] == "rest_framework"}
        assert bool(of_library) == (name == f"{CONTRIB}.rest_framework"), name
        if not name.startswith(CONTRIB):
            assert not [one for one in imports(name) if one.startswith(CONTRIB)], name


def test_a_site_has_settings_and_no_environment() -> None:
    """Whoever calls us without a site, gives them by variables."""
    readers = [
        name
        for name, path in MODULES.items()
        if name.split(".")[0] == "shrinkmeister" and "os.environ" in path.read_text(encoding="utf-8")
    ]
    assert readers == ["shrinkmeister.__main__"]


# The only modules of a site that import S3's libraries, and only when a function needs them.
WRITERS = ("shrinkmeister.storage.buckets", "shrinkmeister.storage.s3_client")


def test_libraries_of_images_and_of_s3_stay_on_the_server() -> None:
    for name in MODULES:
        if name.split(".")[0] == "shrinkmeister" and name not in WRITERS:
            assert not packages(name) & {"PIL", "boto3", "botocore", "storages", "pyvips"}, name


@pytest.mark.outside
def test_the_start_of_a_site_loads_next_to_nothing() -> None:
    script = """
import sys
from django.conf import settings
settings.configure(INSTALLED_APPS=["shrinkmeister", "sorl.thumbnail"])
import django
django.setup()
print(*sorted(name for name in sys.modules if name.startswith("shrinkmeister.")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        f"shrinkmeister.{name}"
        for name in (
            *("apps", "lifetime", "page", "sorl_patches"),
            *("sorl_patches.command", "sorl_patches.filters", "sorl_patches.kvstore", "uploads"),
        )
    ]


@pytest.mark.outside
def test_a_page_loads_no_library_of_images_or_of_s3() -> None:
    """In a process of its own: a recorded and a lazy thumbnail, and what has been imported then."""
    script = """
import sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["shrinkmeister", "sorl.thumbnail"],
    THUMBNAIL_BACKEND="shrinkmeister.backend.ShrinkmeisterBackend",
    THUMBNAIL_SECRET_KEY="the secret of this script, which is long enough",
    THUMBNAIL_SERVER_URL="https://thumbs.example.com",
    THUMBNAIL_CACHE_BACKEND="django",
    THUMBNAIL_CACHE_NAME="default",
)
import django
django.setup()
from sorl.thumbnail import get_thumbnail
from shrinkmeister.backend import make_spec
from shrinkmeister.conf import get_config
from shrinkmeister.protocol.records import ThumbnailRecord
from tests import ROOT
from shrinkmeister.cache import get_shared_cache
assert get_thumbnail("a.jpg", "10x10").lazy
spec = make_spec("a.jpg", "10x10", {}, get_config())
get_shared_cache().records.save(spec, ThumbnailRecord(10, 10, "https://example.com/"), None)
assert not get_thumbnail("a.jpg", "10x10").lazy
heavy = {"PIL", "boto3", "botocore", "storages", "pyvips", "urllib3", "shrinkmeister_server"}
found = {name.partition(".")[0] for name in sys.modules} & heavy
doctor = {name for name in sys.modules if name.startswith("shrinkmeister.doctor")}
print(sorted(found | doctor))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# These rooms call libraries a lot. sorl's engines are meant for subclasses, so `self._hook` is fine.
LIBRARY_ROOMS = ("loaders", "rendering", "inspection", "engines", "aws_lambda", "deployment", "management")


def test_no_private_name_of_a_library_is_used() -> None:
    for name, path in MODULES.items():
        if not name.startswith(tuple(f"shrinkmeister_server.{room}" for room in LIBRARY_ROOMS)):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr):
                owner = ast.unparse(node.value)
                assert owner in {"self", "super()", *own}, f"{name}: {owner}.{node.attr}"
            if isinstance(node, ast.ImportFrom):
                assert not [one.name for one in node.names if re.match("_[^_]", one.name)], name


def test_checks_of_settings_load_nothing_of_a_page() -> None:
    """The server's checks use them."""
    found, left = set(), ["shrinkmeister.setting_checks"]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += imports(name) & MODULES.keys()
    assert "shrinkmeister.conf.reader" in found
    pages = ("backend", "page", "sources", "checks", "eager")
    assert not found & {f"shrinkmeister.{name}" for name in pages}
    assert "shrinkmeister.checks" not in imports("shrinkmeister_server.checks")
