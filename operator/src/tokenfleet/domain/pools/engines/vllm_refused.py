"""Engine arguments that `extraArgs` must not hold, and why.

A flag is refused when a typed field or the operator itself sets it (two owners would fight), or
when it opens the pod to others: keys on the command line, local files, code that is not in the
image.
Names are compared the way vLLM's parser reads them: `_` is `-`, `--no-x` is `--x`, `--x.y` sets a
part of `--x`, and an unambiguous beginning of a name stands for the whole name.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

_RANKS: Final = (
    "a replica is one address for all its data-parallel ranks: leave it out, parallelism.data and"
    " nodes place them"
)
REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "model": "spec.managed.model sets it",
        "model-tag": "spec.managed.model sets it",
        "revision": "spec.managed.model sets it",
        "download-dir": "spec.managed.model.cache sets it",
        "served-model-name": "spec.served.modelName and aliases set it",
        "max-model-len": "spec.served.contextWindow sets it",
        "tensor-parallel-size": "spec.managed.parallelism.tensor sets it",
        "pipeline-parallel-size": "spec.managed.parallelism.pipeline sets it",
        "data-parallel-size": "spec.managed.parallelism.data sets it",
        "data-parallel-rank": _RANKS,
        "data-parallel-start-rank": _RANKS,
        "data-parallel-hybrid-lb": _RANKS,
        "data-parallel-external-lb": _RANKS,
        "data-parallel-multi-port-external-lb": _RANKS,
        "enable-expert-parallel": "spec.managed.parallelism.expert sets it",
        "nnodes": "spec.managed.parallelism.nodes sets it",
        "node-rank": "spec.managed.parallelism.nodes sets it",
        "master-addr": "spec.managed.parallelism.nodes sets it",
        "speculative-config": "spec.managed.speculative sets it",
        "spec-method": "spec.managed.speculative sets it",
        "spec-model": "spec.managed.speculative sets it",
        "spec-tokens": "spec.managed.speculative sets it",
        "port": "the Service and the probes expect port 8000",
        "uds": "the Service and the probes expect port 8000",
        "headless": "the Service and the probes expect an API server",
        "grpc": "the router speaks HTTP",
        "root-path": "the router and the probes expect the root path",
        "ssl-keyfile": "the router and the probes speak plain HTTP inside the cluster",
        "ssl-certfile": "the router and the probes speak plain HTTP inside the cluster",
        "config": "a file could set everything that is refused here",
        "middleware": "it runs code that the engine does not come with",
        "shutdown-timeout": "spec.managed.terminationGracePeriod sets it",
        "enable-force-include-usage": "clients that did not ask would get usage in every chunk;"
        " the router asks for it itself",
        "enable-prompt-tokens-details": "the operator sets it: cached tokens are counted from it",
        "disable-log-stats": "it switches the engine's metrics off",
        "api-key": "a key on the command line is readable by everybody who may read pods",
        "hf-token": "use tokenSecretRef: arguments are readable by everybody who may read pods",
        "trust-remote-code": "spec.managed.model.remoteCode sets it",
        "allowed-local-media-path": "it lets requests read files of the pod",
        "tool-parser-plugin": "it runs code that is not in the image",
        "reasoning-parser-plugin": "it runs code that is not in the image",
        "io-processor-plugin": "it runs code that is not in the image",
        "logits-processors": "it runs code that the engine does not come with",
        "worker-cls": "it runs code that the engine does not come with",
        "worker-extension-cls": "it runs code that the engine does not come with",
        "scheduler-cls": "it runs code that the engine does not come with",
    }
)
SHORT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "-tp": "tensor-parallel-size",
        "-pp": "pipeline-parallel-size",
        "-dp": "data-parallel-size",
        "-dpn": "data-parallel-rank",
        "-dpr": "data-parallel-start-rank",
        "-dph": "data-parallel-hybrid-lb",
        "-dpe": "data-parallel-external-lb",
        "-dpm": "data-parallel-multi-port-external-lb",
        "-ep": "enable-expert-parallel",
        "-n": "nnodes",
        "-r": "node-rank",
        "-sc": "speculative-config",
    }
)
WHOLE: Final = frozenset({"reasoning-parser"})
"""Options of the engine's own that are also the beginning of a refused one: written whole, they
mean themselves."""
STRAY: Final = "it belongs to no option before it, and would be read as a model"
# Refused only where the typed field is used.
REFUSED_ON_CPU: Final[Mapping[str, str]] = MappingProxyType(
    {"kv-cache-memory-bytes": "spec.managed.cpu.kvCache sets it"}
)
REFUSED_OVER_NODES: Final[Mapping[str, str]] = MappingProxyType(
    {"api-server-count": "only the first node has an API server, and the others stop at it"}
)
REFUSED_WITH_ADAPTERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "enable-lora": "spec.served.adapters sets it",
        "lora-modules": "spec.served.adapters sets it",
        "max-lora-rank": "spec.managed.lora.maxRank sets it",
        "max-loras": "spec.managed.lora.maxActive sets it",
        "max-cpu-loras": "spec.served.adapters sets it",
    }
)


def refusals(
    arguments: Iterable[str], *, cpu: bool, adapters: bool, nodes: bool
) -> tuple[tuple[str, str], ...]:
    """Return (argument as written, why it is refused) for each refused one, in their order.

    Args:
        arguments: of the user.
        cpu: the engine computes on CPUs.
        adapters: the pool lists adapters.
        nodes: one replica is spread over several.
    """
    table = {
        **REFUSED,
        **(REFUSED_ON_CPU if cpu else {}),
        **(REFUSED_WITH_ADAPTERS if adapters else {}),
        **(REFUSED_OVER_NODES if nodes else {}),
    }
    found = []
    option = ""
    for argument in arguments:
        reason = _reason(argument, table)
        if argument.startswith("-"):
            option = argument
        elif not option or "=" in option:
            reason = STRAY
        if argument == "--":
            reason = "what follows it would be read as a model"
        if reason is not None:
            found.append((argument.split("=", 1)[0], reason))
    return tuple(found)


def _reason(argument: str, table: Mapping[str, str]) -> str | None:
    flag = argument.split("=", 1)[0]
    if not flag.startswith("--"):
        return _short(flag, table)
    name = flag.removeprefix("--").split(".", 1)[0].rstrip("+").replace("_", "-").lower()
    stems = {name, name.removeprefix("no-")} - {"", *WHOLE}
    for refused, reason in table.items():
        if any(refused.startswith(stem) for stem in stems):
            return reason
    return None


def _short(flag: str, table: Mapping[str, str]) -> str | None:
    """Judge an option with one dash: also read are `-tp4`, `-sc.method` and `-t`."""
    for short, name in SHORT.items():
        rest = flag.removeprefix(short)
        whole = flag.startswith(short) and (not rest or rest[0] in ".0123456789")
        if whole or (len(flag) > 1 and short.startswith(flag)):
            return table[name]
    return None
