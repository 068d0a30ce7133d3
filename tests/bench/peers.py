"""Other routers for models, each in an environment of its own that is made once, by content."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from e2e.cluster import software
from e2e.kit.ports import free_port

HERE: Final = Path(__file__).parent
LITELLM: Final = "LiteLLM"
VLLM_ROUTER: Final = "vllm-router"
REQUIREMENTS: Final = {
    name: HERE / f"requirements-{name.lower()}.txt" for name in (LITELLM, VLLM_ROUTER)
}
SPACE: Final = 2 << 30
"""Bytes of the disk that an environment may take; LiteLLM's has 0.8 GB."""
START_SECONDS: Final = 180
"""Longest start of a peer: LiteLLM imports for most of a minute on a busy machine."""


def version(name: str) -> str:
    """Return the version of a peer that its requirements pin."""
    found = re.search(rf"^{name.lower()}==(\S+)", REQUIREMENTS[name].read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def litellm(
    folder: Path, port: int, models: Iterable[str], upstream: int, **more: object
) -> list[str]:
    """Return the command of LiteLLM's proxy before one server that answers for all models.

    Args:
        folder: where its configuration is written.
        port: where it listens, on the loopback.
        models: names, the same on both sides.
        upstream: port of the server.
        more: sections of its configuration.
    """
    place = {"api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "none"}
    config: Mapping[str, Any] = {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", **place}}
            for name in models
        ],
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
        **more,
    }
    file = folder / f"litellm-{port}.yaml"
    file.write_text(json.dumps(config))
    # It fetches a price list from the internet at its start unless it is told not to.
    offline = ["env", "LITELLM_LOCAL_MODEL_COST_MAP=True"]
    return [*offline, _program(LITELLM), "--config", str(file), *_place(port)]


def vllm_router(port: int, workers: Iterable[int]) -> list[str]:
    """Return the command of vLLM's router before workers, with its defaults but for the policy."""
    urls = [f"http://127.0.0.1:{worker}" for worker in workers]
    how = ["--policy", "round_robin", "--prometheus-port", str(free_port())]
    return [_program(VLLM_ROUTER), *_place(port), "--worker-urls", *urls, *how]


def _place(port: int) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(port)]


def _program(name: str) -> str:
    folder = software.environment(name.lower(), REQUIREMENTS[name], space=SPACE)
    return str(folder / "bin" / name.lower())
