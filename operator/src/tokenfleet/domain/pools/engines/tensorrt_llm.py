"""TensorRT-LLM's `trtllm-serve`: arguments, environment, files and manners. Not run.

There is no GPU where this project is built: what stands here is from the documentation and source
of TensorRT-LLM 1.4 (`commands/serve.py`, `metrics/collector.py`, `features/speculative-decoding`),
and golden tests hold it to nothing but that.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool
from tokenfleet.api.v1alpha1.speculative import Speculative
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import models, rollout
from tokenfleet.domain.pools.engines import json_options, variables
from tokenfleet.domain.pools.engines.engine import FILES_PATH, PORT, Signals
from tokenfleet.domain.pools.engines.options import Grammar, flags
from tokenfleet.domain.pools.engines.probes import http

TITLE: Final = "TensorRT-LLM"
COMMAND: Final = ("trtllm-serve", "serve")
ADAPTERS: Final = False
GROUP: Final = None
SHARED_BY: Final = ()
METRICS_PATH: Final = "/prometheus/metrics"
"""`/metrics` holds statistics as JSON."""
CONFIG: Final = "config.yaml"
SIGNALS: Final = Signals(
    waiting=("trtllm_server_queue_length",),
    kv_cache=("trtllm_kv_cache_utilization",),
    cache_hits=("trtllm_prompt_cached_tokens_total",),
    cache_queries=("trtllm_prompt_tokens_total",),
    accepted=("trtllm_spec_decode_accepted_tokens_total",),
    drafted=("trtllm_spec_decode_drafted_tokens_total",),
)
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"DraftModel": "Draft_Target", "Eagle3": "Eagle3", "MTP": "MTP", "Ngram": "NGram"}
)
_MODEL: Final = "spec.managed.model sets it"
_SIZES: Final = "spec.managed.parallelism sets it"
_SERVICE: Final = "the Service and the probes expect port 8000"
_CODE: Final = "it runs code that the engine does not come with"
_SEVERAL: Final = "a replica is one pod that does everything"
GRAMMAR: Final = Grammar(
    abbreviated=False,
    refused=MappingProxyType(
        {
            **flags(_MODEL, "--revision"),
            **flags("spec.managed.model.remoteCode sets it", "--trust_remote_code"),
            **flags("spec.served.modelName sets it", "--served_model_name"),
            **flags("spec.served.contextWindow sets it", "--max_seq_len"),
            **flags(_SIZES, "--tp_size", "--tensor_parallel_size"),
            **flags(_SIZES, "--pp_size", "--pipeline_parallel_size"),
            **flags(_SIZES, "--ep_size", "--moe_expert_parallel_size"),
            **flags(_SERVICE, "--host", "--port", "--grpc"),
            **flags("the operator sets it", "--config", "--extra_llm_api_options"),
            **flags(_SEVERAL, "--server_role", "--metadata_server_config_file"),
            **flags(_SEVERAL, "--disagg_cluster_uri"),
            **flags(_CODE, "--custom_module_dirs", "--custom_tokenizer"),
        }
    ),
)
REFUSED_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **flags(_MODEL, "model", "revision"),
        **flags("spec.managed.model.remoteCode sets it", "trust_remote_code"),
        **flags("spec.served.contextWindow sets it", "max_seq_len"),
        **flags("spec.managed.engine.concurrency sets it", "max_batch_size"),
        **flags(_SIZES, "tensor_parallel_size", "pipeline_parallel_size"),
        **flags(_SIZES, "moe_expert_parallel_size"),
        **flags("spec.managed.speculative sets it", "speculative_config"),
        **flags("spec.managed.engine.env sets it", "env_overrides"),
        **flags("the operator sets it", "return_perf_metrics", "enable_iter_perf_stats"),
        **flags(_CODE, "custom_tokenizer", "custom_module_dirs", "ray_worker_extension_cls"),
    }
)
"""Keys that `engine.config` must not hold (`llmapi/llm_args.py`)."""


def arguments(pool: ServingPool) -> list[str]:
    """Return the arguments after `trtllm-serve serve`.

    One name is enough for all aliases: it answers whatever `model` a request names.
    """
    managed = pool.managed
    sizes = managed.parallelism
    options: dict[str, str | int | None] = {
        "--served_model_name": pool.spec.served.model_name,
        "--host": "0.0.0.0",  # noqa: S104  the pod's own address is not known before it starts
        "--port": PORT,
        "--revision": models.revision(managed.model.source),
        "--max_seq_len": pool.spec.served.window_tokens,
        "--tp_size": sizes.tensor,
        "--pp_size": sizes.pipeline if sizes.pipeline > 1 else None,
        "--ep_size": sizes.tensor if sizes.expert else None,
        "--max_batch_size": managed.engine.concurrency,
        "--config": f"{FILES_PATH}/{CONFIG}",
    }
    return [
        models.location(managed.model.source),
        *(f"{flag}={value}" for flag, value in options.items() if value is not None),
        *(["--trust_remote_code"] if managed.model.remote_code == "Allowed" else []),
        *managed.engine.extra_args,
    ]


def environment(pool: ServingPool) -> list[dict[str, Any]]:
    """Return the container's `env`."""
    values = {
        **variables.homes(pool.managed),
        **variables.kernels(pool.managed),
        **variables.offline(pool),
    }
    return variables.listed(pool, values)


def probes(managed: Managed) -> dict[str, Any]:
    """Return the container's probes."""
    return http(managed, path="/health")


def pre_stop(managed: Managed) -> dict[str, Any]:  # noqa: ARG001  the same for every pool
    """Return the container's `preStop`: at SIGTERM its HTTP server takes nothing new and waits."""
    return {"sleep": {"seconds": int(rollout.SPREAD.total_seconds())}}


def files(pool: ServingPool) -> Mapping[str, str]:
    """Return the file of options that have no argument: the user's, metrics and speculation."""
    speculative = pool.managed.speculative
    config = {
        "return_perf_metrics": True,
        "enable_iter_perf_stats": True,
        **(_speculative(speculative) if speculative else {}),
    }
    given = pool.managed.engine.config
    # JSON is YAML.
    told = {**(json.loads(given) if given else {}), **config}
    return {CONFIG: json.dumps(told, sort_keys=True, separators=(",", ":"))}


def refusals(pool: ServingPool) -> tuple[tuple[str, str], ...]:
    """Return what `extraArgs` must not hold."""
    return GRAMMAR.refusals(pool.managed.engine.extra_args)


def problems(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Return what `engine.config` must not hold; the API server refuses all else."""
    _, found = json_options.read(managed.engine.config or "{}", REFUSED_KEYS)
    return tuple(json_options.refusal(f"pool {name}: engine.config", fault) for fault in found)


def lacks(managed: Managed) -> tuple[str, ...]:  # noqa: ARG001  the same for every pool
    """Return what users must know before they trust it."""
    return ("it was never run by this project: arguments and metrics are from its documentation",)


def _speculative(speculative: Speculative) -> dict[str, Any]:
    draft = speculative.draft_model
    length = "num_nextn_predict_layers" if speculative.type == "MTP" else "max_draft_len"
    config: dict[str, Any] = {"decoding_type": KINDS[speculative.type], length: speculative.tokens}
    if draft is not None:
        config["speculative_model"] = models.location(draft.source)
    if speculative.off_above is not None:
        config["max_concurrency"] = speculative.off_above
    # Two models take turns: its scheduler must not overlap steps.
    turns = {"disable_overlap_scheduler": True} if speculative.type == "DraftModel" else {}
    return {"speculative_config": config, **turns}
