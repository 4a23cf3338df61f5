"""Let only HTTP requests through, out of all the events that AWS Lambda passes to a function.

Zappa's own handler runs Python code, commands and functions that other kinds of events name. So it gets a
new event, made of only the fields that a request needs.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html

`zappa init` writes Zappa's handler into zappa_settings.json. That handler loads the server before it looks
at its first event, so the server can still replace the handler's method, with `guard`.
"""

import sys
from collections.abc import Mapping
from typing import Any

from shrinkmeister.exceptions import ShrinkmeisterError

Event = dict[str, Any]

# No HTTP request has these fields. Zappa's handler acts on some of them. The others are in events for an
# authorizer of API Gateway, which have all fields of a request but need another kind of answer.
FOREIGN = frozenset(
    {
        *("command", "raw_command", "manage", "Records", "bot", "triggerSource", "awslogs", "detail-type"),
        *("detail", "type", "methodArn", "routeArn", "authorizationToken"),
    }
)
# Zappa copies the second module to the first, at the top of its package. Lambda loads one of them.
HANDLERS = ("handler", "zappa.handler")


class EventError(ShrinkmeisterError):
    """An event is not an HTTP request. The message is logged and returned, and so says nothing else."""

    def __init__(self) -> None:
        super().__init__("This function answers only HTTP requests.")


def http_request(event: Any) -> Event:
    """Return a copy of an HTTP request without other fields. Raises EventError.

    Requests come from a function's URL or an HTTP API (payload format 2.0), a REST API (1.0), or a load
    balancer.
    """
    if not isinstance(event, dict) or not FOREIGN.isdisjoint(event):
        raise EventError
    context = event.get("requestContext")
    if not isinstance(context, dict):
        raise EventError
    return _format_2(event, context) if event.get("version") == "2.0" else _format_1(event, context)


def guard(modules: Mapping[str, Any] = sys.modules) -> None:
    """Change the handlers of Zappa that are loaded. Outside of Lambda, none is loaded."""
    for name in HANDLERS:
        if handler := getattr(modules.get(name), "LambdaHandler", None):
            handler.handler = _guarded(handler.handler)


def _guarded(handle: Any) -> Any:
    def handle_request(self: Any, event: Any, context: Any) -> Any:
        # With DEBUG, Zappa's default, the handler logs whole events and answers with tracebacks.
        self.settings.DEBUG = False
        return handle(self, http_request(event), context)

    return handle_request


def _format_2(event: Event, context: Event) -> Event:
    http = context.get("http")
    if not isinstance(http, dict):
        raise EventError
    return {
        "version": "2.0",
        "rawPath": _text(event, "rawPath"),
        "rawQueryString": str(event.get("rawQueryString") or ""),
        "headers": _texts(event, "headers"),
        "requestContext": {"stage": context.get("stage"), "http": {"method": _text(http, "method")}},
        **_body(event),
    }


def _format_1(event: Event, context: Event) -> Event:
    # Zappa answers in the form of the request's headers: single, multiple or both.
    forms = {"headers": _texts, "multiValueHeaders": _lists}
    headers = {form: read(event, form) for form, read in forms.items() if form in event}
    if not headers:
        raise EventError
    queries = ("queryStringParameters", "multiValueQueryStringParameters")
    return {
        "httpMethod": _text(event, "httpMethod"),
        "path": _text(event, "path"),
        **headers,
        **{query: event[query] for query in queries if isinstance(event.get(query), dict)},
        "requestContext": {"elb": {"targetGroupArn": ""}} if context.get("elb") else {},
        **_body(event),
    }


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise EventError
    return value


def _texts(event: Event, name: str) -> dict[str, str]:
    return {key: str(value) for key, value in _mapping(event, name).items()}


def _lists(event: Event, name: str) -> dict[str, list[str]]:
    mapping = _mapping(event, name)
    if not all(isinstance(values, list) for values in mapping.values()):
        raise EventError
    return {key: [str(value) for value in values] for key, values in mapping.items()}


def _mapping(event: Event, name: str) -> Mapping[str, Any]:
    """Return a mapping of an event. None counts as empty: the console of API Gateway sends it."""
    value = event.get(name) or {}
    if not isinstance(value, dict):
        raise EventError
    return value


def _body(event: Event) -> Event:
    body = event.get("body")
    return {
        "body": body if isinstance(body, str) else None,
        "isBase64Encoded": event.get("isBase64Encoded") is True,
    }
