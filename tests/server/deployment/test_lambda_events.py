"""Which events of AWS Lambda are HTTP requests, and which of their fields pass."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from shrinkmeister_server.aws_lambda.events import EventError, guard, http_request
from tests.support import events

ways = pytest.mark.parametrize("way", events.WAYS.values(), ids=events.WAYS)
OTHERS = events.other_events("raise SystemExit")
# What Zappa's handler reads of a request, and nothing by which it knows another kind of event.
FIELDS = {
    *("version", "rawPath", "rawQueryString", "headers", "requestContext", "body", "isBase64Encoded"),
    *(
        "httpMethod",
        "path",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
    ),
}


@ways
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_keeps_what_it_needs(way: Callable[..., dict[str, Any]], method: str) -> None:
    body = "text" if method == "POST" else None
    event = way("/a.jpg", method, {"b": "c"}, body)
    request = http_request(event)
    assert request.keys() <= FIELDS
    for name in FIELDS - {"requestContext", "body"}:
        assert request.get(name) == event.get(name) or not event.get(name)
    assert request["body"] == (event.get("body") if body else event.get("body") or request["body"])
    assert http_request(request) == request


@ways
def test_what_else_an_event_has_is_dropped(way: Callable[..., dict[str, Any]]) -> None:
    event = way("/a.jpg")
    event |= {"stageVariables": {"THUMBNAIL_SECRET_KEY": "another"}, "unheard": "of"}
    event["requestContext"] |= {"authorizer": {"principalId": "a"}, "identity": {"userArn": "a"}}
    request = http_request(event)
    assert request.keys() <= FIELDS
    assert not request["requestContext"].keys() & {"authorizer", "identity"}


@pytest.mark.parametrize("kind", OTHERS)
def test_no_other_event_is_a_request(kind: str) -> None:
    with pytest.raises(EventError) as refused:
        http_request(OTHERS[kind])
    assert "raise SystemExit" not in str(refused.value)


@ways
@pytest.mark.parametrize(
    "field", ["raw_command", "command", "manage", "Records", "bot", "type", "triggerSource", "awslogs"]
)
def test_a_request_that_names_something_to_run_is_refused(
    way: Callable[..., dict[str, Any]], field: str
) -> None:
    with pytest.raises(EventError):
        http_request({**way("/a.jpg"), field: "a"})


@pytest.mark.parametrize("event", [None, [], "text", 1, {"requestContext": []}])
def test_what_is_no_event_is_refused(event: Any) -> None:
    with pytest.raises(EventError):
        http_request(event)


@ways
@pytest.mark.parametrize("value", [None, 1, [], {}, ""])
def test_a_request_of_odd_types_is_refused(way: Callable[..., dict[str, Any]], value: Any) -> None:
    event = way("/a.jpg")
    event["rawPath" if "rawPath" in event else "path"] = value
    with pytest.raises(EventError):
        http_request(event)


def test_the_console_of_api_gateway_sends_no_headers() -> None:
    event = {**events.rest("/healthz"), "headers": None, "multiValueHeaders": None}
    request = http_request(event)
    assert (request["headers"], request["multiValueHeaders"]) == ({}, {})


def test_a_load_balancer_with_multiple_values_is_answered_in_them() -> None:
    event = events.load_balancer("/healthz")
    event["multiValueHeaders"] = {"host": [events.LOAD_BALANCER_HOST]}
    del event["headers"]
    request = http_request(event)
    assert "headers" not in request
    assert request["multiValueHeaders"] == event["multiValueHeaders"]


class ZappasHandler:
    def __init__(self) -> None:
        self.settings = SimpleNamespace(DEBUG=True)

    def handler(self, event: Any, context: Any) -> Any:
        return event


@pytest.mark.parametrize("name", ["handler", "zappa.handler"])
def test_zappas_own_handler_sees_requests_alone(name: str) -> None:
    handler = type("Handler", (ZappasHandler,), {})
    guard({name: SimpleNamespace(LambdaHandler=handler)})
    zappa = handler()
    assert zappa.handler(events.rest("/healthz"), None) == http_request(events.rest("/healthz"))
    assert zappa.settings.DEBUG is False
    for event in OTHERS.values():
        with pytest.raises(EventError):
            zappa.handler(event, None)


def test_without_zappa_there_is_nothing_to_guard() -> None:
    guard({"handler": SimpleNamespace()})
