"""The vLLM environment, the small models, and one engine of each example pool."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.cluster import software
from tests.integration.vllm.engines import Engine, started
from tokenfleet.api.v1alpha1.adapters import Adapter
from tokenfleet.api.v1alpha1.servingpool import ServingPool

REPOSITORY = Path(__file__).parents[3]
EXAMPLES = REPOSITORY / "e2e" / "demo" / "manifests" / "10-pools.yaml"
BROUGHT = """import os, pathlib
pathlib.Path(__file__).with_name(f"loaded-by-{os.getpid()}").touch()
"""
"""A module of an image: Python runs it first of all where PYTHONPATH leads to it."""


def example_pools() -> dict[str, ServingPool]:
    """Return the pools of the demo by name."""
    bodies = yaml.safe_load_all(EXAMPLES.read_text())
    pools = [ServingPool.model_validate(body) for body in bodies]
    return {pool.metadata.name: pool for pool in pools}


@pytest.fixture(scope="session")
def environment() -> Path:
    """Return the virtual environment with vLLM; installs it on first use."""
    return software.vllm()


@pytest.fixture(scope="session")
def weights(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the small models."""
    folder = tmp_path_factory.mktemp("models")
    for command in (["e2e.models", "make"], ["e2e.models.adapter"]):
        subprocess.run(
            [environment / "bin" / "python", "-m", *command, "--out", folder],
            cwd=REPOSITORY,
            check=True,
        )
    return folder


def small_pool() -> ServingPool:
    """Return the small example pool with an adapter."""
    pool = example_pools()["chat-small"]
    volume = {"claimName": "models", "path": "adapter"}
    source = {"type": "PersistentVolumeClaim", "persistentVolumeClaim": volume}
    adapter = Adapter.model_validate({"name": "chat-tuned", "source": source})
    pool.spec.served.adapters.append(adapter)
    return pool


@pytest.fixture(scope="session")
def large(
    environment: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """Return a running target + draft engine."""
    scratch = tmp_path_factory.mktemp("large")
    pool = example_pools()["chat-large"]
    with started(pool, environment=environment, weights=weights, scratch=scratch) as engine:
        yield engine


@pytest.fixture(scope="session")
def small(
    environment: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """Return a running small engine, which takes tools, has an adapter, and an image with modules."""
    scratch = tmp_path_factory.mktemp("small")
    pool = small_pool()
    pool.managed.engine.extra_args.extend(
        ["--enable-auto-tool-choice", "--tool-call-parser=hermes"]
    )
    brought = scratch / "brought"
    brought.mkdir()
    (brought / "sitecustomize.py").write_text(BROUGHT)
    with started(
        pool, environment=environment, weights=weights, scratch=scratch,
        image={"PYTHONPATH": str(brought)},
    ) as engine:  # fmt: skip
        yield engine


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Return a running simulator, started with the arguments of the small example pool."""
    scratch = tmp_path_factory.mktemp("simulator")
    binary = scratch / "bin" / "vllm"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\ncd {REPOSITORY}\nexec {sys.executable} -m e2e.simulator "$@"\n')
    binary.chmod(0o755)
    pool = small_pool()
    with started(pool, environment=scratch, weights=scratch, scratch=scratch / "run") as engine:
        yield engine
