"""Pools as their users write them, public deployments among them, pass every rule of the API."""

from pathlib import Path

import httpx
import pytest
import yaml

from tests.integration.api.server import ApiServer

pytestmark = pytest.mark.cluster

GOLDEN = Path(__file__).parents[2] / "unit" / "domain" / "pools" / "testdata"


@pytest.mark.parametrize("case", sorted(folder.name for folder in GOLDEN.iterdir()))
def test_a_pool_is_accepted_as_it_is_written(api: ApiServer, case: str) -> None:
    body = yaml.safe_load((GOLDEN / case / "in.yaml").read_text())
    body["metadata"] = {"name": body["metadata"]["name"]}

    answer = api.create(body)

    assert answer.status_code == httpx.codes.CREATED, answer.text
