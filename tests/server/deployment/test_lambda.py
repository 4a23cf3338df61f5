"""What Zappa has deployed, in AWS's runtime client under AWS's emulator of the runtime's interface."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests.servers.lambda_runtime import LambdaInstance, running_lambda
from tests.servers.process import ask
from tests.servers.redis import RedisServer, running_redis
from tests.servers.s3 import S3Server
from tests.support import events
from tests.support.deployments import SECRET, Deployment
from tests.support.pictures import picture, size_of

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails, pytest.mark.deploys]

Start = Callable[..., LambdaInstance]


@pytest.fixture
def start(
    deployment: Deployment, lambda_runtime: Path, redis_server: RedisServer, tmp_path: Path
) -> Iterator[Start]:
    """Starts an instance, with an empty shared cache in the beginning."""
    assert ask(redis_server.port, b"FLUSHALL\r\n") == b"+OK\r\n"
    with ExitStack() as stack:

        def start(**variables: str) -> LambdaInstance:
            running: AbstractContextManager[LambdaInstance] = running_lambda(
                tmp_path, lambda_runtime, deployment.package, {**deployment.variables, **variables}
            )
            return stack.enter_context(running)

        yield start


@pytest.fixture
def ask_for(deployment: Deployment, s3_server: S3Server) -> Callable[[str], dict[str, Any]]:
    """Uploads a source, and returns the event of a browser that asks for a thumbnail of it."""
    data = picture((2000, 1500))

    def upload(name: str) -> dict[str, Any]:
        s3_server.client().put_object(Bucket=deployment.photos, Key=name, Body=data)
        spec = ThumbnailSpec(Source("s3", deployment.photos, name), "300x200", {"crop": "center"})
        return events.function_url(f"/{Tokens([SECRET]).encrypt(spec)}.jpg")

    return upload


def outcomes(instance: LambdaInstance) -> list[str]:
    """Of its requests, by the lines from which CloudWatch makes metrics, which nothing may stand before."""
    lines = instance.log.read_text().splitlines()
    return [json.loads(line)["outcome"] for line in lines if line.startswith('{"time"') and "_aws" in line]


def test_the_first_request_and_the_next(start: Start, ask_for: Callable[[str], dict[str, Any]]) -> None:
    instance = start()
    event = ask_for("first.jpg")
    for _ in range(3):
        answer = instance.invoke(event)
        assert answer["statusCode"] == 302
        stored = urllib3.request("GET", answer["headers"]["Location"], timeout=60)
        assert size_of(stored.data) == (300, 200)
    assert outcomes(instance) == ["made", "found", "found"]


def test_the_application_is_loaded_before_the_first_request(
    start: Start, ask_for: Callable[[str], dict[str, Any]]
) -> None:
    """In the phase in which Lambda gives an instance of any size a whole core."""
    instance = start()
    instance.invoke(ask_for("loaded.jpg"))
    log = instance.log.read_text()
    assert log.index("Instancing..") < log.index("INIT RTDONE(status: success)") < log.index("INVOKE START")


def test_a_new_instance_finds_what_another_has_made(
    start: Start, ask_for: Callable[[str], dict[str, Any]], redis_server: RedisServer
) -> None:
    event = ask_for("known.jpg")
    locations = {start().invoke(event)["headers"]["Location"]}
    second = start()
    locations.add(second.invoke(event)["headers"]["Location"])
    assert ask(redis_server.port, b"FLUSHALL\r\n") == b"+OK\r\n"
    third = start()
    locations.add(third.invoke(event)["headers"]["Location"])
    assert len(locations) == 1
    assert (outcomes(second), outcomes(third)) == (["found"], ["stored"])


def test_two_instances_make_a_thumbnail_once(
    start: Start, ask_for: Callable[[str], dict[str, Any]]
) -> None:
    instances = [start(), start()]
    with ThreadPoolExecutor(2) as threads:
        for number in range(6):
            event = ask_for(f"shared-{number}.jpg")
            # The list is complete before the next event.
            answers = list(threads.map(lambda instance: instance.invoke(event), instances))  # noqa: B023
            assert [answer["statusCode"] for answer in answers] == [302, 302]
    told = [outcome for instance in instances for outcome in outcomes(instance)]
    assert len(told) == 12
    assert told.count("made") == 6


def test_an_instance_that_was_frozen_connects_anew(
    start: Start, ask_for: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    """Lambda stops an instance between requests, for minutes, in which others close its connections."""
    with running_redis(tmp_path) as redis:
        instance = start(THUMBNAIL_CACHE_LOCATION=redis.url)
        event = ask_for("frozen.jpg")
        instance.invoke(event)
        assert ask(redis.port, b"CLIENT KILL TYPE normal SKIPME yes\r\n") == b":1\r\n"
        assert instance.invoke(event)["statusCode"] == 302
    # And not "stored": it has asked the shared cache, and not given it up.
    assert outcomes(instance) == ["made", "found"]


def test_an_event_that_is_not_a_request_is_refused_without_its_contents(
    start: Start, ask_for: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    instance, proof = start(), tmp_path / "proof"
    answer = instance.invoke({"raw_command": f"open({str(proof)!r}, 'w')"})
    assert answer["errorType"] == "EventError"
    assert not proof.exists()
    assert instance.invoke(ask_for("after.jpg"))["statusCode"] == 302
    assert str(proof) not in json.dumps(answer) + instance.log.read_text()


def test_a_variable_that_is_missing_is_named(start: Start) -> None:
    instance = start(THUMBNAIL_SECRET_KEY="")
    answer = instance.invoke(events.function_url("/healthz"))
    assert "statusCode" not in answer
    assert answer["errorMessage"] == "The environment variable THUMBNAIL_SECRET_KEY is not set."
    assert "THUMBNAIL_SECRET_KEY is not set" in instance.log.read_text()
