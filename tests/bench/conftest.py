"""Every Envoy that is measured finds the native module of this working tree."""

import os
from collections.abc import Iterator

import pytest

from tests.bench.figures import record
from tests.integration.envoy.router import module_folder
from tokenfleet.adapters.envoy.module import SEARCH_PATH


@pytest.fixture(autouse=True, scope="session")
def native_module() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SEARCH_PATH, str(module_folder()))
        yield


@pytest.fixture(autouse=True, scope="session")
def machine() -> None:
    """Keep what the figures were measured on, and how busy it was before they were."""
    record("machine", {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)})
