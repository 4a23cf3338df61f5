"""The wheel: what is in it, and that it works in an environment of nothing else."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.deployments import pip

pytestmark = pytest.mark.outside


def test_it_holds_the_two_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "shrinkmeister",
        "shrinkmeister_server",
    }
    python = {name for name in names if "dist-info" not in name}
    source = {
        str(path.relative_to(ROOT))
        for package in ("shrinkmeister", "shrinkmeister_server")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert python == source
    assert "shrinkmeister/drivers/redis.py" in names
    assert {"shrinkmeister/py.typed", "shrinkmeister_server/py.typed"} <= set(names)


def test_its_metadata(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Name"] == "shrinkmeister"
    assert {"redis", "memcached", "s3", "server", "zappa", "dev"} <= set(
        metadata.get_all("Provides-Extra", ())
    )
    always = {
        line.partition(";")[0].strip(" ()").partition("<")[0].partition(">")[0]
        for line in metadata.get_all("Requires-Dist", ())
        if "extra" not in line
    }
    assert always == {"django", "sorl-thumbnail", "cryptography"}


CLIENT = """
from importlib.metadata import distributions
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["shrinkmeister", "sorl.thumbnail"],
    THUMBNAIL_BACKEND="shrinkmeister.backend.ShrinkmeisterBackend",
    THUMBNAIL_SECRET_KEY="the secret of this script, which is long enough",
    THUMBNAIL_SERVER_URL="https://thumbs.example.com",
    THUMBNAIL_CACHE_LOCATION="redis://127.0.0.1:1/0",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
)
import django
django.setup()
from django.core.management import call_command
from django.template import Context, Template
call_command("check")
page = Template('{% load thumbnail %}{% thumbnail f "300x200" crop="center" %}')
assert page.render(Context({"f": "a.jpg"})).startswith("https://thumbs.example.com/")
print(*sorted(distribution.metadata["Name"].lower() for distribution in distributions()))
"""


def test_a_client_on_redis_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Works, and has pulled in nothing of S3, of Lambda or of the tests."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = str(tmp_path / "env" / "bin" / "python")
    pip("install", f"{wheel}[redis]", python=python)
    done = subprocess.run([python, "-c", CLIENT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    installed = set(done.stdout.splitlines()[-1].split())
    assert {"shrinkmeister", "django", "sorl-thumbnail", "django-redis"} <= installed
    assert not installed & {
        "boto3",
        "botocore",
        "django-storages",
        "zappa",
        "pillow",
        "pymemcache",
        "pytest",
    }
