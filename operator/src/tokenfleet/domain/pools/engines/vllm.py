"""vLLM: arguments, environment and manners. Checked against vLLM 0.32 (`tests/integration/vllm`).

Everything here ends up in pod templates. A change of one byte restarts every pool of every user on
the next operator upgrade, so additions must depend on something new in the spec.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from tokenfleet.api.units import parse_quantity
from tokenfleet.api.v1alpha1.servingpool import CPUOptions, Managed, ServingPool
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import caches, models, rollout
from tokenfleet.domain.pools.engines import (
    variables,
    vllm_adapters,
    vllm_refused,
    vllm_speculation,
    vllm_versions,
)
from tokenfleet.domain.pools.engines.engine import PORT, Group, Signals
from tokenfleet.domain.pools.engines.probes import http

TITLE: Final = "vLLM"
ADAPTERS: Final = True
GROUP: Final = Group(
    leader=("--nnodes={nodes}", "--node-rank=0", "--master-addr={leader}"),
    worker=("--nnodes={nodes}", "--node-rank={index}", "--master-addr={leader}", "--headless"),
    address="VLLM_HOST_IP",
)
COMMAND: Final = ("vllm", "serve")
SHARED_BY: Final = ()
METRICS_PATH: Final = "/metrics"
SIGNALS: Final = Signals(
    waiting=("vllm:num_requests_waiting",),
    kv_cache=("vllm:kv_cache_usage_perc",),
    cache_hits=("vllm:prefix_cache_hits_total",),
    cache_queries=("vllm:prefix_cache_queries_total",),
    accepted=("vllm:spec_decode_num_accepted_tokens_total",),
    drafted=("vllm:spec_decode_num_draft_tokens_total",),
)


def arguments(pool: ServingPool) -> list[str]:
    """Return the arguments after `vllm serve`: the model, typed fields, then the user's own."""
    managed = pool.managed
    revision = models.revision(managed.model.source)
    sizes = managed.parallelism
    window = pool.spec.served.context_window
    options: dict[str, str | None] = {
        "--port": str(PORT),
        "--revision": revision,
        "--max-model-len": str(window) if window else None,
        "--tensor-parallel-size": str(sizes.tensor),
        "--pipeline-parallel-size": str(sizes.pipeline) if sizes.pipeline > 1 else None,
        "--data-parallel-size": str(sizes.data) if sizes.data > 1 else None,
        "--kv-cache-memory-bytes": _kv_cache_bytes(managed),
        "--max-num-seqs": str(managed.engine.concurrency) if managed.engine.concurrency else None,
        "--speculative-config": _speculative(managed),
        "--shutdown-timeout": str(shutdown_timeout_seconds(managed)),
    }
    typed = [f"{flag}={value}" for flag, value in options.items() if value is not None]
    switches = {
        "--enable-prompt-tokens-details": True,
        "--enable-expert-parallel": sizes.expert,
        "--trust-remote-code": managed.model.remote_code == "Allowed",
    }
    return [
        models.location(managed.model.source),
        *_names(pool),
        *typed,
        *(flag for flag, wanted in switches.items() if wanted),
        *vllm_adapters.options(pool),
        *managed.engine.extra_args,
    ]


def environment(pool: ServingPool) -> list[dict[str, Any]]:
    """Return the container's `env`."""
    managed = pool.managed
    compiled = caches.compiled(managed)
    values = {
        **variables.homes(managed),
        "VLLM_CACHE_ROOT": f"{compiled}/vllm",
        "VLLM_CONFIG_ROOT": f"{caches.SCRATCH}/config/vllm",
        **variables.kernels(managed),
        "VLLM_NO_USAGE_STATS": "1",
        # Else the API server gives its engine up after ten minutes, whatever the pod may take.
        "VLLM_ENGINE_READY_TIMEOUT_S": str(math.ceil(managed.startup_timeout.total_seconds())),
        **variables.offline(pool),
        **_threads(managed),
    }
    return variables.listed(pool, values)


def probes(managed: Managed) -> dict[str, Any]:
    """Return the container's probes: `/health` answers 503 once the engine is dead."""
    return http(managed, path="/health")


def pre_stop(managed: Managed) -> dict[str, Any]:  # noqa: ARG001  the same for every pool
    """Return the container's `preStop`: the engine itself waits for running streams."""
    return {"sleep": {"seconds": int(rollout.SPREAD.total_seconds())}}


def files(pool: ServingPool) -> Mapping[str, str]:  # noqa: ARG001  its arguments say everything
    """Return no files."""
    return {}


def refusals(pool: ServingPool) -> tuple[tuple[str, str], ...]:
    """Return what `extraArgs` must not hold."""
    managed = pool.managed
    return vllm_refused.refusals(
        managed.engine.extra_args,
        cpu=managed.device == "CPU",
        adapters=bool(pool.spec.served.adapters),
        nodes=managed.parallelism.nodes > 1,
    )


def problems(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Return what the engine would stop at."""
    return (*vllm_speculation.problems(name, managed), *vllm_versions.problems(name, managed))


def lacks(managed: Managed) -> tuple[str, ...]:  # noqa: ARG001  the same for every pool
    """Return nothing: the engine has every signal."""
    return ()


def shutdown_timeout_seconds(managed: Managed) -> int:
    """Return how long the engine lets running streams go on after SIGTERM; at least 1.

    Without it vLLM ends them at once. With it they end whole, but a new request is answered with
    500 from the first moment on: traffic must have moved away before SIGTERM.
    """
    return max(1, round(managed.termination_grace_period.total_seconds()))


def _names(pool: ServingPool) -> list[str]:
    """Return the option with all names; the first is the one that answers carry."""
    served = pool.spec.served
    if not served.aliases:
        return [f"--served-model-name={served.model_name}"]
    # The form with `=` takes one value only.
    return ["--served-model-name", served.model_name, *served.aliases]


def _cpu(managed: Managed) -> CPUOptions | None:
    return (managed.cpu or CPUOptions()) if managed.device == "CPU" else None


def _kv_cache_bytes(managed: Managed) -> str | None:
    # Not VLLM_CPU_KVCACHE_SPACE: that counts whole GiB, and vLLM calls it a legacy setting.
    options = _cpu(managed)
    return str(int(parse_quantity(options.kv_cache))) if options else None


def _threads(managed: Managed) -> dict[str, str]:
    """Return the binding, and without binding the thread count.

    An unbound OpenMP starts one thread for each core of the node, however small the pod's limit.
    """
    options = _cpu(managed)
    if options is None:
        return {}
    binding = {"VLLM_CPU_OMP_THREADS_BIND": options.thread_binding}
    limit = managed.resources.limits.get("cpu")
    if options.thread_binding != "nobind" or limit is None:
        return binding
    return {**binding, "OMP_NUM_THREADS": str(max(1, int(parse_quantity(limit))))}


def _speculative(managed: Managed) -> str | None:
    if managed.speculative is None:
        return None
    config = vllm_speculation.config(managed.speculative, managed.parallelism.tensor)
    return json.dumps(config, sort_keys=True, separators=(",", ":"))
