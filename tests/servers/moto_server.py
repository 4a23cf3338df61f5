"""moto's server with what moto (5.2.5) lacks: a route for Zappa's `update`, and conditions of URLs.

python -m tests.servers.moto_server 127.0.0.1 4566
"""

import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from moto.awslambda.policy import Policy
from moto.awslambda.responses import LambdaResponse
from moto.awslambda.urls import url_paths
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def list_function_url_configs(response: LambdaResponse) -> str:
    """https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctionUrlConfigs.html"""
    name = unquote(response.path.split("/")[-2])
    function = response.backend.get_function(name)
    configs = [function.url_config.to_dict()] if function.url_config else []
    return json.dumps({"FunctionUrlConfigs": configs})


# Parameters of lambda:AddPermission that AWS turns into conditions; moto copies them as they are.
# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
CONDITIONS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "FunctionUrlAuthType": lambda value: {"StringEquals": {"lambda:FunctionUrlAuthType": value}},
    "InvokedViaFunctionUrl": lambda value: {"Bool": {"lambda:InvokedViaFunctionUrl": str(value).lower()}},
}
merge: Any = Policy.condition_merge


def condition_merge(policy: Policy, statement: dict[str, Any]) -> None:
    merge(policy, statement)
    for name in CONDITIONS.keys() & statement.keys():
        statement.setdefault("Condition", {}).update(CONDITIONS[name](statement.pop(name)))


def main(host: str, port: str) -> None:
    setattr(Policy, condition_merge.__name__, condition_merge)
    setattr(LambdaResponse, list_function_url_configs.__name__, list_function_url_configs)
    url_paths[r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/urls/?$"] = (
        LambdaResponse.dispatch
    )
    make_server(
        host, int(port), DomainDispatcherApplication(create_backend_app), threaded=True
    ).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
