"""The native module and Envoy fit, or nothing is served."""

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.envoy.router import envoy_binary, module_folder
from tests.unit.adapters.envoy.golden import case
from tokenfleet.adapters.envoy.module import SEARCH_PATH
from tokenfleet.agent.envoy import validate
from tokenfleet.agent.module import UnfitModuleError, check_module

pytestmark = pytest.mark.envoy

LIBRARY = "libtokenfleet.so"


def another_version(folder: Path) -> None:
    """Put the module there, as if it had been built for another version of Envoy's interface."""
    built = (module_folder() / LIBRARY).read_bytes()
    assert built.count(b"v0.2.0\0") == 1
    (folder / LIBRARY).write_bytes(built.replace(b"v0.2.0\0", b"v0.1.9\0"))


async def test_envoy_and_the_module_fit(tmp_path: Path) -> None:
    await check_module(str(envoy_binary()), tmp_path)


async def test_a_module_for_another_envoy_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Envoy itself only warns, and runs it."""
    another_version(tmp_path)
    monkeypatch.setenv(SEARCH_PATH, str(tmp_path))

    with pytest.raises(UnfitModuleError, match=r"ABI version v0\.1\.9"):
        await check_module(str(envoy_binary()), tmp_path)


@pytest.mark.parametrize("damage", ["missing", "cut off", "another library"])
async def test_a_module_that_cannot_be_loaded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    if damage == "cut off":
        whole = (module_folder() / LIBRARY).read_bytes()
        (tmp_path / LIBRARY).write_bytes(whole[: len(whole) // 2])
    elif damage == "another library":
        shutil.copy(next(Path("/lib").glob("*-linux-gnu/libm.so.6")), tmp_path / LIBRARY)
    monkeypatch.setenv(SEARCH_PATH, str(tmp_path))

    with pytest.raises(UnfitModuleError):
        await check_module(str(envoy_binary()), tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda plan: plan.pop("pools"), "pools", id="a part is missing"),
        pytest.param(lambda plan: plan.update(version=2), "version", id="another version"),
        pytest.param(lambda plan: plan["routes"][0].update(rules=3), "rules", id="another type"),
    ],
)
async def test_a_plan_that_the_module_cannot_read_is_refused_by_name(
    tmp_path: Path, change: object, said: str
) -> None:
    bootstrap = case("chat").parts["bootstrap"]
    (listener,) = bootstrap["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    (host,) = manager["route_config"]["virtual_hosts"]
    holder = host["typed_per_filter_config"]["tokenfleet.request"]["filter_config"]
    plan = json.loads(holder["value"])
    change(plan)  # type: ignore[operator]
    holder["value"] = json.dumps(plan)
    candidate = tmp_path / "bootstrap.json"
    candidate.write_text(json.dumps(bootstrap))

    assert said in await validate(str(envoy_binary()), candidate)
