"""What deploy/ has for hosts other than Lambda, run as it is: the unit, the variables, nginx, a CDN.

Only paths, ports and the addresses of Redis and S3 are other ones. systemd itself is not here: a test takes
its part. What images do is asked by tests/server/deployment/images.py.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from sorl.thumbnail import get_thumbnail

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server.conf import SETTINGS
from tests import ROOT
from tests.conf.test_environment import manage
from tests.conftest import left_out_if_missing
from tests.server.test_waitress_server import SLOW, Slow
from tests.servers.faulty import FaultyProxy, Request, running_faulty, slow
from tests.servers.nginx import running_nginx
from tests.servers.process import (
    HOST,
    ask,
    find_program,
    free_port,
    retried,
    running,
    wait_for_answer,
    wait_until,
)
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import PATIENT, ThumbnailServer, running_thumbnail_server
from tests.support.pictures import size_of

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails]

DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
NAME = "thumbs.example.com"
SECRET = "the secret of the servers on their hosts, long enough"
SITE = "https://www.example.com"
# boto3's and gunicorn's; the server reads all others.
OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "WEB_CONCURRENCY"}
# Seconds: a batch, and for its last one another server's thumbnail, a place, the source, the picture.
WORST = sum(
    SETTINGS[f"THUMBNAIL_{name}_SECONDS"].default for name in ("BATCH", "WAIT", "WAIT", "SOURCE", "MAX")
)


def unit() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names as they are
    parser.read(DEPLOY / "shrinkmeister.service")
    return parser


def example() -> dict[str, str]:
    """The variables of the example, as systemd and Docker read them."""
    lines = (DEPLOY / "environment.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture
def variables(
    s3_server: S3Server, s3_bucket: Callable[..., str], photos: str, redis_location: str
) -> dict[str, str]:
    """The example, on the servers of the tests."""
    given = {
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        "THUMBNAIL_BUCKET": s3_bucket(public=True),
        "THUMBNAIL_SOURCES": f"s3://{photos}",
        **s3_server.variables,
        **PATIENT,
    }
    return {**example(), **given}


def path_of(variables: dict[str, str], name: str = "dawn.jpg", geometry: str = "300x200") -> str:
    bucket = variables["THUMBNAIL_SOURCES"].removeprefix("s3://")
    spec = ThumbnailSpec(Source("s3", bucket, name), geometry, {"crop": "center"})
    return f"/{Tokens([SECRET]).encrypt(spec)}.jpg"


def get(url: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
    given = {"Host": NAME, **headers}
    return urllib3.request(method, url, headers=given, redirect=False, retries=False, timeout=60)


class TestVariables:
    def test_the_server_reads_them(self) -> None:
        script = (
            "from shrinkmeister_server import settings; import json; print(json.dumps([*settings.values]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**example(), "THUMBNAIL_SECRET_KEY": SECRET},
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(example()) - set(json.loads(done.stdout)) == OTHERS

    def test_the_server_needs_no_others(self) -> None:
        nothing: dict[str, str | None] = dict.fromkeys(["THUMBNAIL_BUCKET", "THUMBNAIL_CACHE_LOCATION"])
        given = {**nothing, **example(), "THUMBNAIL_SECRET_KEY": SECRET}
        status, output = manage("check", "--deploy", "--fail-level", "WARNING", **given)
        assert status == 0, output

    def test_the_secret_has_to_be_filled_in(self) -> None:
        status, output = manage("check", **example())
        assert status != 0
        assert "The environment variable THUMBNAIL_SECRET_KEY is not set." in output


def gunicorns(name: str, **variables: str) -> str:
    """A setting, as gunicorn itself reads gunicorn.conf.py."""
    command = [str(BIN / "gunicorn"), "--config", str(DEPLOY / "gunicorn.conf.py"), "--print-config"]
    done = subprocess.run(
        [*command, "shrinkmeister_server.wsgi"],
        env={"PATH": os.environ["PATH"], **example(), "THUMBNAIL_SECRET_KEY": SECRET, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.split()[:1] == [name]]
    return line.partition("=")[2].strip()


class TestTimes:
    """Who waits for another one waits for longer than that one works."""

    def test_of_gunicorn(self) -> None:
        assert int(gunicorns("timeout")) > WORST
        assert int(gunicorns("graceful_timeout")) > WORST
        longer = {
            "THUMBNAIL_WAIT_SECONDS": "100",
            "THUMBNAIL_MAX_SECONDS": "40",
            "THUMBNAIL_BATCH_SECONDS": "60",
        }
        assert int(gunicorns("timeout", **longer)) > 60 + 200 + 20 + 40

    def test_of_systemd(self) -> None:
        assert int(unit()["Service"]["TimeoutStopSec"]) > int(gunicorns("graceful_timeout"))

    def test_of_nginx(self) -> None:
        lines = (DEPLOY / "nginx.conf").read_text().splitlines()
        names = ("proxy_read_timeout", "proxy_cache_lock_timeout", "proxy_cache_lock_age")
        times = [line.split()[1] for line in lines if line.strip().startswith(names)]
        assert len(times) == len(names)
        assert all(int(time.removesuffix("s;")) > WORST for time in times)

    def test_of_docker(self) -> None:
        (line,) = [
            line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if "docker run" in line
        ]
        words = line.split()
        assert int(words[words.index("--stop-timeout") + 1]) > WORST


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    with left_out_if_missing():
        program = find_program("systemd-analyze", "systemd")
    copy = tmp_path / "shrinkmeister.service"
    text = (DEPLOY / "shrinkmeister.service").read_text()
    copy.write_text(replaced(text, ("/opt/shrinkmeister/bin", str(BIN))))
    done = subprocess.run([program, "verify", "--man=no", str(copy)], capture_output=True, text=True)
    assert (done.returncode, "shrinkmeister" in done.stdout + done.stderr) == (0, False), done.stderr


class Service:
    """What systemd makes of the unit."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path, told: socket.socket) -> None:
        self.process = process
        self.port = port
        self.log = log
        self.told = told

    def get(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        return get(f"http://{HOST}:{self.port}{path}", **headers)

    def workers(self) -> int:
        pid = self.process.pid
        return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def stop(self) -> None:
        self.process.send_signal(signal.Signals[unit()["Service"]["KillSignal"]])


def running_service(directory: Path, variables: dict[str, str]) -> AbstractContextManager[Service]:
    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[Service]:
        service = unit()["Service"]
        assert service["Type"] == "notify"
        # In no folder, whose path may be longer than that of a socket.
        port, log, name = free_port(), directory / "service.log", f"shrinkmeister-{uuid.uuid4().hex}"
        paths = [
            ("/opt/shrinkmeister/bin", str(BIN)),
            ("/opt/shrinkmeister/gunicorn.conf.py", str(DEPLOY / "gunicorn.conf.py")),
            (":8001", f":{port}"),
        ]
        environment = {"PATH": os.environ["PATH"], **variables, "NOTIFY_SOCKET": f"@{name}"}
        before = shlex.split(replaced(service["ExecStartPre"], paths[0]))
        subprocess.run(before, env=environment, check=True, capture_output=True)
        command = shlex.split(replaced(service["ExecStart"], *paths))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, ExitStack() as stack:
            told.bind(f"\0{name}")
            process = stack.enter_context(running(command, log, environment))
            wait_for_answer(process, port, b"GET /nothing HTTP/1.0\r\n\r\n", b"HTTP/1.", log)
            yield Service(process, port, log, told)

    return start(directory)


@pytest.fixture
def before_s3(s3_server: S3Server) -> Iterator[FaultyProxy]:
    with running_faulty(s3_server.endpoint_url) as proxy:
        yield proxy


def test_the_unit(tmp_path: Path, variables: dict[str, str], before_s3: FaultyProxy) -> None:
    variables["AWS_S3_ENDPOINT_URL"] = before_s3.url
    with running_service(tmp_path, variables) as service, ThreadPoolExecutor(1) as visitors:
        count = int(variables["WEB_CONCURRENCY"])
        wait_until(lambda: service.workers() == count, f"{count} workers", 30)
        answer = service.get(path_of(variables))
        assert answer.status == 302, service.log.read_text()
        assert size_of(get(answer.headers["Location"], Host="").data) == (300, 200)
        # gunicorn's own lines have the form of the server's.
        assert "INFO gunicorn.error: Starting gunicorn" in service.log.read_text()

        def picks(request: Request) -> bool:
            return request.method == "GET" and request.path.endswith("/dawn.jpg")

        seen = before_s3.count(picks)
        before_s3.inject(slow, picks)
        last = visitors.submit(service.get, path_of(variables, geometry="100x100"))
        wait_until(lambda: before_s3.count(picks) > seen, "the source to be read", 30)
        service.stop()
        question = b"GET /nothing HTTP/1.0\r\n\r\n"
        wait_until(lambda: ask(service.port, question, 1) == b"", "the port to be closed", 30)
        before_s3.mend()
        assert last.result().status == 302, service.log.read_text()
        assert service.process.wait(60) == 0


def test_systemd_is_told_when_it_is_ready(tmp_path: Path, variables: dict[str, str]) -> None:
    with running_service(tmp_path, variables) as service:
        service.told.settimeout(30)
        assert service.told.recv(4096).startswith(b"READY=1")


def in_dockerfile(instruction: str) -> list[str]:
    """What an instruction of it runs, on this machine."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.startswith(instruction)]
    command: list[str] = json.loads(line[line.index("[") :])
    return [sys.executable, *command[1:]]


def test_the_container(tmp_path: Path, variables: dict[str, str]) -> None:
    """It listens where PORT says, is healthy without a cache, and ends at SIGTERM."""

    @retried
    @contextmanager
    def start(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
        port, log = free_port(), directory / "container.log"
        nowhere = {"THUMBNAIL_CACHE_LOCATION": f"redis://{HOST}:1/0", "PORT": str(port)}
        environment = {"PATH": os.environ["PATH"], **variables, **nowhere}
        with running(in_dockerfile("CMD "), log, environment) as process:
            wait_for_answer(process, port, b"GET /nothing HTTP/1.0\r\n\r\n", b"HTTP/1.", log)
            yield process, environment

    def health(environment: dict[str, str]) -> int:
        return subprocess.run(
            in_dockerfile("HEALTHCHECK "), env=environment, stderr=subprocess.DEVNULL
        ).returncode

    with start(tmp_path) as (process, environment):
        assert get(f"http://{HOST}:{environment['PORT']}/healthz").status == 503
        assert health(environment) == 0
        process.terminate()
        assert process.wait(60) == 0
        assert health(environment) != 0


class Front:
    """The server behind nginx."""

    def __init__(self, url: str, server: ThumbnailServer, variables: dict[str, str]) -> None:
        self.url = url
        self.variables = variables
        self._log = server.log

    def get(self, path: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
        return get(self.url + path, method, **headers)

    def visits(self) -> int:
        """Requests that have come to the server. It writes a line before it answers."""
        return self._log.read_text().count(" shrinkmeister_server.observability.access_log: ")


@contextmanager
def running_front(directory: Path, variables: dict[str, str]) -> Iterator[Front]:
    def http(port: int, directory: Path) -> str:
        return replaced(
            (DEPLOY / "nginx.conf").read_text(),
            ("/var/cache/", f"{directory}/"),
            ("127.0.0.1:8001", urlsplit(server.url).netloc),
            ("listen 80;", f"listen {HOST}:{port};"),
        )

    with left_out_if_missing(), ExitStack() as stack:
        server = stack.enter_context(running_thumbnail_server(directory, variables))
        url = stack.enter_context(running_nginx(directory, http))
        yield Front(url, server, variables)


@pytest.fixture
def front(tmp_path: Path, variables: dict[str, str]) -> Iterator[Front]:
    with running_front(tmp_path, variables) as front:
        yield front


class TestNginx:
    def test_it_keeps_redirects(self, front: Front) -> None:
        before, path = front.visits(), path_of(front.variables)
        first = front.get(path)
        assert first.status == 302
        assert size_of(get(first.headers["Location"], Host="").data) == (300, 200)
        for again in (
            front.get(path),
            front.get(f"{path}?utm_source=mail"),
            front.get(path, Accept="image/avif,*/*", Cookie="visitor=1"),
            front.get(path, "HEAD"),
        ):
            assert (again.status, again.headers["Location"]) == (302, first.headers["Location"])
        assert front.visits() == before + 1

    def test_it_keeps_no_json(self, front: Front) -> None:
        """Nor gives what it keeps to those who want the other."""
        before, path = front.visits(), path_of(front.variables)
        json, image = "application/json", "image/avif,*/*"
        kinds = [json, image, "application/json, text/plain, */*", "*/*", json]
        answers = [front.get(path, Accept=accept) for accept in kinds]
        assert [answer.status for answer in answers] == [200, 302, 200, 302, 200]
        urls = [answer.headers.get("Location") or answer.json()["url"] for answer in answers]
        assert len(set(urls)) == 1
        assert front.visits() == before + 4
        # What one of them has got, none of the others gets.
        picky = front.get(path, Accept="image/*, application/json;q=0.1")
        assert [picky.status, front.get(path, Accept=json).status, front.get(path).status] == [
            302,
            200,
            302,
        ]

    def test_a_page_of_thumbnails(self, front: Front) -> None:
        path = path_of(front.variables)
        texts = [path, *["https://thumbs.example.com/" + "A" * 3800 + ".jpg"] * 99]
        body = json.dumps({"thumbnails": texts}).encode()
        headers = {"Host": NAME}
        answer = urllib3.request("POST", f"{front.url}/thumbnails", body=body, headers=headers, timeout=60)
        first, *others = answer.json()["thumbnails"]
        assert first["url"] == front.get(path).headers["Location"]
        assert {one["status"] for one in others} == {403}

    def test_a_head_before(self, front: Front) -> None:
        before, path = front.visits(), path_of(front.variables)
        assert front.get(path, "HEAD").status == 302
        assert front.get(path).status == 302
        assert front.visits() == before + 1

    @pytest.mark.parametrize(("name", "status"), [("dusk.jpg", 404), (None, 403)])
    def test_it_keeps_no_errors(self, front: Front, name: str | None, status: int) -> None:
        before, path = front.visits(), path_of(front.variables, name) if name else "/AAAA.jpg"
        assert [front.get(path).status for _ in range(3)] == [status] * 3
        assert front.visits() == before + 3

    def test_those_who_come_at_once_ask_once(self, front: Front) -> None:
        before, path = front.visits(), path_of(front.variables)
        with ThreadPoolExecutor(8) as visitors:
            assert {a.status for a in visitors.map(front.get, [path] * 8)} == {302}
        assert front.visits() == before + 1

    def test_slow_clients_hold_no_thread(self, front: Front) -> None:
        address, path = (HOST, urlsplit(front.url).port), path_of(front.variables)
        assert front.get(path).status == 302
        with ExitStack() as clients:
            for kind in [*SLOW.values(), Slow(f"GET /nothing HTTP/1.1\r\nHost: {NAME}\r\n\r\n" * 20)]:
                for _ in range(10):
                    client = clients.enter_context(socket.create_connection(address))
                    client.sendall(kind.first.encode())
            assert front.get("/livez").status == 200
            assert front.get(path).status == 302
            assert front.get(path_of(front.variables, geometry="30x20")).status == 302

    @pytest.mark.parametrize("path", ["/livez", "/healthz", "/metrics"])
    def test_what_is_for_operators(self, front: Front, path: str) -> None:
        statuses = []
        for source in ("127.0.0.1", "127.0.0.2"):
            connection = HTTPConnection(urlsplit(front.url).netloc, source_address=(source, 0), timeout=60)
            connection.request("GET", path, headers={"Host": NAME})
            statuses.append(connection.getresponse().status)
            connection.close()
        # Metrics are off.
        assert statuses == [404 if path == "/metrics" else 200, 403]

    def test_long_urls(self, front: Front) -> None:
        path = path_of(front.variables, "d" * 1000)
        assert len(path) > 1300
        assert front.get(f"/{'A' * 3800}.jpg").status == 403
        assert front.get(path).status == 404


def test_each_origin_has_its_own(tmp_path: Path, variables: dict[str, str]) -> None:
    variables["THUMBNAIL_CORS_ORIGINS"] = SITE
    path = path_of(variables)
    origins: list[dict[str, str]] = [{"Origin": SITE}, {}, {"Origin": "https://other.example.com"}]
    with running_front(tmp_path, variables) as front:
        before = front.visits()
        for _ in range(2):
            allowed = [front.get(path, **o).headers.get("Access-Control-Allow-Origin") for o in origins]
            assert allowed == [SITE, None, None]
        assert front.visits() == before + 3


def test_nginx_says_which_scheme_it_is(tmp_path: Path, variables: dict[str, str]) -> None:
    variables |= {
        "SECURE_SSL_REDIRECT": "true",
        "SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO,https",
    }
    path = path_of(variables)
    with running_front(tmp_path, variables) as front:
        for headers in ({}, {"X-Forwarded-Proto": "https"}):
            answer = front.get(path, **headers)
            assert (answer.status, answer.headers["Location"]) == (301, f"https://{NAME}{path}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_image_for_lambda_has_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zappa writes `environment_variables` into it; `aws_environment_variables` are the function's own."""
    import boto3
    from zappa.cli import ZappaCLI

    settings = json.loads((ROOT / "zappa_settings.json.example").read_text())
    stage = settings["production"]
    variables = stage["aws_environment_variables"]
    variables["THUMBNAIL_SECRET_KEY"] = SECRET
    file = tmp_path / "zappa_settings.json"
    file.write_text(json.dumps(settings))
    (tmp_path / "iam_policy.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    cli = ZappaCLI()
    cli.api_stage = "production"
    cli.load_settings(str(file), session=boto3.Session(region_name="eu-central-1"))
    made = tmp_path / "zappa_settings.py"
    # It refuses settings that do not work in an image.
    cli.save_python_settings_file(str(made))
    assert "DJANGO_SETTINGS='shrinkmeister_server.settings'" in made.read_text()
    assert SECRET not in made.read_text()
    assert cli.aws_environment_variables == variables
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    assert not set(variables) & {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


CDN = "cdn.example.com"
# One name for both: what begins with THUMBNAIL_PREFIX is in the bucket. It asks the server under that one's
# own name, and the bucket with a secret, as a CDN that cannot sign does.
CDN_CONFIG = """
proxy_cache_path {directory}/kept keys_zone=kept:1m;
server {{
    listen {address};
    proxy_cache kept;
    proxy_cache_key $uri;
    location / {{
        proxy_pass {server};
    }}
    location /cache/ {{
        proxy_set_header Referer {secret};
        proxy_pass {bucket}/cache/;
    }}
}}
"""


def test_a_cdn_before_server_and_private_bucket(
    tmp_path: Path,
    settings: Any,
    variables: dict[str, str],
    photos: str,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
    before_s3: FaultyProxy,
) -> None:
    thumbs, secret = s3_bucket(), "known-to-the-cdn-alone"
    allowed = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{thumbs}/cache/*",
        "Condition": {"StringEquals": {"aws:Referer": secret}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    s3_server.client().put_bucket_policy(Bucket=thumbs, Policy=policy)
    variables |= {"THUMBNAIL_BUCKET": thumbs, "AWS_S3_CUSTOM_DOMAIN": CDN, "ALLOWED_HOST": HOST}
    settings.STORAGES = {
        "default": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {**s3_server.storage_options, "bucket_name": photos},
        }
    }
    settings.THUMBNAIL_SERVER_URL = f"https://{CDN}"
    settings.THUMBNAIL_CACHE_NAME = "of the site"
    for name in ("SECRET_KEY", "BUCKET", "CACHE_BACKEND", "CACHE_LOCATION"):
        setattr(settings, f"THUMBNAIL_{name}", variables[f"THUMBNAIL_{name}"])
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]

    def url() -> str:
        return str(get_thumbnail("dawn.jpg", "300x200", crop="center").url)

    def of_the_bucket(request: Request) -> bool:
        return request.method == "GET"

    with left_out_if_missing(), ExitStack() as stack:
        server = stack.enter_context(running_thumbnail_server(tmp_path, variables))

        def http(port: int, directory: Path) -> str:
            return CDN_CONFIG.format(
                directory=directory,
                address=f"{HOST}:{port}",
                server=server.url,
                bucket=f"{before_s3.url}/{thumbs}",
                secret=secret,
            )

        cdn = stack.enter_context(running_nginx(tmp_path, http))

        def browse(url: str) -> urllib3.BaseHTTPResponse:
            assert url.startswith(f"https://{CDN}/")
            return get(url.replace(f"https://{CDN}", cdn), Host=CDN)

        lazy = url()
        redirect = browse(lazy)
        assert redirect.status == 302, server.log.read_text()
        final = redirect.headers["Location"]
        thumbnail = browse(final)
        assert size_of(thumbnail.data) == (300, 200)
        assert thumbnail.headers["Cache-Control"] == "public, max-age=86400"
        # For a page, too, and of the bucket alone nobody has it.
        assert url() == final != lazy
        name = final.removeprefix(f"https://{CDN}/")
        assert get(f"{s3_server.endpoint_url}/{thumbs}/{name}", Host="").status == 403
        assert size_of(browse(final.replace(".jpg", "@2x.jpg")).data) == (600, 400)
        seen = before_s3.count(of_the_bucket)
        assert browse(final).data == thumbnail.data
        assert before_s3.count(of_the_bucket) == seen
