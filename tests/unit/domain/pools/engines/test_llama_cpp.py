"""Facts about llama.cpp that golden files do not explain."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.domain.pools.builders import cpu_pool, gpu_pool
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.pools.engines import llama_cpp
from tokenfleet.domain.pools.workloads import workload

FILE = {
    "type": "PersistentVolumeClaim",
    "persistentVolumeClaim": {"claimName": "w", "path": "m.gguf"},
}


def pool(*, served: dict[str, Any] | None = None, **managed: Any) -> ServingPool:
    """Return a pool of the family on CPUs."""
    engine = {"type": "LlamaCpp", "image": "e", **managed.pop("engine", {})}
    spec = {"served": {"modelName": "m", **served}} if served else {}
    return cpu_pool(engine=engine, model={"source": FILE}, spec=spec, **managed)


def option(arguments: list[str], flag: str) -> str | None:
    return arguments[arguments.index(flag) + 1] if flag in arguments else None


@pytest.mark.parametrize(
    ("window", "size", "shared"),
    [
        pytest.param(1024, "3072", False, id="a number is kept for each slot"),
        pytest.param(None, "0", True, id="slots share the model's own length"),
        pytest.param("auto", None, True, id="slots share what fits"),
    ],
)
def test_the_window_decides_about_the_cache(
    window: int | str | None, size: str | None, *, shared: bool
) -> None:
    arguments = llama_cpp.arguments(
        pool(served={"contextWindow": window}, engine={"concurrency": 3})
    )

    assert (option(arguments, "--ctx-size"), "--kv-unified" in arguments) == (size, shared)
    assert option(arguments, "--parallel") == "3"


def test_bound_threads_are_bound() -> None:
    found = llama_cpp.arguments(
        pool(cpu={"threadBinding": "0-7"}, resources={"limits": {"cpu": "8"}})
    )
    flags = ("--threads", "--cpu-range", "--cpu-strict")

    assert [option(found, flag) for flag in flags] == ["8", "0-7", "1"]


def test_a_refused_argument_is_named_by_its_family_s_list() -> None:
    found = workload(pool(engine={"extraArgs": ["-np", "8"]})).problems

    assert [problem.reason for problem in found] == ["ArgumentRefused"]
    assert "spec.managed.engine.concurrency sets it" in found[0].message


def test_layers_on_gpus_are_all_of_them() -> None:
    engine = {"type": "LlamaCpp", "image": "e"}
    found = llama_cpp.arguments(gpu_pool(engine=engine, model={"source": FILE}))

    assert option(found, "--n-gpu-layers") == "999"
    assert option(found, "--threads") is None


class TestWaitingBeforeTheEnd:
    """The script of `preStop`, run by a real shell, with a curl that reads a file."""

    def run(self, folder: Path, answers: list[str], *, grace: str = "1m") -> list[str]:
        """Return what the script asked for, each answer given once and the last one always."""
        script = llama_cpp.pre_stop(pool(terminationGracePeriod=grace).spec.managed)["exec"]
        *shell, text = script["command"]
        for number, answer in enumerate(answers):
            (folder / f"answer-{number}").write_text(answer)
        (folder / "sleep").write_text(f'#!/bin/sh\necho "sleep $1" >>{folder}/said\n')
        (folder / "curl").write_text(
            f"#!/bin/sh\nn=$(grep -c asked {folder}/said)\necho asked >>{folder}/said\n"
            f"exec cat {folder}/answer-$n\n"
        )
        (folder / "said").touch()
        for name in ("sleep", "curl"):
            (folder / name).chmod(0o755)
        subprocess.run(
            [*shell, text], env={"PATH": f"{folder}:/usr/bin:/bin"}, check=True, timeout=60
        )
        return (folder / "said").read_text().split("\n")[:-1]

    def test_it_asks_until_the_engine_is_idle(self, tmp_path: Path) -> None:
        processing = "llamacpp:requests_processing {}\nllamacpp:requests_deferred {}\n"
        answers = [processing.format(1, 0), processing.format(0, 2), processing.format(0, 0)]

        found = self.run(tmp_path, answers)

        assert found == ["sleep 10", "asked", "sleep 1", "asked", "sleep 1", "asked"]

    def test_it_ends_with_an_engine_that_is_gone(self, tmp_path: Path) -> None:
        assert self.run(tmp_path, [""]) == ["sleep 10", "asked"]

    def test_without_curl_it_waits_the_whole_period(self, tmp_path: Path) -> None:
        script = llama_cpp.pre_stop(pool(terminationGracePeriod="1m").spec.managed)["exec"]
        (tmp_path / "sleep").write_text(f'#!/bin/sh\necho "sleep $1" >>{tmp_path}/said\n')
        (tmp_path / "sleep").chmod(0o755)

        subprocess.run(script["command"], env={"PATH": str(tmp_path)}, check=True, timeout=60)

        assert (tmp_path / "said").read_text().split("\n")[:-1] == ["sleep 10", "sleep 60"]
