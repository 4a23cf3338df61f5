"""Fixtures for real servers and a real browser, each started when the first test asks for it.

If a program is missing, the tests that need it are skipped and counted at the end. In CI they fail.
"""

import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.servers.azure import AzureServer, running_azure
from tests.servers.descendants import descendants, watch
from tests.servers.google import GoogleServer, running_google
from tests.servers.lambda_runtime import find_emulator, find_lambda_python, make_runtime
from tests.servers.memcached import MemcachedServer, running_memcached
from tests.servers.process import MissingServer, ask, find_program, wait_until
from tests.servers.redis import RedisServer, running_redis
from tests.servers.s3 import S3Server, make_bucket, remove_bucket, running_s3
from tests.support.libvips import find_libvips, needs_libvips
from tests.support.rings import FAST, Guard, is_fast
from tests.support.scheduling import Scheduling, make_scheduler, sort

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = [f"tests.support.{name}" for name in ("sides", "sorls", "pages", "deployments", "clouds")]

# The same examples in each run and on each machine, however slow that is; what failed can be tried again.
hypothesis_settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("tests")

NOT_FOUND = "not found: "
# The beginnings of names of properties of a test, each a number, which the summary adds up.
SURVIVED = "survived: "
SAME_PICTURES = "the same pictures as sorl's, byte for byte: "
# Command lines of processes that outlive the tests. A killed server takes a moment to disappear.
LEFT: list[str] = []
LEFT_SECONDS = 30
BROWSER_OPTIONS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with left_out_if_missing(), running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def memcached_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemcachedServer]:
    with left_out_if_missing(), running_memcached(tmp_path_factory.mktemp("memcached")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with left_out_if_missing(), running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    with left_out_if_missing(), running_azure(tmp_path_factory.mktemp("azure")) as server:
        yield server


@pytest.fixture(scope="session")
def google_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleServer]:
    """Google's library asks it and nobody else, for as long as the tests run."""
    with (
        left_out_if_missing(),
        running_google(tmp_path_factory.mktemp("google")) as server,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def redis_location(redis_server: RedisServer) -> str:
    """The address of an empty database."""
    assert ask(redis_server.port, b"FLUSHDB\r\n") == b"+OK\r\n"
    return redis_server.url


@pytest.fixture
def memcached_location(memcached_server: MemcachedServer) -> str:
    """The address of an empty memcached."""
    assert ask(memcached_server.port, b"flush_all\r\n") == b"OK\r\n"
    return memcached_server.location


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> Iterator[Callable[..., str]]:
    """Makes new buckets, `s3_bucket(public=True)` for all to read, and removes them at the end."""
    with ExitStack() as made:

        def new_bucket(public: bool = False) -> str:
            name = f"test-{uuid.uuid4().hex}"
            make_bucket(s3_server, name, public)
            made.callback(remove_bucket, s3_server, name)
            return name

        yield new_bucket


@pytest.fixture
def graphicsmagick() -> str:
    """The program `gm`, with which sorl's convert engine works as with ImageMagick's."""
    with left_out_if_missing():
        return find_program("gm", "graphicsmagick")


@pytest.fixture(scope="session")
def lambda_python() -> str:
    """An interpreter of one of Lambda's runtimes."""
    with left_out_if_missing():
        return find_lambda_python()


@pytest.fixture(scope="session")
def lambda_runtime(lambda_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an instance."""
    with left_out_if_missing():
        find_emulator()
    return make_runtime(tmp_path_factory.mktemp("runtime"), lambda_python)


# Playwright keeps an event loop running in this thread for as long as it is up, and Django refuses
# its database calls next to one. So the browser lives for one module, and they are allowed there.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with left_out_if_missing(), pytest.MonkeyPatch.context() as environment:
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            raise MissingServer("playwright (Python package playwright)") from None
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with sync_playwright() as playwright:
            program = _find_chromium(playwright.chromium.executable_path)
            options = [*BROWSER_OPTIONS, *(["--no-sandbox"] if os.getuid() == 0 else [])]
            with playwright.chromium.launch(executable_path=program, args=options) as chromium:
                yield chromium


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast", action="store_true", help="only tests that start no process and need no server"
    )


def pytest_configure(config: pytest.Config) -> None:
    watch()
    if config.getoption("--fast"):
        os.environ[FAST] = "1"
        config.pluginmanager.register(Guard())


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    return make_scheduler(config, log)


def pytest_testnodedown(node: Any) -> None:
    """Collect what a process of xdist has left. A process that crashed has no output."""
    LEFT.extend(getattr(node, "workeroutput", {}).get("left", ()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Find processes that are left when all fixtures are torn down. In CI they fail the run."""
    with suppress(TimeoutError):
        wait_until(lambda: not descendants(), "processes to end", LEFT_SECONDS)
    LEFT.extend(descendants().values())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = LEFT
    elif LEFT and os.environ.get("CI"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_runtest_setup(item: pytest.Item) -> None:
    if needs_libvips(item):
        with left_out_if_missing():
            find_libvips()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker("makes_thumbnails")
        if survives := item.get_closest_marker("survives"):
            item.user_properties.append((SURVIVED + survives.args[0], 1))
    if config.getoption("--fast"):
        config.hook.pytest_deselected(items=[item for item in items if not is_fast(item)])
        items[:] = [item for item in items if is_fast(item)]
    sort(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for beginning in (SURVIVED, SAME_PICTURES):
        counts = Counter[str]()
        for report in terminalreporter.getreports("passed"):
            for name, count in report.user_properties if report.when == "call" else ():
                if name.startswith(beginning):
                    counts[name.removeprefix(beginning)] += count
        if counts:
            terminalreporter.section(beginning.strip())
            for what, times in counts.most_common():
                terminalreporter.line(f"{times:6,} {what}")
    if LEFT:
        terminalreporter.section("processes that the tests left running; they are killed now:")
        for command in LEFT:
            terminalreporter.line(command)
    left_out = Counter(
        reason.partition(NOT_FOUND)[2]
        for report in terminalreporter.getreports("skipped")
        if NOT_FOUND in (reason := report.longrepr[2])
    )
    if left_out:
        terminalreporter.section("skipped, because a program was not found:")
        for program, tests in sorted(left_out.items()):
            terminalreporter.line(f"{tests:5} tests: {program}")


@contextmanager
def left_out_if_missing() -> Iterator[None]:
    """Skip the test if a program is missing; fail it in CI. The fast ring skips it in any case."""
    if FAST in os.environ:
        pytest.skip("not in the fast ring")
    try:
        yield
    except MissingServer as missing:
        if os.environ.get("CI"):
            pytest.fail(f"{NOT_FOUND}{missing}", pytrace=False)
        pytest.skip(f"{NOT_FOUND}{missing}")


def _find_chromium(of_playwright: str) -> str:
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    for name in filter(None, names):
        if found := shutil.which(name):
            return found
    if Path(of_playwright).exists():
        return of_playwright
    raise MissingServer("chromium (Debian package chromium, or its path as $CHROMIUM)")
