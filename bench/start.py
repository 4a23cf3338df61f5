"""What starting costs: the server beside a bare Django that has an S3 client, a site beside one with sorl.

Each start is a process of its own, and its wall time is measured from outside, from before it is made
until it has ended: Python's own start and end are in it. The contestants take turns. Bytecode is there,
since each of them has run before it counts.

    python -m bench.start            measures, and writes RESULTS.md
    python -m bench.start imports    prints which modules one imports and the other does not
"""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.results import write

ROOT = Path(__file__).parents[1]
PACKAGES = ("django", "sorl-thumbnail", "pillow", "django-storages", "boto3", "cryptography")
ROUNDS = 31
WARM_UPS = 2
IMPORT_RUNS = 7
SECRET = "the secret of the measurements, long enough"
# Nothing is asked of these addresses: a client is made, and no connection.
VARIABLES = {
    "ALLOWED_HOST": "thumbs.example.com",
    "THUMBNAIL_SECRET_KEY": SECRET,
    "THUMBNAIL_CACHE_LOCATION": "redis://127.0.0.1:1/0",
    "THUMBNAIL_BUCKET": "thumbs",
    "AWS_S3_REGION_NAME": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}

CLIENT = """
from django.core.files.storage import storages
storages["default"].connection.meta.client
"""
# A token that nobody has made is answered without the shared cache and without S3.
ANSWER = """
from io import BytesIO
environ = {
    "REQUEST_METHOD": "GET", "PATH_INFO": "/nobody-has-made-this.jpg", "SERVER_NAME": "thumbs.example.com",
    "SERVER_PORT": "443", "HTTP_HOST": "thumbs.example.com", "wsgi.url_scheme": "https",
    "wsgi.input": BytesIO(),
}
statuses = []
application(environ, lambda status, headers: statuses.append(status))
assert statuses == ["403 Forbidden"], statuses
"""
DJANGO = """
from django.conf import settings
settings.configure(
    ALLOWED_HOSTS=["thumbs.example.com"],
    SECRET_KEY="x" * 50,
    ROOT_URLCONF="__main__",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    STORAGES={
        "default": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {"bucket_name": "thumbs", "region_name": "eu-central-1"},
        }
    },
)
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""
SERVER = """
from shrinkmeister_server.wsgi import application
"""
# Of which the server's first answer has need as well: a view, a redirect, a URL pattern.
VIEW = """
from django.http import HttpResponseForbidden
from django.urls import path
urlpatterns = [path("<name>", lambda request, name: HttpResponseForbidden())]
"""
# What `django-admin startproject` writes, and sorl's app.
SITE = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50,
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        {apps}
    ],
    TEMPLATES=[{{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}}],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    {settings}
)
django.setup()
"""
OUR_SETTINGS = f"""
    THUMBNAIL_BACKEND="shrinkmeister.backend.ShrinkmeisterBackend",
    THUMBNAIL_SERVER_URL="https://thumbs.example.com",
    THUMBNAIL_SECRET_KEY="{SECRET}",
    THUMBNAIL_CACHE_LOCATION="redis://127.0.0.1:1/0",
    THUMBNAIL_BUCKET="thumbs",
"""
SORL_SITE = SITE.format(apps='"sorl.thumbnail",', settings="")
OUR_SITE = SITE.format(apps='"shrinkmeister", "sorl.thumbnail",', settings=OUR_SETTINGS)
# What {% load thumbnail %} and its first use load: a site's first page pays it, if its start has not.
BACKEND = """
from sorl.thumbnail import default
from sorl.thumbnail.templatetags import thumbnail
default.backend.get_thumbnail
"""


@dataclass(frozen=True)
class Start:
    """beside: the name of that which it is compared with."""

    name: str
    script: str
    beside: str | None = None


STARTS = (
    Start("Python alone", "pass"),
    Start("Django, WSGI and S3 client", DJANGO + CLIENT),
    Start("the server, WSGI and S3 client", SERVER + CLIENT, "Django, WSGI and S3 client"),
    Start("Django, and a first answer", VIEW + DJANGO + CLIENT + ANSWER),
    Start("the server, and a first answer", SERVER + CLIENT + ANSWER, "Django, and a first answer"),
    Start("a site with sorl", SORL_SITE),
    Start("the site with Shrinkmeister", OUR_SITE, "a site with sorl"),
    Start("a site with sorl, backend loaded", SORL_SITE + BACKEND),
    Start(
        "the site with Shrinkmeister, backend loaded",
        OUR_SITE + BACKEND,
        "a site with sorl, backend loaded",
    ),
)


@dataclass(frozen=True)
class Row:
    """Milliseconds, of so many starts.

    ratio, more   beside another start of the same round, the medians: load that comes and goes meets both
    """

    name: str
    median: float
    fastest: float
    ratio: float | None = None
    more: float | None = None


def main(arguments: list[str]) -> None:
    if arguments == ["imports"]:
        for start in STARTS:
            if start.beside:
                print(imported(start, next(one for one in STARTS if one.name == start.beside)))
        return
    write("Start-up", report(measure()), PACKAGES)


def measure() -> list[Row]:
    times: dict[str, list[float]] = {start.name: [] for start in STARTS}
    for number in range(WARM_UPS + ROUNDS):
        for start in STARTS:
            milliseconds = wall_time(start.script)
            if number >= WARM_UPS:
                times[start.name].append(milliseconds)
        print(f"round {number + 1} of {WARM_UPS + ROUNDS}", file=sys.stderr)
    return [row(start, times) for start in STARTS]


def row(start: Start, times: dict[str, list[float]]) -> Row:
    ours = times[start.name]
    median, fastest = statistics.median(ours), min(ours)
    if start.beside is None:
        return Row(start.name, median, fastest)
    pairs = list(zip(ours, times[start.beside], strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    more = statistics.median(one - other for one, other in pairs)
    return Row(start.name, median, fastest, ratio, more)


def wall_time(script: str) -> float:
    start = time.perf_counter()
    run(script)
    return (time.perf_counter() - start) * 1000


def run(script: str, *options: str) -> str:
    """What it writes to its standard error. It sees our variables, and no others save PATH."""
    command = [sys.executable, *options, "-c", script]
    variables = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "LOG_LEVEL": "CRITICAL"}
    done = subprocess.run(
        command, cwd=ROOT, env=variables | VARIABLES, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stderr


def report(rows: list[Row]) -> str:
    lines = []
    for one in rows:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        more = "" if one.more is None else f"{one.more:+.1f}"
        lines.append(f"| {one.name} | {one.median:,.1f} | {one.fastest:,.1f} | {ratio} | {more} |")
    return f"""Wall time of whole processes, from before each is made until it has ended, Python's own start
and end with it; bytecode is there. {ROUNDS} of each, by turns. The last two columns are beside the row
above: the ratio and the difference of two starts that follow each other, medians of {ROUNDS}.

| process | ms, median | fastest | ratio | ms more |
|---|---:|---:|---:|---:|
{chr(10).join(lines)}

Both S3 clients are django-storages'. The first answer is 403, for a token that nobody has made: the
server has imported its views then, and has opened no connection. What the first thumbnail needs besides,
the engine and the driver of the shared cache, is in no row. The site has the apps that `startproject`
writes; "backend loaded" is `{{% load thumbnail %}}` and the class of the backend, which a first page needs
where the start has not loaded them.
"""


def imported(start: Start, beside: Start) -> str:
    """What the one imports and the other does not: microseconds, medians, the largest first."""
    ours, theirs = import_times(start.script), import_times(beside.script)
    only = {name: times for name, times in ours.items() if name not in theirs}
    lines = [
        f"{name:<70} {own:>8,} {cumulative:>10,}"
        for name, (own, cumulative) in sorted(only.items(), key=lambda item: -item[1][0])
    ]
    total = sum(own for own, _ in only.values())
    head = (
        f"## {start.name}, and not {beside.name}: {len(only)} modules, {total / 1000:.1f} ms of their own\n"
    )
    return "\n".join([head, f"{'module':<70} {'self us':>8} {'cumulative':>10}", *lines, ""])


def import_times(script: str) -> dict[str, tuple[int, int]]:
    """Module -> its own and its cumulative microseconds, medians of some runs."""
    found: dict[str, list[tuple[int, int]]] = {}
    for _ in range(IMPORT_RUNS):
        for line in run(script, "-X", "importtime").splitlines():
            own, cumulative, name = line.removeprefix("import time:").split("|")
            if own.strip().isdecimal():
                found.setdefault(name.strip(), []).append((int(own), int(cumulative)))
    return {
        name: (
            int(statistics.median(own for own, _ in times)),
            int(statistics.median(cumulative for _, cumulative in times)),
        )
        for name, times in found.items()
    }


if __name__ == "__main__":
    main(sys.argv[1:])
