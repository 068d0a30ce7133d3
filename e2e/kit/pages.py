"""Commands of the pages, as a reader would copy them: extracted, filled in, and run by a shell."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e.kit import repository
from e2e.kit.ports import free_port

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]+?) -->\n)?^```console\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PLACEHOLDER = re.compile(
    r"(?<![\w-])(NAMESPACE|NAME|POOL|ROUTER|ROUTE|PRIMARY|POD|KIND|TEAM|N|team-a)(?![\w])"
)
"""What a reader puts names in for. Other words in capitals are meant as they stand."""
_FORWARD = re.compile(r"port-forward \S+ (?P<here>\d+)(?::(?P<there>\d+))? &$")
FOREVER = re.compile(r" (-w|--watch|-f deploy\S*)$")
"""Commands that a reader ends with Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of commands on a page."""

    page: Path
    """From the root of the repository."""
    number: int
    """Of the page's blocks, from 1."""
    text: str
    unfit: str = ""
    """Why it is not run, as the page's source says; empty: it is run."""

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"

    def commands(self) -> list[str]:
        """Return the commands, each in one line; in a block with output those after `$ `."""
        joined = self.text.replace("\\\n", " ")
        lines = [re.sub(r"\s+#\s.*$", "", line).strip() for line in joined.splitlines()]
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return prompted or [line for line in lines if line and not line.startswith("#")]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page."""
    text = (repository() / page).read_text(encoding="utf-8")
    for number, found in enumerate(_FENCE.finditer(text), start=1):
        yield Block(page, number, found["text"], found["why"] or "")


def pages() -> list[Path]:
    """Return every page that tells a user what to do, those of a first hour first."""
    root = repository()
    found = [root / "README.md", *root.glob("charts/*/README.md")]
    found += (root / "operator/docs").rglob("*.md")
    first = ["README.md", "operator/docs/quickstart.md", "charts/tokenfleet/README.md"]
    names = [path.relative_to(root) for path in found if "decisions" not in path.parts]
    return sorted(names, key=lambda one: (first.index(str(one)) if str(one) in first else 9, one))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A reader's shell."""

    folder: Path
    """Where the reader is: the root of a checkout."""
    environment: Mapping[str, str]

    def run(self, block: Block, names: Mapping[str, str], *, timeout: float = 600.0) -> None:
        """Run a block as it stands, with names for its placeholders and free ports to forward.

        Raises:
            AssertionError: a command failed; the message has all that the block has written.
        """
        script, taken = [_PRELUDE], {}
        for command in block.commands():
            filled = PLACEHOLDER.sub(lambda found: names[found[0]], command)
            script.append(_line(_elsewhere(filled, taken)))
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{block}: ended with {done.returncode}\n{done.stdout[-6000:]}"


_PRELUDE = """
curl() { command curl --fail-with-body --retry 20 --retry-delay 1 --retry-all-errors "$@"; }
end() { for job in $(jobs -p); do kill "$job" 2>/dev/null; done; }
trap end EXIT
fine() {  # the statuses of a pipe: the first command ended well, a filter may have found nothing
  local first=$1; shift
  [ "$first" = 0 ] || { echo "^ ended with $first"; exit "$first"; }
  for rest in "$@"; do [ "$rest" -le 1 ] || exit "$rest"; done
}
"""


def _elsewhere(command: str, taken: dict[str, str]) -> str:
    """Forward a port of this machine that is free, which the page's own may not be."""
    opened = _FORWARD.search(command)
    if opened:
        taken[opened["here"]] = str(free_port())
        there = opened["there"] or opened["here"]
        port = f"{taken[opened['here']]}:{there} &"
        return command[: opened.start("here")] + port
    for port, other in taken.items():
        command = command.replace(f"localhost:{port}", f"localhost:{other}")
    return command


def _line(command: str) -> str:
    said = command.replace("'", "'\\''")
    shown = f"echo '$ {said}'"
    if command.endswith("&"):
        opened = "until grep -q Forwarding fwd.log; do kill -0 $! || exit 1; sleep 0.2; done"
        return f"{shown}\n{command.removesuffix('&')} >fwd.log 2>&1 &\n{opened}"
    if FOREVER.search(command):
        return f"{shown}\ntimeout 3 {command}; [ $? = 124 ] || exit 1"
    return f'{shown}\n{command}\nfine "${{PIPESTATUS[@]}}"'
