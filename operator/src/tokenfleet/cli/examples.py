"""Examples at the end of a command's help."""

import argparse
import re
from typing import Any


class ExamplesFormatter(argparse.HelpFormatter):
    """Wraps sentences to the terminal's width, and leaves lines of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        paragraphs = re.split(r"\n\s*\n", text.strip())
        return "\n\n".join(
            super(ExamplesFormatter, self)._fill_text(one, width, indent) for one in paragraphs
        )


def examples(*lines: tuple[str, str]) -> dict[str, Any]:
    """Return what `add_parser` needs to show examples: (what follows the command, what it does)."""
    width = max(len(line[0]) for line in lines)
    # argparse puts the program and the command in, `kubectl tokenfleet top` or `tokenfleet top`.
    shown = "\n".join(
        f"  %(prog)s {line[0].replace('%', '%%'):<{width}}  {line[1].replace('%', '%%')}"
        for line in lines
    )
    return {
        "epilog": f"examples:\n{shown}",
        "formatter_class": ExamplesFormatter,
    }
