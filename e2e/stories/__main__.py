"""Tell every story, on two built-in clusters at once.

    python -m e2e.stories [AT_ONCE]    AT_ONCE: stories at a time on the first one, 2 by default

    first cluster    stories that leave in peace what others rest on, several at a time, then some of
                     those that do not
    second cluster   one by one: the others that take it away, or change it

On a cluster of the user's own (`KUBECONFIG`) all are told there: the second kind waits until nothing
else is told.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from e2e.cluster import paths
from e2e.kit.clusters import foreign

HERE: Final = Path(__file__).parent
SECOND: Final = str(9 - paths.INSTANCE)
"""The number of the second cluster."""


def main(at_once: str = "2") -> int:
    """Tell them; return the first exit status that is not 0."""
    several = ["-n", at_once, "--dist", "loadfile", "--no-loadscope-reorder"]
    if foreign():
        return subprocess.run(_pytest(*several), check=False).returncode
    environment = {name: text for name, text in os.environ.items() if name != "KUBECONFIG"}
    environment |= {"TOKENFLEET_CLUSTER_INSTANCE": SECOND, "PYTHONUNBUFFERED": "1"}
    with tempfile.NamedTemporaryFile("w", prefix="tokenfleet-stories-") as log:
        second = subprocess.Popen(
            _pytest("-m", "second"), env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            first = subprocess.run(_pytest("-m", "not second", *several), check=False).returncode
            _follow(second, Path(log.name))
        finally:
            second.terminate()
            second.wait()
            down = [sys.executable, "-m", "e2e.cluster", "down"]
            subprocess.run(down, env=environment, check=False)
    return first or second.returncode


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-v", "--durations=15", *arguments, str(HERE)]


def _follow(process: subprocess.Popen[bytes], log: Path) -> None:
    """Print what a process has written, and go on until it ends."""
    print("\nStories on the second cluster, told meanwhile:", flush=True)
    with log.open(errors="replace") as written:
        while True:
            ended = process.poll() is not None
            for line in written:
                print(line, end="", flush=True)
            if ended:
                return
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
