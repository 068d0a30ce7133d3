"""SGLang: arguments, environment and manners. Checked against SGLang 0.5.23.

Its parser judges every pool of ours in `tests/integration/sglang`; the rest of this page is from
its source (`srt/entrypoints/http_server.py`, `srt/managers/tokenizer_manager.py`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool
from tokenfleet.api.v1alpha1.speculative import Speculative
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import caches, models, rollout
from tokenfleet.domain.pools.engines import variables
from tokenfleet.domain.pools.engines.engine import PORT, Signals
from tokenfleet.domain.pools.engines.options import Grammar, flags
from tokenfleet.domain.pools.engines.probes import http

TITLE: Final = "SGLang"
COMMAND: Final = ("python3", "-m", "sglang.launch_server")
ADAPTERS: Final = False
GROUP: Final = None
SHARED_BY: Final = ("--enable-dp-attention",)
"""Attention is computed by `--dp-size` groups of the tensor-parallel devices. Newer releases have
`--attn-dp-size` for it, which leaves `--dp-size` alone (`srt/server_args.py`)."""
METRICS_PATH: Final = "/metrics"
HEALTH_LIMIT: Final = 60
"""Seconds that one liveness probe may take: the engine answers it with the next token of anything,
and a long prompt can keep it from computing tokens for that long."""
SIGNALS: Final = Signals(
    waiting=("sglang:num_queue_reqs",),
    kv_cache=("sglang:token_usage",),
    cache_hits=("sglang:cached_tokens_total",),
    cache_queries=("sglang:prompt_tokens_total",),
    acceptance=("sglang:spec_accept_rate",),
)
ALGORITHMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DraftModel": "STANDALONE",
        "Eagle": "EAGLE",
        "Eagle3": "EAGLE3",
        "MTP": "NEXTN",
        "Ngram": "NGRAM",
    }
)
_MODEL: Final = "spec.managed.model sets it"
_SIZES: Final = "spec.managed.parallelism sets it"
_SPECULATIVE: Final = "spec.managed.speculative sets it"
_PLAIN: Final = "the router and the probes speak plain HTTP inside the cluster"
_PORT: Final = "the Service and the probes expect port 8000"
_KEY: Final = "a key on the command line is readable by everybody who may read pods"
_CODE: Final = "it runs code that the engine does not come with"
_METRICS: Final = "the operator sets it"
_SEVERAL: Final = "a replica is one pod"
_HALF: Final = "a replica does prefill and decode: adopt servers of one half by type Existing"
GRAMMAR: Final = Grammar(
    abbreviated=True,
    refused=MappingProxyType(
        {
            **flags(_MODEL, "--model", "--model-path", "--revision"),
            **flags("spec.managed.model.cache sets it", "--download-dir"),
            **flags("spec.managed.model.remoteCode sets it", "--trust-remote-code"),
            **flags("spec.served.modelName sets it", "--served-model-name"),
            **flags("spec.served.contextWindow sets it", "--context-length"),
            **flags(_SIZES, "--tp-size", "--tensor-parallel-size"),
            **flags(_SIZES, "--pp-size", "--pipeline-parallel-size"),
            **flags(_SIZES, "--dp-size", "--data-parallel-size"),
            **flags(_SIZES, "--ep-size", "--expert-parallel-size", "--ep"),
            **flags(_SEVERAL, "--nnodes", "--node-rank", "--dist-init-addr", "--nccl-init-addr"),
            **flags(_HALF, "--disaggregation-mode"),
            **flags(
                _SPECULATIVE,
                "--speculative-algorithm",
                "--speculative-draft-model-path",
                "--speculative-draft-model",
                "--speculative-draft-model-revision",
                "--speculative-num-steps",
                "--speculative-eagle-topk",
                "--speculative-num-draft-tokens",
            ),
            **flags(_PORT, "--host", "--port", "--grpc-mode", "--smg-grpc-mode", "--encoder-only"),
            **flags(_PORT, "--use-ray"),
            **flags("the router and the probes expect the root path", "--fastapi-root-path"),
            **flags(_PLAIN, "--ssl-keyfile", "--ssl-certfile", "--ssl-ca-certs", "--enable-http2"),
            **flags(_KEY, "--ssl-keyfile-password", "--api-key", "--admin-api-key"),
            **flags("a file could set everything that is refused here", "--config"),
            **flags(_METRICS, "--enable-metrics", "--enable-cache-report", "--skip-server-warmup"),
            **flags(
                "clients that did not ask would get usage in every chunk;"
                " the router asks for it itself",
                "--stream-response-default-include-usage",
            ),
            **flags(
                _CODE,
                "--custom-weight-loader",
                "--enable-custom-logit-processor",
                "--forward-hooks",
                "--sidecar",
                "--sidecar-args",
                "--trust-request-chat-template",
            ),
        }
    ),
    whole=frozenset({"--speculative-draft-model-quantization"}),
)


def arguments(pool: ServingPool) -> list[str]:
    """Return the arguments after `python3 -m sglang.launch_server`.

    One name is enough for all aliases: SGLang answers whatever `model` a request names.
    """
    managed = pool.managed
    sizes = managed.parallelism
    window = pool.spec.served.window_tokens
    options: dict[str, str | int | None] = {
        "--model-path": models.location(managed.model.source),
        "--revision": models.revision(managed.model.source),
        "--served-model-name": pool.spec.served.model_name,
        "--host": "0.0.0.0",  # noqa: S104  the pod's own address is not known before it starts
        "--port": PORT,
        "--context-length": window,
        "--tp-size": sizes.tensor,
        "--pp-size": sizes.pipeline if sizes.pipeline > 1 else None,
        "--dp-size": sizes.data if sizes.data > 1 else None,
        "--ep-size": sizes.tensor if sizes.expert else None,
        "--max-running-requests": managed.engine.concurrency,
        **_speculative(managed.speculative),
    }
    switches = {
        "--enable-metrics": True,
        "--enable-cache-report": True,
        "--trust-remote-code": managed.model.remote_code == "Allowed",
    }
    return [
        *(f"{flag}={value}" for flag, value in options.items() if value is not None),
        *(flag for flag, wanted in switches.items() if wanted),
        *managed.engine.extra_args,
    ]


def environment(pool: ServingPool) -> list[dict[str, Any]]:
    """Return the container's `env`."""
    values = {
        **variables.homes(pool.managed),
        **variables.kernels(pool.managed),
        "SGLANG_CACHE_DIR": f"{caches.compiled(pool.managed)}/sglang",
        "SGLANG_HEALTH_CHECK_TIMEOUT": str(HEALTH_LIMIT),
        **variables.offline(pool),
    }
    return variables.listed(pool, values)


def probes(managed: Managed) -> dict[str, Any]:
    """Return the container's probes.

    `/ready` is a flag: it turns once the model serves, and back at SIGTERM. `/health` computes a
    token where nothing else is computed, so it alone notices a scheduler that hangs; it is asked
    rarely, since one failure of it turns `/ready` as well.
    """
    return {
        **http(managed, path="/ready"),
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": "http"},
            "periodSeconds": HEALTH_LIMIT,
            "timeoutSeconds": HEALTH_LIMIT + 5,
            "failureThreshold": 3,
        },
    }


def pre_stop(managed: Managed) -> dict[str, Any]:  # noqa: ARG001  the same for every pool
    """Return the container's `preStop`.

    At SIGTERM the engine fails its probes at once, and ends by itself once the last request has
    its answer; it looks every five seconds.
    """
    return {"sleep": {"seconds": int(rollout.SPREAD.total_seconds())}}


def files(pool: ServingPool) -> Mapping[str, str]:  # noqa: ARG001  its arguments say everything
    """Return no files."""
    return {}


def refusals(pool: ServingPool) -> tuple[tuple[str, str], ...]:
    """Return what `extraArgs` must not hold."""
    return GRAMMAR.refusals(pool.managed.engine.extra_args)


def problems(name: str, managed: Managed) -> tuple[Problem, ...]:  # noqa: ARG001
    """Return nothing: the API server refuses what the engine cannot do."""
    return ()


def lacks(managed: Managed) -> tuple[str, ...]:  # noqa: ARG001  the same for every pool
    """Return nothing: the engine has every signal."""
    return ()


def _speculative(speculative: Speculative | None) -> dict[str, str | int | None]:
    """Return the options of speculation.

    SGLang counts the token that the target computes itself as drafted, too. Steps
    are the depth of its tree of proposals; a chain of N tokens is a tree of depth N and width 1.
    """
    if speculative is None:
        return {}
    draft, tree = speculative.draft_model, speculative.tree
    chosen: dict[str, str | int | None] = {
        "--speculative-algorithm": ALGORITHMS[speculative.type],
        "--speculative-draft-model-path": models.location(draft.source) if draft else None,
        "--speculative-draft-model-revision": models.revision(draft.source) if draft else None,
        "--speculative-num-draft-tokens": speculative.tokens + 1,
    }
    if speculative.type == "Ngram":
        return chosen
    return {
        **chosen,
        "--speculative-num-steps": tree.depth if tree else speculative.tokens,
        "--speculative-eagle-topk": tree.width if tree else 1,
    }
