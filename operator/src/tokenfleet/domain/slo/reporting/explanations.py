"""Decisions in words: what happened, with the numbers and the limits."""

from typing import Final

from tokenfleet.domain.slo.control.memory import Decision

WHOLE: Final = 1000
"""Thousandths of a baseline that nothing is taken from."""

ITSELF: Final = "="
"""Stands for the rule itself; no rule can be called so."""

_TEXTS: Final[dict[str, str]] = {
    "P0": "{primary} is pinned by the user",
    "P2": "the floor of {primary} was raised: stepping up to it",
    "P3": "the rule was edited in the middle of a shift: traffic stays, and {primary} steps to its"
    " weight from there",
    "P4": "the rule goes on from {source}",
    "T1": "{evidence}: shifting to {pool}",
    "T1h": "{primary} has no ready endpoint: all to {pool}",
    "T1r": "{primary} has endpoints again: trying it",
    "T2": "still missed after the shift settled, {evidence}: shifting more to {pool}",
    "T3": "{primary} shows no fault at {before}: first step back",
    "T4": "{primary} is healthy at {before}: next step back",
    "T5": "{primary} is healthy at {before}: back to the weights as written",
    "T6": "the last step back was one too many, {evidence}",
    "T7": "{pool} misses the objective more than {primary} does: it gets less",
    "T8": "no traffic: back to the weights as written",
    "T9": "{freeze}",
    "T10": "the freeze is over",
    "T11": "{pool} {gone}",
    "T12": "no objective asks for a shift any more: stepping back",
    "T13": "{note}: {pool} gets less",
}

_LEVEL_TEXTS: Final[dict[str, str]] = {
    "L1": "the fallback has no ready endpoint",
    "L2": "no cost or cache objective asks for a shift any more: stepping back",
    "L3": "no traffic: back to the weights as written",
    "L7": "{note}: giving some back",
    "L4": "{pool} misses a latency or error objective: giving some back",
    "L5": "{objective}: {note}, twice in a row in {window} s: one step to {pool}",
    "L6": "{objective}: {note} in {window} s: one step back",
}


TEXTS: Final = _TEXTS | _LEVEL_TEXTS
"""Transition -> what is said of it."""


def describe(decision: Decision, primary: str) -> str:
    """Return one sentence for people: object, numbers, limit, and what happened to the share."""
    text = TEXTS[decision.transition].format(
        primary=primary,
        objective=decision.objective,
        note=decision.note,
        window=decision.window,
        pool=decision.pool or "no fallback",
        before=_percent(decision.from_w),
        source=_source(decision.note),
        evidence=_evidence(decision, primary),
        gone="was " + decision.note if decision.note else "has no ready endpoint",
        freeze=_freeze(decision.note),
    )
    if decision.transition == "L1" and decision.to_w < WHOLE:
        text = f"{text}: using {decision.pool}"
    if decision.from_w == decision.to_w:
        return text
    return f"{text} ({primary}: {_percent(decision.from_w)} -> {_percent(decision.to_w)})"


def _source(name: str) -> str:
    if name == ITSELF:
        return "where it was"
    return f"the shift of rule {name}, which is gone" if name else "the shift of another rule"


def _freeze(note: str) -> str:
    if note:
        return f"a shift is due, and there were {note} changes of mind within an hour: frozen"
    return "more than 4 changes of mind within an hour: frozen for an hour"


def _evidence(decision: Decision, primary: str) -> str:
    if not decision.total:
        return "evidence of a breach"
    found = decision.bad / decision.total
    return (
        f"{decision.objective}: {decision.bad} of {decision.total} attempts on {primary} bad in"
        f" {decision.window} s, {found:.1%} exceeds {decision.limit / 1000:.1%}"
    )


def _percent(thousandths: int) -> str:
    return f"{thousandths / 10:g} %"
