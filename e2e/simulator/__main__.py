"""`python -m e2e.simulator serve MODEL --port 8000 ...`: vLLM's command line, as far as it matters.

Arguments that a simulator has no use for are accepted and ignored, as a ServingPool's pod template
brings many.
"""

from __future__ import annotations

import argparse
import json
import sys

from aiohttp import web

from e2e.simulator.server import Settings, Simulator


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="vllm", allow_abbrev=False)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--served-model-name", nargs="+")
    parser.add_argument("--lora-modules", nargs="+", type=json.loads, default=[])
    parser.add_argument("--max-model-len", type=int, default=8192)
    parser.add_argument("--shutdown-timeout", type=float, default=0.0)
    return parser.parse_known_args(arguments)[0]


def main() -> None:
    """Serve until SIGTERM; then running answers go on for as long as the command line says."""
    given = parsed(sys.argv[1:])
    settings = Settings(
        models=tuple(given.served_model_name or [given.model]),
        adapters={module["name"]: module["path"] for module in given.lora_modules},
        window=given.max_model_len,
    )
    web.run_app(
        Simulator(settings).application(),
        host=given.host,
        port=given.port,
        shutdown_timeout=given.shutdown_timeout,
        # A client that goes away gives its place back at once.
        handler_cancellation=True,
        access_log=None,
        print=None,
    )


if __name__ == "__main__":
    main()
