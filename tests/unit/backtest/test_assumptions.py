"""What a backtest cannot know is said."""

from types import SimpleNamespace

from tokenfleet.backtest.report import assumptions
from tokenfleet.domain.slo.observation.measurement import RuleKey


def test_a_part_of_a_rule_that_would_have_had_shares_of_its_own_only_alerts() -> None:
    subject = SimpleNamespace(
        rules=(), pools={}, problems=(), slices=(RuleKey("team-a", "chat", "slow[type=chat]"),)
    )
    result = SimpleNamespace(
        pods=[("team-a", "router-0")],
        subjects=[subject],
        recorded_shares=frozenset(),
        recorded_pools=frozenset(),
        shifted_at_start=frozenset(),
    )

    assert (
        "team-a/chat/slow[type=chat] would have had shares of its own, which were not recorded: what"
        " would have shifted it only alerts here"
    ) in assumptions(result)
