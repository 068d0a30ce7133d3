"""Which of a user's engine arguments are refused, by the grammar of the engine's own parser.

A flag is refused when a typed field or the operator itself sets it (two owners would fight), or
when it opens the pod to others: keys on the command line, local files, code that is not in the
image. Each family has its own list, with the reason for each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

STRAY: Final = "it belongs to no option before it"
END: Final = "what follows it would not be read as options"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """How an engine reads its command line."""

    refused: Mapping[str, str]
    """Option as it is written, dashes included -> why it must not be set."""
    abbreviated: bool
    """Whether an unambiguous beginning of an option stands for the whole (Python's argparse)."""
    whole: frozenset[str] = frozenset()
    """Options that are also the beginning of a refused one: written whole, they mean themselves."""

    def refusals(self, arguments: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Return (argument as written, why it is refused) for each refused one, in their order."""
        found = []
        option = ""
        for argument in arguments:
            if argument == "--":
                reason: str | None = END
            elif argument.startswith("-"):
                option = argument
                reason = self._reason(argument.split("=", 1)[0])
            else:
                reason = STRAY if not option or "=" in option else None
            if reason is not None:
                found.append((argument.split("=", 1)[0], reason))
        return tuple(found)

    def _reason(self, flag: str) -> str | None:
        if flag in self.refused:
            return self.refused[flag]
        if not self.abbreviated or flag in self.whole or not flag.startswith("--"):
            return None
        return next((why for name, why in self.refused.items() if name.startswith(flag)), None)


def flags(reason: str, *names: str) -> dict[str, str]:
    """Return several options that are refused for one reason."""
    return dict.fromkeys(names, reason)
