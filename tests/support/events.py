"""Requests as Lambda gets them, and its answers, of each way in front of a function.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from base64 import b64encode
from typing import Any

REST_HOST = "abc123.execute-api.eu-central-1.amazonaws.com"
URL_HOST = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws"
LOAD_BALANCER_HOST = "thumbs.example.com"
HOSTS = (REST_HOST, URL_HOST, LOAD_BALANCER_HOST)
STAGE = "production"


def rest(
    path: str, method: str = "GET", query: dict[str, str] | None = None, body: str | None = None
) -> dict[str, Any]:
    """API Gateway's REST interface, payload format 1.0, on its own host: pages ask for /production/..."""
    headers = {"Host": REST_HOST, "X-Forwarded-Proto": "https", "Accept": "image/webp,image/*,*/*;q=0.8"}
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {n: [v] for n, v in query.items()} if query else None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "requestContext": {
            "stage": STAGE,
            "path": f"/{STAGE}{path}",
            "httpMethod": method,
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def function_url(
    path: str, method: str = "GET", query: dict[str, str] | None = None, body: str | None = None
) -> dict[str, Any]:
    """A function's own URL, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in (query or {}).items()),
        "headers": {
            "host": URL_HOST,
            "x-forwarded-proto": "https",
            "x-forwarded-for": "203.0.113.7",
            "accept": "image/webp,image/*,*/*;q=0.8",
        },
        "requestContext": {
            "stage": "$default",
            "domainName": URL_HOST,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
        },
        # Bodies of types that it does not know as text come like this.
        **({"body": b64encode(body.encode()).decode()} if body else {}),
        "isBase64Encoded": bool(body),
    }


def http_api(
    path: str, method: str = "GET", query: dict[str, str] | None = None, body: str | None = None
) -> dict[str, Any]:
    """API Gateway's HTTP interface, payload format 2.0, with a stage that is part of its paths."""
    event = function_url(f"/{STAGE}{path}", method, query, body)
    event["headers"]["host"] = event["requestContext"]["domainName"] = REST_HOST
    event["requestContext"]["stage"] = STAGE
    return event


def load_balancer(
    path: str, method: str = "GET", query: dict[str, str] | None = None, body: str | None = None
) -> dict[str, Any]:
    """An Application Load Balancer's."""
    return {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/a/b"}
        },
        "httpMethod": method,
        "path": path,
        "queryStringParameters": query or {},
        "headers": {
            "host": LOAD_BALANCER_HOST,
            "x-forwarded-proto": "https",
            "x-forwarded-port": "443",
            "x-forwarded-for": "203.0.113.7",
            "accept": "image/webp,image/*,*/*;q=0.8",
        },
        "body": body or "",
        "isBase64Encoded": False,
    }


def other_events(command: str) -> dict[str, Any]:
    """What else Zappa's handler acts on, each with something that it would run.

    command: Python, as one line
    """
    function = "os.getcwd"
    arn = f"arn:aws:events:eu-central-1:123456789012:rule/a-{function}"
    sources = {
        "S3": {"s3": {"configurationId": f"a:{function}", "bucket": {"arn": "arn:aws:s3:::photos"}}},
        "SNS": {"Sns": {"TopicArn": "arn:a", "Message": f'{{"command": "{function}"}}'}},
        "SQS": {"eventSource": "aws:sqs", "eventSourceARN": "arn:a", "body": "{}"},
        "DynamoDB": {"dynamodb": {}, "eventSourceARN": "arn:a"},
        "Kinesis": {"kinesis": {"data": ""}, "eventSourceARN": "arn:a"},
    }
    http_like = rest("/healthz")
    return {
        "raw command": {"raw_command": command},
        "command": {"command": function},
        "manage": {"manage": "diffsettings --all"},
        "scheduled": {
            "source": "aws.events",
            "detail-type": "Scheduled Event",
            "resources": [arn],
            "detail": {},
        },
        "keep warm": {
            "source": "aws.events",
            "detail-type": "Scheduled Event",
            "resources": [f"{arn}-handler.keep_warm_callback"],
        },
        **{name: {"Records": [record]} for name, record in sources.items()},
        "bot": {"bot": {"name": "a"}, "currentIntent": {"name": "a"}, "invocationSource": "DialogCodeHook"},
        "token authorizer": {"type": "TOKEN", "authorizationToken": "a", "methodArn": "arn:a"},
        "request authorizer": {**http_like, "type": "REQUEST", "methodArn": "arn:a"},
        "second request authorizer": {**function_url("/healthz"), "type": "REQUEST", "routeArn": "arn:a"},
        "Cognito": {"triggerSource": "PreSignUp_SignUp", "version": "1", "request": {}},
        "log": {"awslogs": {"data": ""}},
        "websocket": {
            "requestContext": {"eventType": "CONNECT", "domainName": "a", "routeKey": "$connect"}
        },
        "mixed": {**http_like, "raw_command": command},
        "second mixed": {**function_url("/healthz"), "manage": "diffsettings --all"},
        "almost HTTP": {"httpMethod": "", "requestContext": {}, "headers": {}, "raw_command": command},
        "nothing": {},
    }


WAYS = {
    "REST API": rest,
    "HTTP API": http_api,
    "function URL": function_url,
    "load balancer": load_balancer,
}


def header(answer: dict[str, Any], name: str) -> str | None:
    """Of an answer, in whichever form it has its headers."""
    single = {key.lower(): value for key, value in answer.get("headers", {}).items()}
    several = {key.lower(): value[0] for key, value in answer.get("multiValueHeaders", {}).items()}
    return {**several, **single}.get(name.lower())
