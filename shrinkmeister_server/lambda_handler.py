"""The handler on AWS Lambda: `lambda_handler` of zappa_settings.json, and the command of a container image.

With INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT, importing this module loads Django.
"""

from typing import Any

from zappa.handler import lambda_handler as zappa_handler

from shrinkmeister_server.aws_lambda.events import Event, http_request


def handler(event: Any, context: Any) -> Event | None:
    """Answer an HTTP request. Raises EventError for every other event."""
    answer: Event | None = zappa_handler(http_request(event), context)
    return answer
