"""The storages of other clouds, as a site's STORAGES name them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.azure import AzureServer
from tests.servers.google import GoogleServer

AZURE = "storages.backends.azure_storage.AzureStorage"
GOOGLE = "storages.backends.gcloud.GoogleCloudStorage"

# Makes a container of its own; the options are those of the storage.
NewStorage = Callable[..., dict[str, Any]]


@pytest.fixture
def azure_storage(azure_server: AzureServer) -> NewStorage:
    """An entry of STORAGES."""

    def new_storage(**options: Any) -> dict[str, Any]:
        container = azure_server.make_container()
        return {"BACKEND": AZURE, "OPTIONS": {**azure_server.storage_options(container), **options}}

    return new_storage


@pytest.fixture
def google_storage(google_server: GoogleServer) -> NewStorage:
    """An entry of STORAGES."""

    def new_storage(**options: Any) -> dict[str, Any]:
        bucket = google_server.make_bucket()
        return {"BACKEND": GOOGLE, "OPTIONS": {**google_server.storage_options(bucket), **options}}

    return new_storage
