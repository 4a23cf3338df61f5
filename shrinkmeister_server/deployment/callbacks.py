"""Callbacks of zappa_settings.json, besides `package.finish`. Zappa calls them with its ZappaCLI."""

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError
from click import ClickException, echo

from shrinkmeister_server.deployment.policy import policy_of
from shrinkmeister_server.deployment.site import SHARED, UNKNOWN_URL, site_settings
from shrinkmeister_server.deployment.stage import StageError, complete, variables_of

# Keys of a stage by which a user sets the function's rights.
OWN_RIGHTS = ("attach_policy", "role_arn", "role_name")
RIGHTS = "lambda:GetPolicy, lambda:RemovePermission and lambda:AddPermission"
# The ids of Zappa's statements, with the action and the condition that Zappa leaves out, as an argument of
# boto3's add_permission. Zappa adds a statement only if it finds none with its id, so these survive the
# next update. AWS has required both since October 2025.
PERMISSIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "FunctionURLAllowPublicAccess": ("lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
    "FunctionURLAllowPublicAccessInvoke": ("lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
}


def settings(cli: Any) -> None:
    """Add missing keys to a stage that `zappa init` has written, before a command runs."""
    try:
        stage = complete(cli.stage_config)
        has_own = not stage.get("manage_roles", True) or any(stage.get(key) for key in OWN_RIGHTS)
        gives_rights = cli.command in ("deploy", "update") and not has_own
        policy = policy_of(cli.api_stage, stage) if gives_rights else None
    except StageError as error:
        raise ClickException(str(error)) from error
    for key, value in stage.items():
        cli.override_stage_config_setting(key, value)
    cli.load_settings(cli.vargs.get("settings_file"))
    if policy:
        # Zappa's own policy allows all of S3.
        cli.zappa.attach_policy = json.dumps(policy)


def post(cli: Any) -> None:
    """After a deployment, print the site's settings and narrow the policy. An error of that ends Zappa."""
    variables = variables_of(cli.stage_config)
    secret = ", ".join(name for name, row in SHARED.items() if row.secret and variables.get(name))
    echo(f"\nSettings of the site. Its environment needs the same {secret} as the server:\n")
    echo(site_settings(variables, _server_url(cli)))
    echo("Then run on the site: python manage.py shrinkmeister doctor\n")
    restrict(cli)


def _server_url(cli: Any) -> str:
    """Return the URL of what Zappa has deployed, as far as Zappa knows it."""
    if cli.domain:
        return f"https://{cli.domain}/{cli.base_path or ''}".rstrip("/")
    if cli.use_function_url:
        config = cli.zappa.lambda_client.get_function_url_config(FunctionName=cli.lambda_name)
        return str(config["FunctionUrl"]).rstrip("/")
    if cli.use_apigateway:
        url = cli.zappa.get_api_url(
            cli.lambda_name, cli.api_stage, apigateway_version=cli.apigateway_version
        )
        return str(url or UNKNOWN_URL).rstrip("/")
    return UNKNOWN_URL


def restrict(cli: Any) -> None:
    """Let only the function's URL invoke the function. Raises ClickException.

    For a URL without an authorizer, Zappa lets every AWS account call lambda:InvokeFunction. Statements of
    others stay. https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    """
    if not cli.use_function_url or cli.function_url_config["authorizer"] != "NONE":
        return
    client, function = cli.zappa.lambda_client, cli.lambda_name
    try:
        found = {statement["Sid"]: statement for statement in _statements(client, function)}
        for sid, (action, option) in PERMISSIONS.items():
            statement = found.pop(sid, None)
            if statement and statement["Action"] == action and _has_condition(statement, option):
                continue
            if statement:
                client.remove_permission(FunctionName=function, StatementId=sid)
            client.add_permission(
                FunctionName=function, StatementId=sid, Action=action, Principal="*", **option
            )
    except ClientError as error:
        raise ClickException(
            f"The policy of {function} may let every AWS account invoke it without its URL. AWS answered "
            f"{error.response['Error']['Code']} to {error.operation_name}. Give {RIGHTS} to the user that "
            f"deploys, and run `zappa update`."
        ) from error
    for sid, statement in found.items():
        if statement.get("Principal") in ("*", {"AWS": "*"}) and not statement.get("Condition"):
            echo(
                f"The statement {sid} in the policy of {function} lets every AWS account use "
                f"{statement['Action']}. Zappa did not add this statement. Remove it, or add a condition."
            )


def _statements(client: Any, function: str) -> Iterator[dict[str, Any]]:
    try:
        policy = client.get_policy(FunctionName=function)["Policy"]
    except client.exceptions.ResourceNotFoundException:
        return
    yield from json.loads(policy)["Statement"]


def _has_condition(statement: dict[str, Any], option: dict[str, Any]) -> bool:
    operators = (statement.get("Condition") or {}).values()
    conditions = {(key, str(value).lower()) for one in operators for key, value in one.items()}
    return {(f"lambda:{key}", str(value).lower()) for key, value in option.items()} <= conditions
