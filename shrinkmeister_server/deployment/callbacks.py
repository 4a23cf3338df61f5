"""Callbacks of zappa_settings.json. Zappa calls each with its ZappaCLI.

settings  completes the stage that `zappa init` has written, before a command runs
post      narrows the function's policy and prints the site's settings, after the deployment

The third callback, `zip`, is `package.finish`.
"""

import json
from typing import Any

from click import ClickException, echo

from shrinkmeister_server.deployment.invocation import restrict
from shrinkmeister_server.deployment.policy import policy_of
from shrinkmeister_server.deployment.site import print_settings
from shrinkmeister_server.deployment.stage import StageError, complete

# Keys of a stage by which a user sets the function's rights.
OWN_RIGHTS = ("attach_policy", "role_arn", "role_name")


def settings(cli: Any) -> None:
    """Add missing keys to a stage, as `init` writes them, and keep secrets out of the package."""
    given = cli.stage_config
    try:
        stage = complete(given)
    except StageError as error:
        raise ClickException(str(error)) from error
    for key, value in stage.items():
        cli.override_stage_config_setting(key, value)
    cli.load_settings(cli.vargs.get("settings_file"))
    if cli.command not in ("deploy", "update"):
        return
    moved = sorted(given.get("environment_variables", {}).keys() - stage["environment_variables"].keys())
    if moved:
        echo(f"Shrinkmeister: {', '.join(moved)} become variables of the function, outside of the package.")
    if stage.get("manage_roles", True) and not any(stage.get(key) for key in OWN_RIGHTS):
        try:
            # Zappa's own policy allows all of S3.
            cli.zappa.attach_policy = json.dumps(policy_of(cli.api_stage, stage))
        except StageError as error:
            raise ClickException(str(error)) from error


def post(cli: Any) -> None:
    """Print the site's settings, and narrow the policy: last, since an error ends Zappa."""
    print_settings(cli)
    restrict(cli)
