"""The rights of iam_policy.json on a real S3 server: enough for all that the server does, and no more.

What IAM would give the function's role, bucket policies give a user who has no other rights.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from shrinkmeister.doctor.messages import EXAMINE, REMOVE, MessageCipher, Question
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server.deployment.policy import policy_of
from shrinkmeister_server.deployment.stage import make_stage, variables_of
from tests.servers.process import HOST, ask
from tests.servers.redis import RedisServer
from tests.servers.s3 import STRANGER, S3Server
from tests.servers.thumbnails import running_thumbnail_server
from tests.support.pictures import picture, size_of

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails]

SECRET = "the secret of site and server, which is long enough"


def give(s3: S3Server, bucket: str, policy: dict[str, Any]) -> None:
    """To the stranger, what of a policy is of that bucket."""
    statements = []
    for one in policy["Statement"]:
        of_bucket = [arn for arn in one["Resource"] if arn.split(":::")[-1].split("/")[0] == bucket]
        if of_bucket:
            principal = {"AWS": [f"arn:aws:iam:::user/{STRANGER}"]}
            # Ceph (16) asks for the right to delete several objects at once on the bucket; AWS on each.
            also = [f"arn:aws:s3:::{bucket}"] if "s3:DeleteObject" in one["Action"] else []
            statements.append({**one, "Resource": of_bucket + also, "Principal": principal})
    assert statements
    document = {"Version": "2012-10-17", "Statement": statements}
    s3.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))


def refused(call: Callable[..., Any], **arguments: Any) -> bool:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return bool(error.value.response["Error"]["Code"] == "AccessDenied")


def test_they_are_enough_and_no_more(
    s3_server: S3Server, s3_bucket: Callable[..., str], redis_server: RedisServer, tmp_path: Path
) -> None:
    if s3_server.stranger is None:
        pytest.skip("the S3 server that was named has one user alone")
    assert ask(redis_server.port, b"FLUSHALL\r\n") == b"+OK\r\n"
    photos, thumbs = s3_bucket(), s3_bucket()
    stage = make_stage(
        name="shrinkmeister",
        region=s3_server.region,
        bucket=thumbs,
        deployments="unused",
        sources=f"s3://{photos}/public/",
        cache=redis_server.url,
        secret=SECRET,
    )
    policy = policy_of("production", stage)
    owner = s3_server.client()
    for name in ("public/a.jpg", "private/b.jpg", "public-too/b.jpg"):
        owner.put_object(Bucket=photos, Key=name, Body=picture((800, 600)))
    access_key, secret_key = s3_server.stranger
    stranger = s3_server.client(aws_access_key_id=access_key, aws_secret_access_key=secret_key)
    assert refused(stranger.get_object, Bucket=photos, Key="public/a.jpg")
    for bucket in (photos, thumbs):
        give(s3_server, bucket, policy)

    variables = {
        **variables_of(stage),
        **s3_server.variables,
        "ALLOWED_HOST": HOST,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_QUERYSTRING_AUTH": "true",
    }
    with running_thumbnail_server(tmp_path, variables) as server:

        def get(path: str) -> Any:
            return urllib3.request("GET", f"{server.url}/{path}", redirect=False, timeout=60)

        def thumbnail(name: str) -> Any:
            spec = ThumbnailSpec(Source("s3", photos, name), "300x200", {"crop": "center"})
            return get(f"{Tokens([SECRET]).encrypt(spec)}.jpg")

        # Made, and found in the bucket after the cache is lost.
        for _ in range(2):
            answer = thumbnail("public/a.jpg")
            assert answer.status == 302, server.log.read_text()
            assert size_of(urllib3.request("GET", answer.headers["Location"], timeout=60).data) == (
                300,
                200,
            )
            assert ask(redis_server.port, b"FLUSHALL\r\n") == b"+OK\r\n"
        # And not "forbidden", as S3 says to who may not list.
        assert thumbnail("public/nowhere.jpg").status == 404
        assert get("healthz").status == 200
        # It stores, finds and deletes a probe.
        cipher, question = MessageCipher([SECRET]), Question(EXAMINE, "pDFAQ5JAnVgOyp2EiK8zfw", int(time()))
        for one in (question, replace(question, ask=REMOVE)):
            sealed = get(f"doctor/{cipher.encrypt_question(one)}").data.decode()
            assert cipher.decrypt_answer(sealed, question).bucket_error is None

    for name in ("private/b.jpg", "public-too/b.jpg"):
        assert refused(stranger.get_object, Bucket=photos, Key=name)
    assert refused(stranger.put_object, Bucket=photos, Key="public/c.jpg", Body=b"")
    assert refused(stranger.delete_object, Bucket=photos, Key="public/a.jpg")
    assert refused(stranger.put_object, Bucket=thumbs, Key="elsewhere/c.jpg", Body=b"")
    assert refused(stranger.delete_bucket, Bucket=thumbs)
    assert refused(stranger.get_bucket_policy, Bucket=thumbs)
