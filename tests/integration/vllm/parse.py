"""Run by vLLM's own Python: judges lists of arguments as `vllm serve` would.

Reads a JSON list of `{"arguments": [...], "configure": bool}` and prints a JSON object: `judged`,
one entry each, what was read or the error; and `options`, all that the parser knows. `configure` also builds the engine's whole configuration: models'
configurations are read, weights are not.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import os
import sys

# vLLM logs to standard output from its import on: the answer has it for itself.
ANSWER = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from vllm.config import SpeculativeConfig  # noqa: E402
from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: E402
from vllm.entrypoints.cli.serve import ServeSubcommand  # noqa: E402
from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: E402


def parser() -> FlexibleArgumentParser:
    made = FlexibleArgumentParser(prog="vllm")
    ServeSubcommand().subparser_init(made.add_subparsers(dest="subparser"))
    return made


def options() -> list[str]:
    """Return every option of `vllm serve`, in each of its spellings."""
    commands = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    serve = commands.choices["serve"]
    return sorted({spelling for action in serve._actions for spelling in action.option_strings})


def judge(arguments: list[str], *, configure: bool) -> dict[str, object]:
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            parsed = parser().parse_args(["serve", *arguments])
            ServeSubcommand().validate(parsed)
            engine = AsyncEngineArgs.from_cli_args(parsed)
    except (SystemExit, ValueError, TypeError, IndexError) as error:
        return {"error": f"{error!r} {output.getvalue()[-2000:]}"}
    told = engine.speculative_config or {}
    known = {field.name for field in dataclasses.fields(SpeculativeConfig)}
    read: dict[str, object] = {
        "port": parsed.port,
        "served": parsed.served_model_name,
        "usage": [parsed.enable_force_include_usage, parsed.enable_prompt_tokens_details],
        "shutdown_timeout": engine.shutdown_timeout,
        "parallel": [
            engine.tensor_parallel_size,
            engine.pipeline_parallel_size,
            engine.data_parallel_size,
            engine.enable_expert_parallel,
        ],
        "adapters": [module.name for module in parsed.lora_modules or ()],
        "nodes": [parsed.nnodes, parsed.node_rank, parsed.master_addr, parsed.headless],
        "lora": [engine.enable_lora, engine.max_lora_rank, engine.max_loras, engine.max_cpu_loras],
        "remote_code": engine.trust_remote_code,
        "max_model_len": engine.max_model_len,
        "kv_cache_memory_bytes": engine.kv_cache_memory_bytes,
        "speculative": told,
        "unknown_speculative": sorted(set(told) - known),
    }
    if configure:
        engine.model = parsed.model_tag
        made = engine.create_engine_config().speculative_config
        draft = made.draft_model_config.model
        read["configured"] = {
            "method": made.method, "tokens": made.num_speculative_tokens, "draft": draft,
        }  # fmt: skip
    return read


if __name__ == "__main__":
    judged = [judge(**wanted) for wanted in json.load(sys.stdin)]
    json.dump({"options": options(), "judged": judged}, ANSWER)
