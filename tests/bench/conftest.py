"""Every Envoy that is measured finds the native module of this working tree."""

from collections.abc import Iterator

import pytest

from tests.integration.envoy.router import module_folder
from tokenfleet.adapters.envoy.module import SEARCH_PATH


@pytest.fixture(autouse=True, scope="session")
def native_module() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SEARCH_PATH, str(module_folder()))
        yield
