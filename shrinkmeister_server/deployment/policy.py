"""iam_policy.json: what the function may do, and nothing beyond. Zappa's own allows all of S3."""

from collections.abc import Iterator
from typing import Any

from shrinkmeister_server.deployment.stage import StageError, variables_of
from shrinkmeister_server.environment import Environment

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
NETWORK = [
    f"ec2:{what}"
    for what in ("CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface")
]


def policy_of(name: str, stage: dict[str, Any]) -> dict[str, Any]:
    """As IAM takes it. Raises StageError where a source or the bucket cannot be told."""
    return {"Version": "2012-10-17", "Statement": list(_statements(name, stage))}


def _statements(name: str, stage: dict[str, Any]) -> Iterator[dict[str, Any]]:
    env = Environment(variables_of(stage))
    region = stage["aws_region"]
    prefixes = [prefix for prefix in PARTITIONS if region.startswith(f"{prefix}-")]
    arn = f"arn:{PARTITIONS[prefixes[0]] if prefixes else 'aws'}"
    bucket = env.text("THUMBNAIL_BUCKET", None)
    if not bucket:
        raise StageError("THUMBNAIL_BUCKET is not set in environment_variables: Lambda keeps no files.")
    folders = [
        source.removeprefix("s3://")
        for source in env.names("THUMBNAIL_SOURCES", [f"s3://{bucket}"])
        if source.startswith("s3://")
    ]
    buckets = dict.fromkeys(folder.partition("/")[0] for folder in folders)
    if folders:
        objects = [f"{arn}:s3:::{folder.rstrip('/')}/*" for folder in folders]
        yield _allow("ReadSources", ["s3:GetObject"], objects)
    objects = [f"{arn}:s3:::{bucket}/{env.text('THUMBNAIL_PREFIX', 'cache/')}*"]
    acl = ["s3:PutObjectAcl"] if env.text("AWS_DEFAULT_ACL", None) else []
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", *acl]
    yield _allow("KeepThumbnails", actions, objects)
    # Without it S3 says of what is not there that it is forbidden.
    listed = [f"{arn}:s3:::{one}" for one in dict.fromkeys([*buckets, bucket])]
    yield _allow("TellWhatIsMissing", ["s3:ListBucket"], listed)
    logs = f"{arn}:logs:{region}:*:log-group:/aws/lambda/{stage['project_name']}-{name}"
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    yield _allow("WriteLog", actions, [logs, f"{logs}:*"])
    if stage.get("vpc_config"):
        # These know no narrower resource.
        yield _allow("JoinNetwork", NETWORK, ["*"])


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
