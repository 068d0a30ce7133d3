"""llama.cpp's `llama-server`: arguments, environment and manners. Tried with llama.cpp 0.5.0.

It serves models in one file of the format GGUF. Its parser reads options by their exact names and
values as arguments of their own. The KV cache is shared out to slots: each computes one request at
a time, and further requests wait for one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tokenfleet.api.units import parse_quantity
from tokenfleet.api.v1alpha1.model_source import ModelSource
from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool
from tokenfleet.api.v1alpha1.speculative import Speculative
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import models, rollout
from tokenfleet.domain.pools.engines import variables
from tokenfleet.domain.pools.engines.engine import PORT, Signals
from tokenfleet.domain.pools.engines.options import Grammar, flags
from tokenfleet.domain.pools.engines.probes import http

TITLE: Final = "llama.cpp"
COMMAND: Final = ("/app/llama-server",)
"""Where the public images have it; it is not in their PATH."""
ADAPTERS: Final = False
GROUP: Final = None
SHARED_BY: Final = ()
METRICS_PATH: Final = "/metrics"
SLOTS: Final = 4
"""Requests computed at once where `engine.concurrency` is absent; llama-server's own number."""
ALL_LAYERS: Final = 999
"""More layers than any model has: all of them are computed on the GPU."""
SIGNALS: Final = Signals(
    waiting=("llamacpp:requests_deferred",),
    cache_hits=("llamacpp:prompt_tokens_cached_total",),
    cache_queries=("llamacpp:prompt_tokens_cached_total", "llamacpp:prompt_tokens_total"),
    accepted=("llamacpp:spec_decode_num_accepted_tokens_total",),
    drafted=("llamacpp:spec_decode_num_draft_tokens_total",),
)
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DraftModel": "draft-simple",
        "Eagle3": "draft-eagle3",
        "MTP": "draft-mtp",
        "Ngram": "ngram-simple",
    }
)
_MODEL: Final = "spec.managed.model sets it"
_SPECULATIVE: Final = "spec.managed.speculative sets it"
_SIZES: Final = "spec.managed.parallelism sets it"
_SERVICE: Final = "the Service and the probes expect port 8000 and the root path"
_PLAIN: Final = "the router and the probes speak plain HTTP inside the cluster"
_FILES: Final = "it lets requests read or write files of the pod"
_SECRET: Final = "a key on the command line is readable by everybody who may read pods"  # noqa: S105
_COMMANDS: Final = "it runs commands in the pod"
_OPERATOR: Final = "the operator sets it"
GRAMMAR: Final = Grammar(
    abbreviated=False,
    refused=MappingProxyType(
        {
            **flags(_MODEL, "-m", "--model", "-mu", "--model-url", "-dr", "--docker-repo"),
            **flags(_MODEL, "-hf", "-hfr", "--hf-repo", "-hff", "--hf-file"),
            **flags(_MODEL, "--models-dir", "--models-preset"),
            **flags("spec.served.modelName and aliases set it", "-a", "--alias"),
            **flags("spec.served.contextWindow sets it", "-c", "--ctx-size"),
            **flags("spec.served.contextWindow sets it", "-kvu", "--kv-unified", "-no-kvu"),
            **flags("spec.served.contextWindow sets it", "--no-kv-unified"),
            **flags("spec.managed.engine.concurrency sets it", "-np", "--parallel"),
            **flags("spec.managed.device sets it", "-ngl", "--gpu-layers", "--n-gpu-layers"),
            **flags(_SIZES, "-ts", "--tensor-split", "-sm", "--split-mode"),
            **flags(_SPECULATIVE, "-md", "--model-draft", "--spec-draft-model", "--spec-type"),
            **flags(_SPECULATIVE, "-hfd", "-hfrd", "--hf-repo-draft", "--spec-draft-hf"),
            **flags(_SPECULATIVE, "--spec-draft-n-max", "--draft", "--draft-n", "--draft-max"),
            **flags(_SERVICE, "--host", "--port", "--reuse-port", "--api-prefix"),
            **flags(_PLAIN, "--ssl-key-file", "--ssl-cert-file"),
            **flags(_SECRET, "--api-key", "-hft", "--hf-token"),
            **flags(_OPERATOR, "--metrics", "--slots", "--no-slots", "--sse-ping-interval"),
            **flags(_FILES, "--path", "--slot-save-path", "--media-path", "--props"),
            **flags(_COMMANDS, "--tools", "--tools-runtime", "-ag", "--agent"),
            **flags(_COMMANDS, "--mcp-servers-config", "--mcp-servers-json"),
            **flags(_COMMANDS, "--ui-mcp-proxy", "--webui-mcp-proxy"),
        }
    ),
)


def arguments(pool: ServingPool) -> list[str]:
    """Return the arguments after the program."""
    managed, served = pool.managed, pool.spec.served
    options: dict[str, str | int | None] = {
        **_model(managed.model.source, file="--model", repository="--hf-repo"),
        "--alias": ",".join((served.model_name, *served.aliases)),
        "--host": "0.0.0.0",  # noqa: S104  the pod's own address is not known before it starts
        "--port": PORT,
        **_window(pool),
        "--parallel": slots(managed),
        "--n-gpu-layers": ALL_LAYERS if managed.device == "GPU" else 0,
        **_split(managed),
        **_threads(managed),
        **_speculative(managed.speculative),
        # Comments inside a stream would count as its first byte.
        "--sse-ping-interval": -1,
    }
    written = [text for flag, value in options.items() if value is not None
               for text in (flag, str(value))]  # fmt: skip
    shared = [] if served.window_tokens else ["--kv-unified"]
    return [*written, *shared, "--metrics", *managed.engine.extra_args]


def environment(pool: ServingPool) -> list[dict[str, Any]]:
    """Return the container's `env`."""
    values = {
        **variables.homes(pool.managed),
        "LLAMA_CACHE": f"{variables.homes(pool.managed)['HF_HOME']}/hub",
        **variables.offline(pool),
    }
    return variables.listed(pool, values)


def probes(managed: Managed) -> dict[str, Any]:
    """Return the container's probes: `/health` answers 503 while the model is loaded.

    It is answered beside the engine's own loop: an engine that hangs is not noticed by it.
    """
    return http(managed, path="/health")


def pre_stop(managed: Managed) -> dict[str, Any]:
    """Return the container's `preStop`: wait until nothing is computed and nothing waits.

    At SIGTERM llama-server ends every stream at once. So SIGTERM comes only when it is idle, or
    when `terminationGracePeriod` is over. An engine that computes a long prompt may not answer in
    time (curl's exit code 28): that is work, too. The image must have a shell, curl and grep, as
    the public ones have; without curl the whole period is waited.
    """
    spread = int(rollout.SPREAD.total_seconds())
    limit = int(managed.termination_grace_period.total_seconds())
    ask = f"curl -sf --max-time 5 http://127.0.0.1:{PORT}{METRICS_PATH}"
    busy = "grep -Eq '^llamacpp:requests_(processing|deferred) [1-9]'"
    script = (
        f"sleep {spread}; command -v curl >/dev/null || exec sleep {limit};"
        f" end=$(($(date +%s) + {limit}));"
        f" while [ $(date +%s) -lt $end ]; do said=$({ask});"
        f' case $? in 0) echo "$said" | {busy} || break;; 28) ;; *) break;; esac; sleep 1; done'
    )
    return {"exec": {"command": ["/bin/sh", "-c", script]}}


def files(pool: ServingPool) -> Mapping[str, str]:  # noqa: ARG001  its arguments say everything
    """Return no files."""
    return {}


def refusals(pool: ServingPool) -> tuple[tuple[str, str], ...]:
    """Return what `extraArgs` must not hold."""
    return GRAMMAR.refusals(pool.managed.engine.extra_args)


def problems(name: str, managed: Managed) -> tuple[Problem, ...]:  # noqa: ARG001
    """Return nothing: the API server refuses what the engine cannot do."""
    return ()


def lacks(managed: Managed) -> tuple[str, ...]:
    """Return what the engine does not tell or do."""
    found = ["it does not say how much of its KV cache is in use"]
    if managed.device == "CPU":
        found.append("it ignores cpu.kvCache: contextWindow x engine.concurrency decides")
    return tuple(found)


def slots(managed: Managed) -> int:
    """Return how many requests one replica computes at once."""
    return managed.engine.concurrency or SLOTS


def _model(source: ModelSource, *, file: str, repository: str) -> dict[str, str | int | None]:
    hub = source.hugging_face
    if hub is None:
        return {file: models.location(source)}
    return {repository: f"{hub.repo}:{hub.quant}" if hub.quant else hub.repo}


def _window(pool: ServingPool) -> dict[str, str | int | None]:
    """Return the size of the KV cache, in tokens, of all slots together.

    A window in numbers is kept free for each slot. The model's own limit would be too much for
    that: slots then share one cache. `auto` says nothing, and the engine takes what fits.
    """
    window = pool.spec.served.context_window
    if window is None:
        return {"--ctx-size": 0}
    return {"--ctx-size": window * slots(pool.managed)} if isinstance(window, int) else {}


def _split(managed: Managed) -> dict[str, str | int | None]:
    """Return how the model is split over GPUs: rows of each layer, or whole layers."""
    sizes = managed.parallelism
    devices = sizes.tensor * sizes.pipeline
    if devices == 1 or managed.device == "CPU":
        return {}
    mode = "row" if sizes.tensor > 1 else "layer"
    return {"--split-mode": mode, "--tensor-split": ",".join(["1"] * devices)}


def _threads(managed: Managed) -> dict[str, str | int | None]:
    """Return the threads of an engine on CPUs: else it starts one for each core of the node."""
    if managed.device == "GPU":
        return {}
    limit = managed.resources.limits.get("cpu")
    threads = max(1, int(parse_quantity(limit))) if limit else None
    binding = managed.cpu.thread_binding if managed.cpu else "auto"
    if binding in {"auto", "nobind"}:
        return {"--threads": threads}
    return {"--threads": threads, "--cpu-range": binding, "--cpu-strict": 1}


def _speculative(speculative: Speculative | None) -> dict[str, str | int | None]:
    if speculative is None:
        return {}
    draft = speculative.draft_model
    named = (
        _model(draft.source, file="--spec-draft-model", repository="--spec-draft-hf")
        if draft
        else {}
    )
    return {
        **named,
        "--spec-type": KINDS[speculative.type],
        "--spec-draft-n-max": speculative.tokens,
    }
