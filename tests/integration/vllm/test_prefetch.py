"""The Job that fills a cache: its containers, as they are rendered, by vLLM's own Python.

What the kubelet would do is done here: containers run one after the other, each with its arguments
and its environment, and folders of the test in place of volumes.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.kit.hub import Hub, hub
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.pools.engines.engine import FILES_PATH
from tokenfleet.domain.pools.prefetch import MESSAGE_FILE
from tokenfleet.domain.pools.workloads import workload

SHARD = b"w" * 40_000
TARGET = {
    "config.json": b"{}",
    "tokenizer.model": b"t" * 100,
    **{f"model-{n}.safetensors": SHARD + bytes([n]) for n in range(8)},
    "pytorch_model.bin": b"b" * 500_000,
    "original/consolidated.pth": b"o" * 500_000,
    "onnx/model.onnx": b"x" * 500_000,
}
LOADED = {"config.json", "tokenizer.model", *(f"model-{n}.safetensors" for n in range(8))}
DRAFT = {"config.json": b"{}", "pytorch_model.bin": b"d" * 20_000}
REPOSITORIES = {"org/target": TARGET, "org/draft": DRAFT}
FIND = """
import json, os, sys
from huggingface_hub import snapshot_download
folder = snapshot_download(sys.argv[1], revision=sys.argv[2], local_files_only=True)
print(json.dumps({os.path.relpath(os.path.join(d, f), folder): os.path.getsize(os.path.join(d, f))
                  for d, _, files in os.walk(folder) for f in files}))
"""


def pool(repository: str = "org/target") -> ServingPool:
    def source(repo: str) -> dict[str, Any]:
        return {"type": "HuggingFace", "huggingFace": {"repo": repo, "revision": "v1"}}

    return ServingPool.model_validate(
        {
            "metadata": {"name": "large", "namespace": "fleet"},
            "spec": {
                "served": {"modelName": "m"},
                "managed": {
                    "engine": {"image": "vllm/vllm-openai:v0.32.0"},
                    "model": {
                        "source": source(repository),
                        "cache": {
                            "persistentVolumeClaim": {"claimName": "hub"},
                            "prefetch": "Job",
                        },
                    },
                    "resources": {"limits": {"nvidia.com/gpu": 1}},
                    "speculative": {
                        "type": "DraftModel",
                        "tokens": 3,
                        "draftModel": {"source": source("org/draft")},
                    },
                },
            },
        }
    )


class Node:
    """What a kubelet does for the pod of one Job."""

    def __init__(self, environment: Path, folder: Path, served: Hub) -> None:
        """Run programs of `environment`; `folder` holds every volume."""
        self.environment, self.folder, self.served = environment, folder, served

    def run(
        self, container: dict[str, Any], notes: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run one container to its end."""
        for text in notes.values():
            (self.folder / "fetch.py").write_text(text)
        moved = {
            FILES_PATH: self.folder,
            "/cache": self.folder / "cache",
            "/tmp": self.folder / "t",
        }
        told = [self.moved(text, moved) for text in (*container["command"], *container["args"])]
        python, *rest = (t.replace(MESSAGE_FILE, str(self.folder / "message")) for t in told)
        assert python == "python3"
        values = {one["name"]: self.moved(one["value"], moved) for one in container["env"]}
        return subprocess.run(
            [self.environment / "bin" / python, *rest],
            env={**values, "HF_ENDPOINT": self.served.url, "HF_TOKEN": "secret"},
            capture_output=True,
            text=True,
            check=False,
        )

    def message(self) -> dict[str, int]:
        """Return what the last container left."""
        left: dict[str, int] = json.loads((self.folder / "message").read_text())
        return left

    def found(self, repository: str) -> dict[str, int]:
        """Return the files that an engine finds in the cache, without a hub, and their sizes."""
        out = subprocess.run(
            [self.environment / "bin" / "python3", "-c", FIND, repository, "v1"],
            env={"HF_HOME": str(self.folder / "cache" / "huggingface"), "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        sizes: dict[str, int] = json.loads(out.stdout)
        return sizes

    @staticmethod
    def moved(text: str, folders: dict[str, Path]) -> str:
        for old, new in folders.items():
            if text == old or text.startswith(f"{old}/"):
                return str(new) + text.removeprefix(old)
        return text


@pytest.fixture
def served() -> Iterator[Hub]:
    with hub(REPOSITORIES, token="secret") as made:
        yield made


@pytest.fixture
def node(environment: Path, tmp_path: Path, served: Hub) -> Node:
    return Node(environment, tmp_path, served)


def containers(of: ServingPool) -> tuple[list[dict[str, Any]], dict[str, str]]:
    job = next(body for body in workload(of).objects if body["kind"] == "Job")
    template = job["spec"]["template"]
    spec = template["spec"]
    return [*spec["initContainers"], *spec["containers"]], template["metadata"]["annotations"]


def test_a_cache_is_filled_step_by_step_with_what_engines_load(node: Node) -> None:
    first, *others = containers(pool())[0]
    notes = containers(pool())[1]
    told = []
    for container in (first, others[4], others[-1]):
        ended = node.run(container, notes)
        assert ended.returncode == 0, ended.stderr
        told.append(node.message())

    whole = sum(len(TARGET[name]) for name in LOADED) + sum(map(len, DRAFT.values()))
    assert told[0] == {"files": 0, "totalFiles": 12, "bytes": 0, "totalBytes": whole}
    assert 0.4 < told[1]["bytes"] / whole < 0.7
    assert told[2] == {"files": 12, "totalFiles": 12, "bytes": whole, "totalBytes": whole}
    assert node.found("org/target") == {name: len(TARGET[name]) for name in LOADED}
    assert node.found("org/draft") == {name: len(content) for name, content in DRAFT.items()}
    assert len(node.served.fetched) == len(set(node.served.fetched)) == 12
    assert node.served.revisions == {"v1"}


def test_a_repository_that_is_not_there_is_the_last_line_of_the_pod(node: Node) -> None:
    found, notes = containers(pool("org/typo"))

    ended = node.run(found[0], notes)

    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()[-1:]
    assert line.startswith("RepositoryNotFoundError: 404")
    assert "org/typo" in line[:200]


def test_progress_is_counted_in_files_where_sizes_are_not_told(
    environment: Path, tmp_path: Path
) -> None:
    with hub(REPOSITORIES, token="secret", sizes=False) as served:
        node = Node(environment, tmp_path, served)
        found, notes = containers(pool())
        ended = node.run(found[0], notes)

        assert ended.returncode == 0, ended.stderr
        assert node.message() == {"files": 0, "totalFiles": 12}
