"""Who may know whom: no cycle, the client knows nothing of the server, and it stays light."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import shrinkmeister
import shrinkmeister_server
from tests import ROOT

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
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


def test_what_travels_knows_no_django() -> None:
    for name in ("spec", "keys", "envelopes", "tokens", "questions", "records", "exceptions"):
        assert not packages(f"shrinkmeister.{name}") & {"django", "sorl", "storages"}, name


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


# Where thumbnails are stored, deleted and signed; a page with public thumbnails calls nothing there.
WRITERS = ("shrinkmeister.results", "shrinkmeister.buckets")


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
        for name in ("apps", "filters", "invalidation", "lifetime", "page", "sorls_command", "uploads")
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
from shrinkmeister.records import ThumbnailRecord
from shrinkmeister.shared_cache import get_shared_cache
from tests import ROOT
assert get_thumbnail("a.jpg", "10x10").lazy
spec = make_spec("a.jpg", "10x10", {}, get_config())
get_shared_cache().record(spec, ThumbnailRecord(10, 10, "https://example.com/"), None)
assert not get_thumbnail("a.jpg", "10x10").lazy
heavy = {"PIL", "boto3", "botocore", "storages", "pyvips", "urllib3", "shrinkmeister_server"}
found = {name.partition(".")[0] for name in sys.modules} & heavy
print(sorted(found | sys.modules.keys() & {"shrinkmeister.questions", "shrinkmeister.doctor"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
