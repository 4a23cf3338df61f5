"""The server on Lambda: the size of its package, cold starts, requests on a warm instance, and memory.

    python -m bench.cold

An instance is AWS's runtime client under AWS's emulator of the runtime's interface, with the unpacked zip
that Zappa makes. Each cold start is a new one: from the request until its answer, with Python's start, the
loading of modules, and the first connections to Redis and S3. What Lambda does before is not in it.
"""

import json
import statistics
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL.Image import Resampling

from bench.load import megabytes
from bench.results import write
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests.servers.lambda_runtime import (
    LambdaInstance,
    find_lambda_python,
    make_runtime,
    running_lambda,
)
from tests.servers.redis import running_redis
from tests.servers.s3 import S3Server, make_bucket, running_s3
from tests.support import events
from tests.support.deployments import SECRET, STAGE, Workshop, build_wheel, example_stage, runtime_of
from tests.support.pictures import encoded, photograph

ROUNDS = 15
WARM = 200
PHOTOS, THUMBS = "photos", "thumbs"
# Of which the package has its own, though Lambda's runtime has some version of them too.
BOTO = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3")
FINISHED, ZAPPAS = "finished", "Zappa's own"
MEGAPIXELS = {12: (4000, 3000), 50: (8165, 6123)}
# Format -> options of Pillow; AVIF at its fastest, since decoding is what counts.
FORMATS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 90},
    "PNG": {"compress_level": 6},
    "WEBP": {"quality": 75, "method": 0},
    "AVIF": {"quality": 80, "speed": 10},
    "JPEG2000": {"quality_mode": "rates", "quality_layers": [8]},
}


@dataclass(frozen=True)
class Package:
    """name    FINISHED or ZAPPAS
    folder  unpacked
    zipped  bytes of the zip; unpacked likewise
    """

    name: str
    folder: Path
    zipped: int
    unpacked: int


def main() -> None:
    with TemporaryDirectory() as name, ExitStack() as stack:
        directory = Path(name)
        s3 = stack.enter_context(running_s3(directory))
        redis = stack.enter_context(running_redis(directory))
        make_bucket(s3, PHOTOS)
        make_bucket(s3, THUMBS, public=True)
        python = find_lambda_python()
        runtime = make_runtime(directory / "runtime", python)
        packages = make_packages(directory, python, s3)
        variables = {
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_CACHE_LOCATION": redis.url,
            "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "true",
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        }

        def instance(package: Package) -> AbstractContextManager[LambdaInstance]:
            return running_lambda(directory, runtime, package.folder, variables)

        text = "\n\n".join(
            [
                sizes(packages),
                cold_starts(packages, instance, s3),
                memory(packages[0], instance, s3),
            ]
        )
    packages_named = ("django", "sorl-thumbnail", "pillow", "django-storages", "boto3", "redis", "zappa")
    write("Lambda", text, packages_named, f"in the package {runtime_of(python)}")


def make_packages(directory: Path, python: str, s3: S3Server) -> list[Package]:
    workshop = Workshop.made(directory / "thumbnails", python, build_wheel(directory))
    stage = example_stage(python, s3, PHOTOS, THUMBS)
    made = []
    for name, callbacks in ((FINISHED, stage["callbacks"]), (ZAPPAS, {})):
        settings = json.dumps({STAGE: {**stage, "callbacks": callbacks}})
        (workshop.folder / "zappa_settings.json").write_text(settings)
        workshop.run("python", "-m", "shrinkmeister_server", "policy")
        workshop.run(
            "zappa", "package", STAGE, "--output", "package.zip", AWS_DEFAULT_REGION="eu-central-1"
        )
        folder, zipped = directory / name.replace(" ", "-"), workshop.folder / "package.zip"
        with zipfile.ZipFile(zipped) as archive:
            archive.extractall(folder)
        made.append(Package(name, folder, zipped.stat().st_size, size(folder)))
        zipped.unlink()
    return made


def size(*folders: Path) -> int:
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())


def zipped_size(*folders: Path) -> int:
    """What these folders take in a zip."""
    with TemporaryDirectory() as name:
        path = Path(name) / "part.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for folder in folders:
                for file in folder.rglob("*"):
                    if file.is_file():
                        archive.write(file, file.relative_to(folder.parent))
        return path.stat().st_size


def sizes(packages: list[Package]) -> str:
    lines = [f"| {one.name} | {one.zipped / 1e6:.1f} | {one.unpacked / 1e6:.1f} |" for one in packages]
    boto = [packages[0].folder / name for name in BOTO]
    lines.append(
        f"| of which boto3 and what it needs | {zipped_size(*boto) / 1e6:.1f} | {size(*boto) / 1e6:.1f} |"
    )
    parts = sorted(
        ((size(folder), folder.name) for folder in packages[0].folder.iterdir() if folder.is_dir()),
        reverse=True,
    )
    largest = ", ".join(f"{name} {megabytes / 1e6:.0f}" for megabytes, name in parts[:6])
    return f"""{FINISHED.capitalize()} is what is deployed, by `callbacks.zip` of the example settings.

| package | MB zipped | MB unpacked |
|---|---:|---:|
{chr(10).join(lines)}

The largest parts, in MB unpacked: {largest}."""


def cold_starts(packages: list[Package], instance: Callable[..., Any], s3: S3Server) -> str:
    data = encoded(photograph(MEGAPIXELS[12]), "JPEG", quality=90)
    found: dict[str, list[float]] = {one.name: [] for one in packages}
    made: dict[str, list[float]] = {one.name: [] for one in packages}
    warm_found: list[float] = []
    warm_made: list[float] = []
    known = upload(s3, "known.jpg", data)
    with instance(packages[0]) as first:
        first.invoke(known)
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
        for package in packages:
            with instance(package) as cold:
                found[package.name].append(asked(cold, known))
            event = upload(s3, f"{package.name}-{number}.jpg", data)
            with instance(package) as cold:
                made[package.name].append(asked(cold, event))
                if package is packages[0]:
                    warm_found += [asked(cold, event) for _ in range(WARM // ROUNDS)]
                    warm_made.append(asked(cold, upload(s3, f"warm-{number}.jpg", data)))
    rows = [
        ("cold, of a thumbnail that is there", found),
        ("cold, of a thumbnail new, of 12 megapixels", made),
    ]
    lines = [
        f"| {name} | {statistics.median(of[FINISHED]):,.0f} | {min(of[FINISHED]):,.0f} "
        f"| {statistics.median(of[ZAPPAS]):,.0f} "
        f"| {statistics.median(b / a for a, b in zip(of[FINISHED], of[ZAPPAS], strict=True)):.2f} |"
        for name, of in rows
    ]
    for name, digits, took in (("that is there", 1, warm_found), ("new, of 12 megapixels", 0, warm_made)):
        figures = f"{statistics.median(took):,.{digits}f} | {min(took):,.{digits}f}"
        lines.append(f"| warm, of a thumbnail {name} | {figures} | | |")
    return f"""Milliseconds from a request to its redirect, of {ROUNDS} instances each, by turns. "Times" is
{ZAPPAS} beside the finished package, the median of {ROUNDS} pairs: there each cold start compiles
the modules that it loads.

| first request | finished, median | fastest | {ZAPPAS}, median | times |
|---|---:|---:|---:|---:|
{chr(10).join(lines)}"""


def memory(package: Package, instance: Callable[..., Any], s3: S3Server) -> str:
    """The most of an instance whose first request makes a thumbnail."""
    known = upload(s3, "known.jpg", b"")
    lines = []
    with instance(package) as idle:
        asked(idle, known)
        lines.append(f"| none, a thumbnail that is there | {megabytes(idle.runtime, 'VmHWM'):,.0f} | |")
    for pixels, dimensions in MEGAPIXELS.items():
        # Soft, as pictures of so many pixels are: of sharp ones a PNG is above the limit of bytes.
        image = photograph((1000, 750)).resize(dimensions, Resampling.BICUBIC)
        for format, options in FORMATS.items():
            print(f"{pixels} megapixels of {format}", file=sys.stderr)
            event = upload(s3, f"{pixels}-{format}", encoded(image, format, **options))
            with instance(package) as one:
                seconds = asked(one, event) / 1000
                peak = megabytes(one.runtime, "VmHWM")
            lines.append(f"| {pixels} megapixels of {format} | {peak:,.0f} | {seconds:.1f} |")
    return f"""The most memory that an instance has had (VmHWM), after one thumbnail of 300x200 on a cold
start, with the engine that is the default (Pillow).

| source | MB | seconds |
|---|---:|---:|
{chr(10).join(lines)}"""


def upload(s3: S3Server, name: str, data: bytes) -> dict[str, Any]:
    """The event of a browser that asks for a thumbnail; without data, of a source that is there."""
    if data:
        s3.client().put_object(Bucket=PHOTOS, Key=name, Body=data)
    spec = ThumbnailSpec(Source("s3", PHOTOS, name), "300x200", {"crop": "center"})
    return events.function_url(f"/{Tokens([SECRET]).encrypt(spec)}.jpg")


def asked(instance: LambdaInstance, event: dict[str, Any]) -> float:
    """Milliseconds until its answer, which has to be a redirect."""
    start = time.perf_counter()
    answer = instance.invoke(event)
    took = (time.perf_counter() - start) * 1000
    assert answer.get("statusCode") == 302, answer
    return took


if __name__ == "__main__":
    main()
