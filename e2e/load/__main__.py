"""`python -m e2e.load PROFILE.json`: run a load and print a JSON line when a request is sent, and one when it ended.

Ends by itself; SIGTERM ends it early, and running requests still get their drain.
"""

import asyncio
import signal
import sys
from pathlib import Path

from e2e.load.client import run
from e2e.load.profile import from_json
from e2e.load.records import Record, Sent, to_line


def _print(event: Record | Sent) -> None:
    print(to_line(event), flush=True)


async def _main(path: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run(from_json(Path(path).read_text(encoding="utf-8")), _print, stop)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
