"""`python -m e2e.load PROFILE.json [STOP]`: print a JSON line when a request is sent, and one when it ended.

Ends by itself; SIGTERM, or the file STOP when it appears, ends it early, and running requests still
get their drain.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from e2e.load.client import run
from e2e.load.profile import from_json
from e2e.load.records import Record, Sent, to_line

LOOK_EVERY: Final = 0.2
"""Seconds between two looks for the file."""


def _print(event: Record | Sent) -> None:
    print(to_line(event), flush=True)


async def _stop_at(file: Path, stop: asyncio.Event) -> None:
    while not file.exists():
        await asyncio.sleep(LOOK_EVERY)
    stop.set()


async def _main(profile: Path, file: Path | None) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    watching = asyncio.create_task(_stop_at(file, stop)) if file is not None else None
    await run(from_json(profile.read_text(encoding="utf-8")), _print, stop)
    if watching is not None:
        watching.cancel()


if __name__ == "__main__":
    profile_file, *stop_file = map(Path, sys.argv[1:])
    asyncio.run(_main(profile_file, stop_file[0] if stop_file else None))
