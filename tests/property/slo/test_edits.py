"""Any edit of backends and weights in the middle of a shift moves only what it must."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from tokenfleet.domain.slo.control.carry_over import Edit, carried_over
from tokenfleet.domain.slo.control.memory import LoopMemory, RuleMemory, State
from tokenfleet.domain.slo.control.rule_step import shares_of
from tokenfleet.domain.slo.control.shares import baseline
from tokenfleet.domain.slo.observation.measurement import RuleKey, RuleTarget

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
POOLS = ("a", "b", "c", "d")
SPARE = "spare"

weights = st.dictionaries(
    st.sampled_from(POOLS), st.integers(0, 100), min_size=1, max_size=4
).filter(lambda written: any(written.values()))


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    """A rule in the middle of a shift, and its new backends."""
    before, after = draw(weights), draw(weights)
    loops = {
        pool: LoopMemory(
            state=State.SHIFTED, w=draw(st.integers(0, 999)) / 1000, fallback=SPARE, changed_at=NOW
        )
        for pool in draw(st.sets(st.sampled_from(sorted(before)), min_size=1))
    }
    memory = RuleMemory(loops=loops)
    old = RuleTarget(key=RuleKey("ns", "chat", "slow"), backends=before, fallbacks=(SPARE,))
    new = RuleTarget(key=old.key, backends=after, fallbacks=(SPARE,))
    ready = {pool: draw(st.integers(0, 1)) for pool in POOLS} | {SPARE: 1}
    return Edit(rule=new, memory=memory, running=shares_of(old, memory), ready=ready, now=NOW)


SMALL_PART = RuleTarget(
    key=RuleKey("ns", "chat", "slow"), backends={"a": 1, "b": 99}, fallbacks=(SPARE,)
)
HALF = RuleMemory(
    loops={"a": LoopMemory(state=State.SHIFTED, w=0.5, fallback=SPARE, changed_at=NOW)}
)
A_SMALL_SHIFTED_PART_BECOMES_ALL = Edit(
    rule=replace(SMALL_PART, backends={"a": 100}),
    memory=HALF,
    running=shares_of(SMALL_PART, HALF),
    ready={"a": 1, "b": 1, SPARE: 1},
    now=NOW,
)
"""A tenth of the new weight is more than it had."""


@given(edits())
@example(A_SMALL_SHIFTED_PART_BECOMES_ALL)
def test_only_what_must_move_moves(edit: Edit) -> None:
    memory, _ = carried_over(edit)
    shares, written = shares_of(edit.rule, memory), baseline(edit.rule.backends)
    shifted = {pool for pool, loop in edit.memory.loops.items() if pool in written}

    assert sum(shares.values()) == 1000
    assert all(shares[pool] <= whole for pool, whole in written.items())
    for pool in shifted & edit.running.keys():
        assert shares[pool] <= edit.running[pool], "a shifted pool never gets more than it had"
    if shares[SPARE] > edit.running[SPARE]:
        able = [pool for pool in written if pool not in shifted and edit.ready[pool]]
        # w is in thousandths: a bucket of each backend may be lost to rounding.
        assert all(shares[pool] >= written[pool] - 1 for pool in able), "only what nobody else took"


@given(edits())
def test_the_same_edit_again_changes_nothing(edit: Edit) -> None:
    memory, _ = carried_over(edit)
    again = Edit(
        rule=edit.rule,
        memory=memory,
        running=shares_of(edit.rule, memory),
        ready=edit.ready,
        now=NOW,
    )

    assert carried_over(again) == (memory, {})
