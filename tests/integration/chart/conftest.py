"""Helm and an API server for the tests of the chart."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.kit import repository
from e2e.kit.kubectl import Cluster
from tests.integration.api.conftest import cluster

__all__ = ["chart", "cluster", "render"]

RELEASE = "tokenfleet"
NAMESPACE = "tokenfleet-system"

Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def chart() -> Path:
    return repository() / "charts" / "tokenfleet"


@pytest.fixture(scope="session")
def render(cluster: Cluster, chart: Path) -> Render:
    """Return `helm template` with values given as --set arguments."""

    @cache
    def text(settings: tuple[str, ...], release: str) -> str:
        sets = [word for setting in settings for word in ("--set", setting)]
        return cluster.run_helm("template", release, str(chart), "--namespace", NAMESPACE, *sets)

    def template(*settings: str, release: str = RELEASE) -> list[dict[str, Any]]:
        documents = yaml.load_all(text(settings, release), Loader=yaml.CSafeLoader)
        return [document for document in documents if document]

    return template
