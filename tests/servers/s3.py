"""A real S3 server for tests: one that the user names, or Ceph's gateway.

Real, because the imitations accept wrong signatures and expired addresses.
"""

import json
import os
import secrets
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.servers.process import (
    HOST,
    MissingServer,
    find_program,
    free_port,
    retried,
    run,
    running,
    wait_for_answer,
)

ENVIRONMENT = ("TEST_S3_ENDPOINT_URL", "TEST_S3_ACCESS_KEY_ID", "TEST_S3_SECRET_ACCESS_KEY")
STRANGER = "stranger"
CEPH_PROGRAMS = {
    "ceph": "ceph-common",
    "ceph-authtool": "ceph-common",
    "radosgw-admin": "ceph-common",
    "monmaptool": "ceph-base",
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "radosgw": "radosgw",
}

# The smallest cluster there is: one monitor, one object store in memory, no manager.
CEPH_CONFIG = """\
[global]
fsid = {cluster}
mon_host = [v2:127.0.0.1:{monitor_port}/0]
public_addr = 127.0.0.1
ms_bind_ipv6 = false
keyring = {directory}/keyring
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx

# Everything stays in one directory, so that no rights on the machine are needed.
# Not the control sockets: a socket's path has room for 107 characters only.
run_dir = {directory}
admin_socket =
pid_file =
log_file = {directory}/$name.log
crash_dir = {directory}
mon_data = {directory}/monitor
mon_cluster_log_file = {directory}/cluster.log
osd_data = {directory}/store
rgw_data = {directory}/gateway

osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_class_load_list = *
osd_class_default_list = *
osd_crush_chooseleaf_type = 0

# One copy of everything, on one store.
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000

# A nearly full disk is no reason to refuse.
mon_data_avail_crit = 1
mon_data_avail_warn = 2

# The gateway makes its pools one after another, and each change waited a second.
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
# What was asked of the store before it was up is asked again after this, not after 5 s.
objecter_tick_interval = 0.1

# Without it, an answer over a kept connection waits 40 ms for the client to acknowledge its head.
rgw_frontends = beast endpoint=127.0.0.1:{gateway_port} tcp_nodelay=1
rgw_dns_name = localhost
rgw_enable_usage_log = false
# A lifecycle rule's day lasts five seconds.
rgw_lc_debug_interval = 5
"""

CEPH_KEYRING = """\
[mon.]
key = {key}
caps mon = "allow *"
[client.admin]
key = {key}
caps mon = "allow *"
caps osd = "allow *"
[osd.0]
key = {key}
caps mon = "allow *"
caps osd = "allow *"
"""


@dataclass(frozen=True)
class S3Server:
    """stranger  access key and secret key of another user, STRANGER, who has no rights; None for none"""

    endpoint_url: str
    access_key: str
    secret_key: str
    region: str
    kind: str  # "ceph" or "external"
    stranger: tuple[str, str] | None = None

    @property
    def storage_options(self) -> dict[str, Any]:
        """OPTIONS of django-storages' S3Storage, but for the bucket."""
        return {
            "endpoint_url": self.endpoint_url,
            "region_name": self.region,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "addressing_style": "path",
            "signature_version": "s3v4",
        }

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a thumbnail server that uses it, but for the buckets."""
        return {
            "AWS_S3_ENDPOINT_URL": self.endpoint_url,
            "AWS_S3_REGION_NAME": self.region,
            "AWS_S3_ADDRESSING_STYLE": "path",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def client(self, **options: Any) -> Any:
        """A boto3 client; options replace the server's own, for instance a wrong secret."""
        import boto3  # here, since it takes a quarter of a second and few tests need it

        return boto3.client(
            "s3",
            **{
                "endpoint_url": self.endpoint_url,
                "aws_access_key_id": self.access_key,
                "aws_secret_access_key": self.secret_key,
                "region_name": self.region,
                **options,
            },
        )


@contextmanager
def running_s3(directory: Path) -> Iterator[S3Server]:
    with ExitStack() as stack:
        yield _external_server() or stack.enter_context(_running_ceph(directory))


def make_bucket(server: S3Server, name: str, public: bool = False) -> None:
    """Create a bucket; anybody may read the objects of a public one."""
    client = _client(server)
    client.create_bucket(Bucket=name)
    if public:
        anybody_reads = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{name}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [anybody_reads]}
        client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))


def remove_bucket(server: S3Server, name: str) -> None:
    """Remove a bucket with what is in it, so that a server of the user's is left as it was."""
    client = _client(server)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", ()):
            client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)


@cache
def _client(server: S3Server) -> Any:
    """Return one client for all buckets: making a client takes longer than making a bucket."""
    return server.client()


def _external_server() -> S3Server | None:
    values = [os.environ.get(name) for name in ENVIRONMENT]
    match values:
        case [str(endpoint_url), str(access_key), str(secret_key)]:
            region = os.environ.get("TEST_S3_REGION", "us-east-1")
            return S3Server(endpoint_url, access_key, secret_key, region, "external")
        case [None, None, None]:
            return None
    raise ValueError(f"set all of {', '.join(ENVIRONMENT)}, or none")


def _ceph_programs() -> dict[str, str]:
    try:
        return {name: find_program(name, package) for name, package in CEPH_PROGRAMS.items()}
    except MissingServer as missing:
        packages = " ".join(sorted(set(CEPH_PROGRAMS.values())))
        raise MissingServer(
            f"S3: {missing}; install {packages}, or name a server by {', '.join(ENVIRONMENT)}"
        ) from None


@retried
@contextmanager
def _running_ceph(directory: Path) -> Iterator[S3Server]:
    programs = _ceph_programs()
    cluster, store = str(uuid.uuid4()), str(uuid.uuid4())
    monitor_port, gateway_port = free_port(), free_port()
    access_key, secret_key = secrets.token_hex(10), secrets.token_hex(20)
    for name in ("monitor", "store", "gateway"):
        (directory / name).mkdir()

    config = directory / "ceph.conf"
    config.write_text(
        CEPH_CONFIG.format(
            cluster=cluster,
            directory=directory,
            monitor_port=monitor_port,
            gateway_port=gateway_port,
        )
    )
    key = run([programs["ceph-authtool"], "--gen-print-key"]).strip()
    (directory / "keyring").write_text(CEPH_KEYRING.format(key=key))

    with ExitStack() as daemons:  # stopped in reverse: the gateway, the store, the monitor

        def command(name: str, *arguments: str) -> list[str]:
            return [programs[name], "--conf", str(config), *arguments]

        def step(name: str, *arguments: str) -> None:
            run(command(name, *arguments))

        def daemon(name: str, *arguments: str) -> Popen[bytes]:
            # In the foreground (-f) a daemon stays our child, and ours to stop.
            foreground = command(name, "-f", *arguments)
            return daemons.enter_context(running(foreground, directory / f"{name}.log"))

        monitors = str(directory / "monitors")
        address = f"[v2:{HOST}:{monitor_port}]"
        step("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, monitors)
        step("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors)
        monitor = daemon("ceph-mon", "-i", "a")
        wait_for_answer(monitor, monitor_port, b"", b"ceph v2", directory / "ceph-mon.log")
        step("ceph", "--connect-timeout", "20", "osd", "new", store)
        step("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store)
        daemon("ceph-osd", "-i", "0")
        owner = ["--uid", "tests", "--display-name", "tests"]
        credentials = ["--access-key", access_key, "--secret", secret_key]
        step("radosgw-admin", "user", "create", *owner, *credentials)
        stranger = (secrets.token_hex(10), secrets.token_hex(20))
        other = ["--uid", STRANGER, "--display-name", STRANGER]
        other += ["--access-key", stranger[0], "--secret", stranger[1]]
        step("radosgw-admin", "user", "create", *other)
        gateway = daemon("radosgw", "-n", "client.admin")
        request = b"GET / HTTP/1.0\r\n\r\n"
        wait_for_answer(gateway, gateway_port, request, b"HTTP/1.", directory / "radosgw.log")

        endpoint_url = f"http://{HOST}:{gateway_port}"
        yield S3Server(endpoint_url, access_key, secret_key, "us-east-1", "ceph", stranger)
