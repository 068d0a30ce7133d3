"""One second cluster for all tests that need a running one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from e2e.cluster.tests.instance import Traces, cluster, traces


@pytest.fixture
def root() -> None:
    """Skip where the built-in cluster cannot run at all."""
    if os.geteuid() != 0:
        pytest.skip("the built-in cluster needs root")


@pytest.fixture
def clean_host(root: None) -> Iterator[Traces]:
    """No second cluster before and after the test; gives the host's traces without one."""
    cluster("down")
    yield traces()
    cluster("down")


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    """A second cluster that is up."""
    if os.geteuid() != 0:
        pytest.skip("the built-in cluster needs root")
    cluster("up", "--no-vllm")
    yield
    cluster("down")
