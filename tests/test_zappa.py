"""The example settings in Zappa's own loader, and a thumbnail made behind Zappa's own handler.

AWS itself is not here: the bucket is a real S3 server, the cache a real Redis, and the event is built
as API Gateway sends it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from shrinkmeister.spec import Source, ThumbnailSpec
from shrinkmeister.tokens import Tokens
from shrinkmeister_server.environment import Environment
from tests.pictures import picture, size_of
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.makes_thumbnails

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "zappa_settings.json.example"
HOST = "abc123.execute-api.eu-central-1.amazonaws.com"
SECRET = "the secret of site and server, which is long enough"


def loaded(directory: Path, variables: dict[str, str] | None = None) -> Any:
    """Zappa's command line with the example, other environment variables apart."""
    import boto3
    from zappa.cli import ZappaCLI

    settings = json.loads(EXAMPLE.read_text())
    settings["production"]["environment_variables"].update(variables or {})
    file = directory / "zappa_settings.json"
    file.write_text(json.dumps(settings))
    cli = ZappaCLI()
    cli.api_stage = "production"
    cli.load_settings(str(file), session=boto3.Session(region_name="eu-central-1"))
    return cli


def event(path: str, host: str = HOST, method: str = "GET") -> dict[str, Any]:
    """What API Gateway's REST interface sends (payload format 1.0)."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Host": host, "X-Forwarded-Proto": "https", "Accept": "image/webp,image/*,*/*;q=0.8"},
        "multiValueHeaders": {"Host": [host], "X-Forwarded-Proto": ["https"], "Accept": ["*/*"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "requestContext": {
            "stage": "production",
            "path": f"/production{path}",
            "httpMethod": method,
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "body": None,
        "isBase64Encoded": False,
    }


INVOKE = """
import json, sys
from zappa import handler
print("ANSWERS", json.dumps([handler.lambda_handler(event, None) for event in json.load(sys.stdin)]))
"""


def invoke(
    directory: Path, cli: Any, events: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """A Lambda instance: a clean process that has Zappa's generated settings and nothing of ours set.

    Returns its answers and the lines of its log.
    """
    (directory / "zappa_settings.py").write_text(cli.get_zappa_settings_string())
    done = subprocess.run(
        [sys.executable, "-c", INVOKE],
        input=json.dumps(events),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (answers,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS ")]
    lines = (done.stdout.replace(answers, "") + done.stderr).splitlines()
    return list(json.loads(answers.removeprefix("ANSWERS "))), lines


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_example_loads(tmp_path: Path) -> None:
    cli = loaded(tmp_path)
    assert cli.lambda_name == "shrinkmeister-production"
    assert cli.django_settings == "shrinkmeister_server.settings"
    assert cli.binary_support is True


def test_the_example_sets_what_the_server_reads() -> None:
    """No variable that is misspelled, and all that it cannot do without."""
    variables = json.loads(EXAMPLE.read_text())["production"]["environment_variables"]
    script = (
        "from shrinkmeister_server import settings as s; import json;"
        "print(json.dumps([s.UNREAD_VARIABLES, s.ALLOWED_HOSTS, s.THUMBNAIL_SOURCES]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=variables, cwd=ROOT, capture_output=True, text=True, check=True
    )
    unread, hosts, sources = json.loads(done.stdout)
    assert unread == []
    assert hosts == [".lambda-url.eu-central-1.on.aws"]
    assert sources == ["s3://my-photos"]
    assert Environment(variables).names("THUMBNAIL_SOURCES") == sources


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_event_of_api_gateway_gets_a_thumbnail(
    tmp_path: Path, s3_server: S3Server, s3_bucket: Callable[..., str], redis_location: str
) -> None:
    photos, thumbs = s3_bucket(), s3_bucket(public=True)
    s3_server.client().put_object(Bucket=photos, Key="Zürich/1.jpg", Body=picture((800, 600)))
    variables = {
        "ALLOWED_HOST": HOST,
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_BUCKET": thumbs,
        "THUMBNAIL_SOURCES": f"s3://{photos}",
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        **s3_server.variables,
    }
    spec = ThumbnailSpec(Source("s3", photos, "Zürich/1.jpg"), "300x200", {"crop": "center"})
    token = Tokens([SECRET]).seal(spec)
    events = [event(f"/{token}.jpg"), event(f"/{token}@2x.jpg"), event(f"/A{token}.jpg"), event("/healthz")]
    answers, lines = invoke(tmp_path, loaded(tmp_path, variables), events)
    made, resolution, refused, health = answers

    for answer, size in ((made, (300, 200)), (resolution, (600, 400))):
        assert answer["statusCode"] == 302
        assert answer["headers"]["Cache-Control"] == "public, max-age=300"
        picture_answer = urllib3.request("GET", answer["headers"]["Location"])
        assert picture_answer.status == 200
        assert size_of(picture_answer.data) == size
    assert refused["statusCode"] == 403
    assert (health["statusCode"], json.loads(health["body"])) == (
        200,
        {"cache": "ok", "bucket": "ok", "engine": "ok"},
    )
    told = [json.loads(line) for line in lines if line.startswith("{")]
    assert [(one["status"], one["outcome"]) for one in told if "_aws" in one] == [
        *((302, "made"), (302, "found"), (403, "TokenError"))
    ]
    # Zappa's lines of requests have the path.
    assert not [line for line in lines if token[:40] in line]
