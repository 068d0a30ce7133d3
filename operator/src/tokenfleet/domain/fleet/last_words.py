"""The line that says why a container ended, out of the last 2 KiB of its log.

An engine of several processes ends with the traceback of the one that noticed last: "Engine core
initialization failed. See root cause above", and warnings of Python's own clean-up after it. The
cause is the last exception that does not point at another one, where it is among these lines at
all: the kubelet keeps 2,048 bytes (terminationMessagePolicy FallbackToLogsOnError), and a traceback
of vLLM's API server alone may be longer.
"""

import re
from typing import Final

_PREFIX: Final = re.compile(
    r"(?:\([^()]*\)\s*)*"  # (EngineCore pid=104)
    r"(?:[A-Z]+ [\d-]+ [\d:.,]+ \[[^\]]*\]\s*)?"  # ERROR 08-19 13:12:57 [core.py:708]
)
"""What vLLM's processes write before a line of another one."""

_EXCEPTION: Final = re.compile(
    r"(?:(?:[A-Za-z_]\w*\.)+[A-Z]\w*|(?:[A-Z]\w*)?(?:Error|Exception|Exit|Interrupt))(?:: .+)?$"
)
"""The last line of a traceback; code that raises has a bracket where this has a colon."""

_REFUSAL: Final = re.compile(r"(?:[\w.\- ]+: )?error: .+|.*error loading model: .+")
"""What argparse says of an argument, and llama.cpp of a file."""

_POINTER: Final = re.compile(r"root cause|: cancelled$|^SystemExit\b|^KeyboardInterrupt\b")
"""Exceptions that follow from another one."""

_INVALID: Final = re.compile(r"[\w.]*ValidationError: \d+ validation errors? for (\S+)$")
"""Pydantic: what is wrong stands in the lines that follow, up to their `[type=...]`."""


def cause(log: str) -> str:
    """Return the line that names the cause, else the last one; empty where there is none."""
    stripped = (_PREFIX.sub("", line.strip(), count=1).strip() for line in log.splitlines())
    lines = [line for line in stripped if line]
    named = [at for at, line in enumerate(lines) if _EXCEPTION.match(line) or _REFUSAL.match(line)]
    causes = [at for at in named if not _POINTER.search(lines[at])]
    chosen = next((found[-1] for found in (causes, named) if found), len(lines) - 1)
    return _told(lines[chosen:]) if lines else ""


def _told(lines: list[str]) -> str:
    invalid = _INVALID.match(lines[0])
    if invalid is None:
        return lines[0]
    more: list[str] = []
    for line in lines[1:]:
        text, found, _ = line.partition(" [type=")
        more.append(text)
        if found:
            break
    return f"{invalid[1]}: {' '.join(more)}" if more else lines[0]
