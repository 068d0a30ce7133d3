"""Run by vLLM's Python with SGLang beside it: judges lists of arguments as SGLang's server would.

Reads a JSON list of lists of arguments and prints a JSON object: `judged`, one entry each, what was
read or the error; and `options`, all that the parser knows.
"""

import argparse
import contextlib
import io
import json
import os
import sys
import types
from pathlib import Path

# It logs to standard output from its import on: the answer has it for itself.
ANSWER = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

# The package's own first module imports its client for notebooks, with all that those need.
PACKAGE = types.ModuleType("sglang")
PACKAGE.__path__ = [str(Path(place, "sglang")) for place in sys.path]
sys.modules["sglang"] = PACKAGE

from sglang.srt.server_args import ServerArgs  # noqa: E402


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="sglang")
    ServerArgs.add_cli_args(made)
    return made


def judge(arguments: list[str]) -> dict[str, object]:
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            read = parser().parse_args(arguments)
    except SystemExit:
        return {"error": output.getvalue()[-500:]}
    return {"read": {name: value for name, value in vars(read).items() if plain(value)}}


def plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


if __name__ == "__main__":
    judged = [judge(arguments) for arguments in json.load(sys.stdin)]
    options = sorted({text for action in parser()._actions for text in action.option_strings})
    json.dump({"options": options, "judged": judged}, ANSWER)
