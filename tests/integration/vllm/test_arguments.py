"""The arguments that pools are given are arguments of vLLM, by vLLM's own parser."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.vllm.conftest import REPOSITORY, example_pools
from tests.integration.vllm.engines import arguments, container, templates
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.pools.engines import vllm_refused as refused

pytestmark = pytest.mark.vllm

GOLDEN = REPOSITORY / "tests" / "unit" / "domain" / "pools" / "testdata"
TEMPLATES = re.compile(r"/templates/|\./examples/")
REFUSED = [f"--{name}" for name in refused.REFUSED if name != "model-tag"]


def pools() -> dict[str, ServingPool]:
    """Return every pool we have: the golden cases and the examples."""
    golden = {
        folder.name: ServingPool.model_validate(yaml.safe_load((folder / "in.yaml").read_text()))
        for folder in sorted(GOLDEN.iterdir())
    }
    ours = {name: pool for name, pool in golden.items() if pool.spec.managed.engine.type == "VLLM"}
    return ours | example_pools()


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the templates that pools mount or find in their image: vLLM looks for them."""
    folder = tmp_path_factory.mktemp("templates")
    for name in ("llama.jinja", "tool_chat_template_llama3.1_json.jinja"):
        (folder / name).write_text("{{ messages }}")
    return folder


def _worker(pool: ServingPool) -> list[str]:
    """Return a worker's arguments as the kubelet writes them: places are filled in."""
    (engine,) = templates(pool)[1]["spec"]["containers"]
    return [text.replace("$(LWS_WORKER_INDEX)", "1") for text in engine["args"]]


@pytest.fixture(scope="module")
def answer(environment: Path, weights: Path, mounted: Path) -> dict[str, Any]:
    """Return vLLM's judgement of every list below; importing vLLM is slow, so all go at once."""
    large = arguments(example_pools()["chat-large"], weights=weights, port=8000)
    lists = {
        **{
            name: [TEMPLATES.sub(f"{mounted}/", a) for a in container(pool)["args"]]
            for name, pool in pools().items()
        },
        **{flag: ["m", flag] for flag in REFUSED},
        "worker": _worker(pools()["gpu-two-nodes"]),
        "a beginning": ["m", "--max-model=4096"],
        "large, configured": large,
    }
    asked = [{"arguments": a, "configure": "configured" in name} for name, a in lists.items()]
    done = subprocess.run(
        [environment / "bin" / "python", Path(__file__).with_name("parse.py")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    read = json.loads(done.stdout)
    return {**read, "judged": dict(zip(lists, read["judged"], strict=True))}


@pytest.fixture(scope="module")
def judged(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    judged: dict[str, dict[str, Any]] = answer["judged"]
    return judged


@pytest.mark.parametrize("name", pools())
def test_every_pool_we_know_is_understood(judged: dict[str, dict[str, Any]], name: str) -> None:
    """GPU pools too: the parser needs no GPU."""
    read, spec = judged[name], pools()[name].spec
    managed = spec.managed

    assert read.get("error") is None
    assert read["served"] == [spec.served.model_name, *spec.served.aliases]
    window = spec.served.context_window
    assert read["max_model_len"] == (-1 if window == "auto" else window)
    sizes = managed.parallelism
    assert read["parallel"] == [sizes.tensor, sizes.pipeline, sizes.data, sizes.expert]
    assert read["remote_code"] == (managed.model.remote_code == "Allowed")
    assert read["shutdown_timeout"] == managed.termination_grace_period.total_seconds()
    assert read["usage"] == [False, True]
    assert read["unknown_speculative"] == []
    assert read["adapters"] == [adapter.name for adapter in spec.served.adapters]
    tokens = managed.speculative.tokens if managed.speculative else None
    assert read["speculative"].get("num_speculative_tokens") == tokens


def test_a_leader_and_a_worker_have_their_places(judged: dict[str, dict[str, Any]]) -> None:
    leader, worker = judged["gpu-two-nodes"]["nodes"], judged["worker"]["nodes"]

    assert leader == [2, 0, "$(LWS_LEADER_ADDRESS)", False]
    assert worker == [2, 1, "$(LWS_LEADER_ADDRESS)", True]


def test_adapters_get_the_room_that_is_asked_for(judged: dict[str, dict[str, Any]]) -> None:
    """Rank 40 needs the next larger size that vLLM knows."""
    assert judged["gpu-adapters"]["lora"] == [True, 64, 2, 3]


def test_target_and_draft_make_a_configuration(
    judged: dict[str, dict[str, Any]], weights: Path
) -> None:
    """vLLM reads both models' configurations and finds that they fit; a GPU pool's, on a CPU."""
    assert example_pools()["chat-large"].spec.managed.device == "GPU"

    assert judged["large, configured"]["configured"] == {
        "method": "draft_model",
        "tokens": 3,
        "draft": str(weights / "draft"),
    }


@pytest.mark.parametrize("flag", REFUSED)
def test_what_we_refuse_exists(judged: dict[str, dict[str, Any]], flag: str) -> None:
    """A refused name that vLLM does not know would be a leftover, or a typing error."""
    assert "unrecognized arguments" not in str(judged[flag].get("error"))


def test_vllm_reads_beginnings_of_names(judged: dict[str, dict[str, Any]]) -> None:
    """That is why a beginning of a refused name is refused."""
    assert judged["a beginning"]["max_model_len"] == 4096


def test_of_all_options_exactly_the_listed_ones_are_refused(answer: dict[str, Any]) -> None:
    """Also those that begin like a refused one; what is refused is in the list, and no more."""
    known = [option for option in answer["options"] if option.startswith("--")]
    listed = {
        *refused.REFUSED,
        *refused.REFUSED_ON_CPU,
        *refused.REFUSED_WITH_ADAPTERS,
        *refused.REFUSED_OVER_NODES,
    }

    def is_refused(option: str) -> bool:
        return bool(refused.refusals([option], cpu=True, adapters=True, nodes=True))

    found = {option for option in known if is_refused(option)}

    assert len(known) > 300
    assert found == {
        option for option in known if option.removeprefix("--").removeprefix("no-") in listed
    }
    short = {option for option in answer["options"] if not option.startswith("--")}
    assert {option for option in short if is_refused(option)} == {*refused.SHORT}
