"""The server's settings: every variable is cast, and named where it is missing or wrong."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.environment import FLAG, MAPPING, NAMES, TEXT, whole

pytestmark = pytest.mark.outside

NEEDED = {
    "ALLOWED_HOST": "thumbs.example.com",
    "THUMBNAIL_SECRET_KEY": "the secret of the tests, which is long enough",
    "THUMBNAIL_BUCKET": "thumbs",
    "THUMBNAIL_CACHE_LOCATION": "redis://127.0.0.1:6379/0",
}


def manage(*arguments: str, **variables: str | None) -> tuple[int, str]:
    """`python -m shrinkmeister_server`, in an environment of nothing else."""
    environment = {**NEEDED, "PATH": os.environ["PATH"], **variables}
    done = subprocess.run(
        [sys.executable, "-m", "shrinkmeister_server", *arguments],
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def setting(name: str, **variables: str | None) -> str:
    status, output = manage(
        "shell",
        "--no-imports",
        "-c",
        f"from django.conf import settings; print(repr(settings.{name}))",
        **variables,
    )
    assert status == 0, output
    return output.strip()


def test_the_least_that_is_needed() -> None:
    engine = "sorl.thumbnail.engines.pil_engine.Engine"  # not the default, for which libvips is recommended
    expected = (0, "System check identified no issues (0 silenced).\n")
    assert manage("check", THUMBNAIL_ENGINE=engine) == expected


def test_settings_of_the_site() -> None:
    """As in a terminal in which the site's commands run."""
    status, output = manage("serve", DJANGO_SETTINGS_MODULE="tests.site.settings")
    assert status == 1
    assert output.startswith("DJANGO_SETTINGS_MODULE is 'tests.site.settings'")


@pytest.mark.parametrize("name", ["ALLOWED_HOST", "THUMBNAIL_SECRET_KEY"])
def test_a_missing_variable(name: str) -> None:
    status, output = manage("check", **{name: None})
    assert status != 0
    assert output == f"The environment variable {name} is not set.\n"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("THUMBNAIL_TTL", "a week", "THUMBNAIL_TTL is 'a week'"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml'"),
        ("THUMBNAIL_CORS_ORIGINS", "www.example.com", "THUMBNAIL_CORS_ORIGINS is 'www.example.com'"),
        ("SECURE_PROXY_SSL_HEADER", "X-Forwarded-Proto", "SECURE_PROXY_SSL_HEADER is 'X-Forwarded-Proto'"),
        ("PROMETHEUS_MULTIPROC_DIR", "/not/there", "PROMETHEUS_MULTIPROC_DIR is '/not/there'"),
        ("DEBUG", "maybe", "DEBUG is 'maybe'"),
        ("THUMBNAIL_ALTERNATIVE_RESOLUTIONS", "2x", "THUMBNAIL_ALTERNATIVE_RESOLUTIONS is '2x'"),
        ("ALLOWED_HOST", "https://thumbs.example.com", "ALLOWED_HOST is 'https://"),
        ("ALLOWED_HOST", "thumbs.example.com:8000", "ALLOWED_HOST is 'thumbs.example.com:8000'"),
        ("ALLOWED_HOST", ",", "ALLOWED_HOST is ','"),
        ("THUMBNAIL_LOCK_SECONDS", "0", "THUMBNAIL_LOCK_SECONDS is '0'"),
        ("THUMBNAIL_SOURCE_SECONDS", "0", "THUMBNAIL_SOURCE_SECONDS is '0'"),
        ("THUMBNAIL_MAX_PIXELS", "0", "THUMBNAIL_MAX_PIXELS is '0'"),
        ("THUMBNAIL_WAIT_SECONDS", "-1", "THUMBNAIL_WAIT_SECONDS is '-1'"),
        ("THUMBNAIL_ENGINE", "os.path.join", "THUMBNAIL_ENGINE is 'os.path.join'"),
        ("AWS_S3_ENDPOINT_URL", "localhost", "AWS_S3_ENDPOINT_URL is 'localhost'"),
        ("AWS_S3_REGION_NAME", "eu central", "AWS_S3_REGION_NAME is 'eu central'"),
        ("AWS_S3_ADDRESSING_STYLE", "host", "AWS_S3_ADDRESSING_STYLE is 'host'"),
        ("AWS_S3_CUSTOM_DOMAIN", "https://cdn.example.com", "AWS_S3_CUSTOM_DOMAIN is 'https://"),
        ("AWS_S3_URL_PROTOCOL", "https", "AWS_S3_URL_PROTOCOL is 'https'"),
        ("AWS_PROFILE", "nobody", "AWS_PROFILE"),
        ("AWS_QUERYSTRING_AUTH", "true", "AWS_ACCESS_KEY_ID"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL is 'loud'"),
        ("PORT", "70000", "PORT is '70000'"),
        ("STORAGES", "default", "variable STORAGES "),
        ("STORAGES", '{"default": {}}', "variable STORAGES "),
        ("STORAGES", '{"default": {"BACKEND": 5}}', "variable STORAGES "),
        ("STORAGES", '{"default": {"BACKEND": "a.B", "OPTIONS": []}}', "variable STORAGES "),
        ("CACHES", '{"shrinkmeister": {}}', "variable CACHES "),
        ("CACHES", '{"shrinkmeister": {"BACKEND": "no.such.Cache"}}', "variable CACHES "),
        ("THUMBNAIL_BUCKET", None, "shrinkmeister.E005"),
        ("DJANGO_SETTINGS_MODULE", "no.such.settings", "'no.such.settings'"),
        ("CACHES", "[]", "variable CACHES "),
        ("CACHES", '{"shrinkmeister": "redis://"}', "'shrinkmeister'"),
        ("THUMBNAIL_ENGINE", "no.such.Engine", "THUMBNAIL_ENGINE is 'no.such.Engine'"),
        ("THUMBNAIL_BUCKET", "s3://thumbs", "THUMBNAIL_BUCKET is 's3://thumbs'"),
        ("THUMBNAIL_CACHE_LOCATION", None, "shrinkmeister.E012"),
        ("THUMBNAIL_CACHE_BACKEND", "redsi", "THUMBNAIL_CACHE_BACKEND is 'redsi'"),
        ("THUMBNAIL_SECRET_KEY", "short", "shrinkmeister.E001"),
    ],
)
def test_a_wrong_variable(name: str, value: str | None, said: str) -> None:
    status, output = manage("check", **{name: value})
    assert status == 1
    assert said in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["inti"], 1, "'inti'"),
        (["check", "--settings=no.such.settings"], 1, "'no.such.settings'"),
        (["check", "--nonsense"], 2, "--nonsense"),
        (["serve", "localhost"], 2, "'localhost'"),
        (["serve", "no-such-host.invalid:8000"], 1, "no-such-host.invalid:8000"),
        (["serve", "[::1:8000"], 1, "[::1:8000"),
        (["serve", "127.0.0.1:70000"], 2, "'127.0.0.1:70000'"),
        (["serve", "--threads=0"], 2, "'0'"),
        (["serve", "--threads=-3"], 2, "'-3'"),
    ],
)
def test_a_wrong_command(arguments: list[str], status: int, said: str) -> None:
    found, output = manage(*arguments)
    assert found == status
    assert said in output
    assert "Traceback" not in output


def test_a_wrong_command_needs_no_variable() -> None:
    status, output = manage("inti", **dict.fromkeys(NEEDED))
    assert status == 1
    assert "'inti'" in output


def test_a_cache_in_files_without_a_folder_is_checked() -> None:
    cache = '{"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache"}}'
    status, output = manage("check", CACHES=cache)
    assert status == 0
    assert "caches.W003" in output


def test_a_misspelled_variable() -> None:
    status, output = manage("check", THUMBNAIL_SOURCE="s3://photos")
    assert status == 0
    for text in ("shrinkmeister.W002", "THUMBNAIL_SOURCE ", "THUMBNAIL_SOURCES"):
        assert text in output


@pytest.mark.parametrize(
    ("name", "variables", "value"),
    [
        ("DEBUG", {}, "False"),
        ("DEBUG", {"DEBUG": "true"}, "True"),
        ("DATABASES", {}, "{}"),
        (
            "ALLOWED_HOSTS",
            {"ALLOWED_HOST": "a.example.com, b.example.com"},
            "['a.example.com', 'b.example.com']",
        ),
        ("THUMBNAIL_TTL", {}, "2592000"),
        ("THUMBNAIL_TTL", {"THUMBNAIL_TTL": "60"}, "60"),
        ("THUMBNAIL_TTL", {"THUMBNAIL_TTL": " "}, "2592000"),
        ("THUMBNAIL_SOURCES", {}, "['s3://thumbs']"),
        ("THUMBNAIL_SOURCES", {"THUMBNAIL_BUCKET": None}, "['storage://default']"),
        ("THUMBNAIL_SOURCES", {"THUMBNAIL_SOURCES": "s3://a,s3://b/c/"}, "['s3://a', 's3://b/c/']"),
        ("THUMBNAIL_ALTERNATIVE_RESOLUTIONS", {"THUMBNAIL_ALTERNATIVE_RESOLUTIONS": "1.5,2"}, "[1.5, 2]"),
        (
            "THUMBNAIL_PRIVATE_HOSTS",
            {"THUMBNAIL_PRIVATE_HOSTS": "intranet,10.0.0.5:80"},
            "['intranet', '10.0.0.5:80']",
        ),
        ("AWS_QUERYSTRING_AUTH", {}, "False"),
        # A spec says whether its picture is flattened, and sorl listens to it only with this.
        ("THUMBNAIL_FLATTEN", {}, "True"),
        (
            "THUMBNAIL_CORS_ORIGINS",
            {"THUMBNAIL_CORS_ORIGINS": "https://a,https://b:8"},
            "['https://a', 'https://b:8']",
        ),
        (
            "SECURE_PROXY_SSL_HEADER",
            {"SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO,https"},
            "['HTTP_X_FORWARDED_PROTO', 'https']",
        ),
        ("SECURE_SSL_REDIRECT", {}, "False"),
        ("SECURE_HSTS_SECONDS", {}, "0"),
        ("LOGGING['root']['level']", {"LOG_LEVEL": "debug"}, "'DEBUG'"),
    ],
)
def test_values(name: str, variables: dict[str, str | None], value: str) -> None:
    assert setting(name, **variables) == value


@pytest.mark.parametrize("name", ["CACHES", "STORAGES"])
@pytest.mark.parametrize(
    "value", ['{"default": {"PASSWORD": "hunter2"}', '{"default": "hunter2"}', '"hunter2"']
)
def test_a_wrong_variable_tells_no_password(name: str, value: str) -> None:
    status, output = manage("check", **{name: value})
    assert status != 0
    assert f"variable {name} " in output
    assert "Traceback" not in output
    assert "hunter2" not in output


def test_casts() -> None:
    variables = {"N": "5", "F": "no", "L": "a, b,,c", "M": '{"a": {"BACKEND": "b"}}', "E": ""}
    assert whole().read(variables, "N") == 5
    assert FLAG.read(variables, "F") is False
    assert NAMES.read(variables, "L") == ["a", "b", "c"]
    assert MAPPING.read(variables, "M") == {"a": {"BACKEND": "b"}}
    assert TEXT.read(variables, "E", "default") == "default"
    with pytest.raises(ImproperlyConfigured, match="variable E "):
        TEXT.read(variables, "E")


def test_only_the_settings_read_the_environment() -> None:
    from pathlib import Path

    import shrinkmeister
    import shrinkmeister_server

    found = {
        path.name
        for package in (shrinkmeister, shrinkmeister_server)
        for path in Path(str(package.__file__)).parent.rglob("*.py")
        # What deploys is no server.
        if path.parent.name != "deployment" and "os.environ" in path.read_text(encoding="utf-8")
    }
    # The doors name the settings module there, and read nothing.
    assert found == {"settings.py", "wsgi.py", "__main__.py"}
