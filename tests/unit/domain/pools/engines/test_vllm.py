"""Facts about vLLM's arguments and environment that golden files do not explain."""

import json

import pytest

from tests.unit.domain.pools.builders import cpu_pool, drafting, gpu_pool
from tokenfleet.api.v1alpha1.engine import OWN_VARIABLES
from tokenfleet.domain.pools.engines import vllm


def environment(pool) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in vllm.environment(pool)}


def test_the_users_arguments_come_last() -> None:
    """So that the engine's own rule, the last one wins, works for the user."""
    extra = ["--enforce-eager", "--max-num-seqs=4"]

    assert vllm.arguments(gpu_pool(engine={"image": "e", "extraArgs": extra}))[-2:] == extra


def test_a_draft_is_told_its_parallelism() -> None:
    pool = gpu_pool(speculative=drafting("DraftModel", 1))
    flag = "--speculative-config="
    found = next(a for a in vllm.arguments(pool) if a.startswith(flag)).removeprefix(flag)

    assert json.loads(found) == {
        "method": "draft_model",
        "model": "/weights/weights/draft",
        "num_speculative_tokens": 3,
        "draft_tensor_parallel_size": 1,
    }


@pytest.mark.parametrize(
    ("cpu", "limits", "expected"),
    [
        pytest.param({"threadBinding": "nobind"}, {"cpu": "2500m"}, "2", id="whole cores of the limit"),
        pytest.param({"threadBinding": "nobind"}, {"cpu": "500m"}, "1", id="never none"),
        pytest.param({"threadBinding": "nobind"}, {}, None, id="without a limit the engine decides"),
        pytest.param({"threadBinding": "0-3"}, {"cpu": "4"}, None, id="bound threads are counted by the binding"),
    ],
)  # fmt: skip
def test_unbound_threads_follow_the_limit(cpu: dict, limits: dict, expected: str | None) -> None:
    found = environment(cpu_pool(cpu=cpu, resources={"limits": limits}))

    assert found.get("OMP_NUM_THREADS") == expected
    assert found["VLLM_CPU_OMP_THREADS_BIND"] == cpu["threadBinding"]


def test_an_engine_with_its_weights_on_volumes_never_asks_the_hub() -> None:
    source = {
        "type": "PersistentVolumeClaim",
        "persistentVolumeClaim": {"claimName": "w", "path": "p"},
    }

    assert environment(gpu_pool(model={"source": source}))["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(gpu_pool())


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "OMP_NUM_THREADS"])
def test_where_the_operator_has_a_default_the_users_value_wins(name: str) -> None:
    """These are the ones that docs/pools.md names."""
    volume = {"claimName": "w", "path": "p"}
    source = {"type": "PersistentVolumeClaim", "persistentVolumeClaim": volume}
    given = {"image": "e", "env": [{"name": name, "value": "7"}]}
    limits = {"limits": {"cpu": "2", "memory": "8Gi"}}
    pool = cpu_pool(
        engine=given, model={"source": source}, cpu={"threadBinding": "nobind"}, resources=limits
    )

    assert [one for one in vllm.environment(pool) if one["name"] == name] == given["env"]
    assert name in environment(
        cpu_pool(model={"source": source}, cpu={"threadBinding": "nobind"}, resources=limits)
    )
    assert name not in OWN_VARIABLES


def test_every_cache_lies_on_a_writable_volume() -> None:
    folders = {k: v for k, v in environment(gpu_pool()).items() if v.startswith("/")}

    assert set(folders) >= {"HOME", "HF_HOME", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR"}
    assert [k for k, v in folders.items() if not v.startswith("/tmp")] == []


def test_an_engine_is_told_every_name_and_its_own_first() -> None:
    served = {"modelName": "m", "aliases": ["chat", "org/chat"]}

    plain, several = (vllm.arguments(gpu_pool(spec=spec)) for spec in ({}, {"served": served}))

    assert "--served-model-name=m" in plain
    at = several.index("--served-model-name")
    assert several[at + 1 : at + 4] == ["m", "chat", "org/chat"]
    assert several[at + 4].startswith("--")  # otherwise the option would take the next one, too
