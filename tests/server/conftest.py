"""Fixtures of several modules of the server's tests. A module may have its own of the same name."""

from collections.abc import Callable

import pytest

from tests.servers.s3 import S3Server
from tests.support.pictures import picture


@pytest.fixture
def photos(s3_server: S3Server, s3_bucket: Callable[..., str]) -> str:
    """The name of a bucket with the photo `dawn.jpg`."""
    bucket = s3_bucket()
    s3_server.client().put_object(Bucket=bucket, Key="dawn.jpg", Body=picture((800, 600)))
    return bucket
