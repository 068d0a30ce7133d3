"""I10: a recovery that fails again and again is tried less and less often."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.slo.builders import RULE, Fleet, cell, objective
from tokenfleet.domain.slo.objectives.spec import Policy

UPWARDS = {"T3", "T4", "T5"}


@settings(max_examples=8, deadline=None)
@given(
    bears=st.sampled_from([0.2, 0.4, 0.55, 0.8]),
    hold=st.sampled_from([60, 300]),
    most=st.sampled_from([600, 3600]),
)
def test_i10_the_kth_failed_recovery_waits_hold_times_two_to_the_k(bears, hold, most):
    """A primary that is bad beyond a share for ever: no step back before the doubled hold."""
    policy = Policy(hold=timedelta(seconds=hold), max_hold=timedelta(seconds=most))
    fleet = Fleet(objectives=(objective(policy=policy),))
    failed, waited = None, 0
    for _ in range(4 * 240):
        loops = fleet.memory[str(RULE)].loops if fleet.memory else {}
        w = loops["large"].w if "large" in loops else 1.0
        seen = len(fleet.decisions)
        bad = 0.6 if w > bears else 0.0
        fleet.see(cell("large", 4, bad), cell("small", 4, 0.0), demand=4.0)
        for taken in fleet.decisions[seen:]:
            name, at = taken.decision.transition, taken.decision.at
            if failed is not None and name in UPWARDS:
                k = failed[1]
                assert at - failed[0] >= timedelta(seconds=min(most, hold * 2**k)), f"I10: k = {k}"
                waited += 1
                failed = None
            if name == "T6":
                failed = (at, fleet.memory[str(RULE)].loops["large"].failures)

    assert waited > 0
