"""Verdicts of Failover Bench, methodology v0.1, section "Scoring a cell"."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tests.bench.failover.faults import Evidence, Fault


class Verdict(Enum):
    """How a router did under one fault, the best first."""

    PASS = "pass"
    """Rescued, every check met."""
    PARTIAL = "partial"
    """Rescued, an advisory check missed; or answered where an error was due."""
    SAFE = "safe"
    """Not rescued: an error in time, every required check met."""
    FAIL = "fail"
    """A hang, a part of the answer given for the whole, or a required check missed."""


@dataclass(frozen=True, slots=True)
class Score:
    """A verdict and what it rests on."""

    verdict: Verdict
    why: str


def score(fault: Fault, seen: Evidence) -> Score:
    """Judge one fault."""
    if any(call.ended == "hang" for call in seen.calls):
        return Score(Verdict.FAIL, "hangs")
    answered = [call for call in seen.calls if call.ended == "answer"]
    if fault.rescue == "answer" and not all(call.complete for call in answered):
        return Score(Verdict.FAIL, "gives a part for the whole")
    missed = [check for check in fault.checks if not check.met(seen)]
    if required := [check.name for check in missed if check.required]:
        return Score(Verdict.FAIL, "missed: " + ", ".join(required))
    if fault.rescue == "error" and answered:
        return Score(Verdict.PARTIAL, "answers all the same")
    if fault.rescue == "answer" and len(answered) < len(seen.calls):
        return Score(Verdict.SAFE, seen.call.why[:100])
    if missed:
        return Score(
            Verdict.PARTIAL, "rescued; missed: " + ", ".join(check.name for check in missed)
        )
    return Score(Verdict.PASS, "rescued" if answered else "a clean error")
