"""moto's server with the one route that Zappa's `update` needs and moto (5.2.5) lacks.

python -m tests.servers.moto_server 127.0.0.1 4566
"""

import json
import sys
from urllib.parse import unquote

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


def main(host: str, port: str) -> None:
    setattr(LambdaResponse, list_function_url_configs.__name__, list_function_url_configs)
    url_paths[r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/urls/?$"] = (
        LambdaResponse.dispatch
    )
    make_server(
        host, int(port), DomainDispatcherApplication(create_backend_app), threaded=True
    ).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
