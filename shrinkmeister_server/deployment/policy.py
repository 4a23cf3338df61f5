"""Make iam_policy.json, which allows only what the function needs. Zappa's own policy allows all of S3."""

import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import UnknownRegionError
from botocore.session import Session

from shrinkmeister.environment import NAMES, TEXT
from shrinkmeister_server.deployment.stage import StageError, variables_of

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
NETWORK = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]


def policy_of(name: str, stage: dict[str, Any]) -> dict[str, Any]:
    """Return the policy of a stage, as IAM takes it. Raises StageError for a missing key or bucket."""
    return {"Version": "2012-10-17", "Statement": list(_statements(name, stage))}


def _statements(name: str, stage: dict[str, Any]) -> Iterator[dict[str, Any]]:
    variables = variables_of(stage)
    for key in ("project_name", "aws_region"):
        if not stage.get(key):
            raise StageError(f"{key} of the stage {name!r} is missing.")
    region = stage["aws_region"]
    try:
        arn = f"arn:{Session().get_partition_for_region(region)}"
    except UnknownRegionError as error:
        raise StageError(
            f"aws_region of the stage {name!r} is {region!r}, which botocore does not know."
        ) from error
    bucket = TEXT.read(variables, "THUMBNAIL_BUCKET", None)
    if not bucket:
        raise StageError("THUMBNAIL_BUCKET is not set in environment_variables. Lambda keeps no files.")
    folders = [
        source.removeprefix("s3://")
        for source in NAMES.read(variables, "THUMBNAIL_SOURCES", [f"s3://{bucket}"])
        if source.startswith("s3://")
    ]
    buckets = dict.fromkeys(folder.partition("/")[0] for folder in folders)
    if folders:
        objects = [f"{arn}:s3:::{_plain(folder.rstrip('/'))}/*" for folder in folders]
        yield _allow("ReadSources", ["s3:GetObject"], objects)
    objects = [f"{arn}:s3:::{bucket}/{_plain(TEXT.read(variables, 'THUMBNAIL_PREFIX', 'cache/'))}*"]
    acl = ["s3:PutObjectAcl"] if TEXT.read(variables, "AWS_DEFAULT_ACL", None) else []
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", *acl]
    yield _allow("KeepThumbnails", actions, objects)
    # Without s3:ListBucket, S3 answers 403 instead of 404 for a missing object.
    listed = [f"{arn}:s3:::{one}" for one in dict.fromkeys([*buckets, bucket])]
    yield _allow("TellWhatIsMissing", ["s3:ListBucket"], listed)
    logs = f"{arn}:logs:{region}:*:log-group:/aws/lambda/{function_name(stage['project_name'], name)}"
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    yield _allow("WriteLog", actions, [logs, f"{logs}:*"])
    if stage.get("vpc_config"):
        # These actions do not accept a narrower resource.
        yield _allow("JoinNetwork", NETWORK, ["*"])


def function_name(project: str, stage: str) -> str:
    """Return Zappa's name of the function. Raises StageError for letters that Zappa transliterates."""
    name = f"{project}-{stage}"
    if not name.isascii():
        raise StageError(f"project_name and stage are {name!r}. Use only ASCII letters, digits and '-'.")
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _plain(name: str) -> str:
    """Escape the characters of patterns in an ARN."""
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    return re.sub(r"[*?$]", r"${\g<0>}", name)


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
