"""The decisions of a step, addressed and in words."""

from dataclasses import dataclass

from tokenfleet.domain.slo.control.memory import Decision
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.domain.slo.reporting.explanations import describe


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A decision and where it was taken."""

    rule: RuleKey
    primary: str
    decision: Decision
    id: str
    message: str

    @classmethod
    def of(cls, rule: RuleKey, primary: str, decision: Decision) -> "Taken":
        """Address one decision."""
        return cls(
            rule=rule,
            primary=primary,
            decision=decision,
            id=decision.identifier(f"{rule}/{primary}"),
            message=describe(decision, primary),
        )
