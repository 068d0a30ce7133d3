"""Run by vLLM's own Python: judges lists of arguments as `vllm serve` would.

Reads a JSON list of `{"arguments": [...], "configure": bool}` and prints a JSON list, one entry
each: what was read, or the error. `configure` also builds the engine's whole configuration: models'
configurations are read, weights are not.
"""

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
        "tensor_parallel_size": engine.tensor_parallel_size,
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
    json.dump([judge(**wanted) for wanted in json.load(sys.stdin)], ANSWER)
