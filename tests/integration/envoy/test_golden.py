"""Every golden case is a configuration that the real Envoy accepts."""

import json
from pathlib import Path

import pytest

from tests.integration.envoy.router import envoy_binary
from tests.unit.adapters.envoy.golden import CASES, case
from tokenfleet.agent.envoy import validate

pytestmark = pytest.mark.envoy


@pytest.mark.parametrize("name", CASES)
async def test_envoy_accepts_the_golden_case(name: str, tmp_path: Path) -> None:
    candidate = tmp_path / "bootstrap.json"
    candidate.write_text(json.dumps(case(name).parts["bootstrap"]))

    assert await validate(str(envoy_binary()), candidate) == ""


async def test_a_refusal_names_the_place(tmp_path: Path) -> None:
    bootstrap = case("chat").parts["bootstrap"]
    bootstrap["static_resources"]["clusters"][0]["connect_timeout"] = "soon"
    candidate = tmp_path / "bootstrap.json"
    candidate.write_text(json.dumps(bootstrap))

    assert "connect_timeout" in await validate(str(envoy_binary()), candidate)
