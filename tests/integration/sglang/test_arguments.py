"""The arguments that pools are given are arguments of SGLang, by SGLang's own parser."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import software
from tests.integration.vllm.engines import container
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.pools.engines import sglang
from tokenfleet.domain.pools.models import location, revision

pytestmark = pytest.mark.vllm

GOLDEN = Path(__file__).parents[2] / "unit" / "domain" / "pools" / "testdata"
REFUSED = sorted(sglang.GRAMMAR.refused)


def pools() -> dict[str, ServingPool]:
    """Return the golden cases of this family."""
    read = {
        folder.name: ServingPool.model_validate(yaml.safe_load((folder / "in.yaml").read_text()))
        for folder in sorted(GOLDEN.iterdir())
    }
    return {name: pool for name, pool in read.items() if managed(pool).engine.type == "SGLang"}


def managed(pool: ServingPool) -> Any:
    return pool.spec.managed


@pytest.fixture(scope="module")
def answer() -> dict[str, Any]:
    """Return SGLang's judgement of every list below; importing it is slow, so all go at once."""
    beside = next(software.sglang().glob("lib/python3*/site-packages"))
    lists = {
        **{name: container(pool)["args"] for name, pool in pools().items()},
        "a beginning": ["--model-path=m", "--context-len=4096"],
        "two names": ["--model-path=m", "--served-model-name", "a", "b"],
    }
    done = subprocess.run(
        [software.vllm() / "bin" / "python", Path(__file__).with_name("parse.py")],
        input=json.dumps(list(lists.values())),
        env={**os.environ, "PYTHONPATH": str(beside)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    read = json.loads(done.stdout)
    return {**read, "judged": dict(zip(lists, read["judged"], strict=True))}


@pytest.mark.parametrize("name", pools())
def test_every_pool_of_the_family_is_understood(answer: dict[str, Any], name: str) -> None:
    judged, spec = answer["judged"][name], pools()[name].spec
    read, wanted = judged.get("read"), managed(pools()[name])

    assert judged.get("error") is None
    assert (read["model_path"], read["revision"]) == (
        location(wanted.model.source),
        revision(wanted.model.source),
    )
    assert (read["served_model_name"], read["port"]) == (spec.served.model_name, 8000)
    assert read["context_length"] == spec.served.context_window
    sizes = wanted.parallelism
    assert [read["tp_size"], read["pp_size"], read["dp_size"]] == [
        sizes.tensor,
        sizes.pipeline,
        sizes.data,
    ]
    assert read["ep_size"] == (sizes.tensor if sizes.expert else 1)
    assert read["max_running_requests"] == wanted.engine.concurrency
    assert (read["enable_metrics"], read["enable_cache_report"]) == (True, True)
    assert read["trust_remote_code"] == (wanted.model.remote_code == "Allowed")


def test_a_draft_is_told_in_sglangs_own_numbers(answer: dict[str, Any]) -> None:
    """A chain of three is verified with the target's own token: four, three steps, one branch."""
    chain, tree = (
        answer["judged"][name]["read"] for name in ("sglang-standalone", "sglang-eagle3-tree")
    )
    names = ("algorithm", "num_steps", "eagle_topk", "num_draft_tokens", "draft_model_revision")

    assert [chain[f"speculative_{name}"] for name in names] == ["STANDALONE", 3, 1, 4, None]
    assert [tree[f"speculative_{name}"] for name in names] == ["EAGLE3", 5, 8, 16, "v1"]


def test_sglang_reads_beginnings_of_names(answer: dict[str, Any]) -> None:
    """That is why a beginning of a refused name is refused."""
    assert answer["judged"]["a beginning"]["read"]["context_length"] == 4096


def test_sglang_takes_one_name(answer: dict[str, Any]) -> None:
    """Its aliases need no telling: it answers whatever name a request has."""
    assert "unrecognized arguments: b" in answer["judged"]["two names"]["error"]


@pytest.mark.parametrize("flag", REFUSED)
def test_what_we_refuse_exists(answer: dict[str, Any], flag: str) -> None:
    """A refused name that SGLang does not know would be a leftover, or a typing error."""
    assert flag in answer["options"]


def test_of_all_options_exactly_the_listed_ones_are_refused(answer: dict[str, Any]) -> None:
    """Also those that begin like a refused one."""
    known = [option for option in answer["options"] if option.startswith("--")]

    assert len(known) > 400
    assert [option for option in known if sglang.GRAMMAR.refusals([option])] == REFUSED
