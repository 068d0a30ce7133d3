"""A loop at rest is left alone whatever its fallbacks can take, so nobody asks them."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.slo.builders import T0, calm
from tokenfleet.domain.slo.control.helpless import helpless_for
from tokenfleet.domain.slo.control.memory import LoopMemory, State
from tokenfleet.domain.slo.control.rule_step import resting
from tokenfleet.domain.slo.control.state_machine import advance
from tokenfleet.domain.slo.control.transition import LoopInput, Standby
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.evidence import Counts, Trigger

MOMENTS = st.none() | st.timedeltas(timedelta(0), timedelta(hours=3)).map(lambda ago: T0 - ago)
FRACTIONS = st.sampled_from([0.0, 0.1, 0.5, 1.0])
SPANS = st.sampled_from([timedelta(0), timedelta(minutes=5), timedelta(hours=3)])
PROOF = Trigger(
    objective="latency",
    counts=Counts(100, 50),
    limit=0.1,
    window=timedelta(minutes=4),
    lower=0.4,
)


@st.composite
def at_home(draw):
    """A loop whose traffic is as written, whatever it remembers."""
    episodes = draw(st.lists(MOMENTS.filter(bool), max_size=6))
    return LoopMemory(
        failures=draw(st.integers(0, 5)),
        stable_since=draw(MOMENTS),
        changed_at=draw(MOMENTS),
        empty_since=draw(MOMENTS),
        ceiling_until=draw(MOMENTS),
        episodes=tuple(sorted(episodes)),
        bad_at=draw(st.none() | FRACTIONS),
        last_good=draw(st.none() | FRACTIONS),
    )


@st.composite
def standbys(draw):
    return Standby(
        pool=draw(st.sampled_from(["small", "spare"])),
        ready=draw(st.integers(0, 2)),
        bad=draw(st.booleans()),
        full=draw(st.sampled_from(["", "5 requests wait"])),
        least_kept=draw(st.none() | FRACTIONS),
        worse=draw(st.sampled_from([None, PROOF])),
        trial=draw(st.booleans()),
    )


@st.composite
def seen(draw):
    """What a tick sees of a pool with endpoints against which nothing is proved."""
    return LoopInput(
        now=T0,
        policy=Policy(),
        asked=draw(st.booleans()),
        voting=draw(st.booleans()),
        known=draw(st.booleans()),
        all_known=draw(st.booleans()),
        acknowledged_at=draw(MOMENTS),
        ready=draw(st.integers(1, 3)),
        flow=draw(FRACTIONS),
        age=draw(SPANS),
    )


@settings(max_examples=200, deadline=None)
@given(
    loop=at_home(),
    least=seen(),
    chain=st.lists(standbys(), max_size=2),
    spans=st.tuples(SPANS, SPANS),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_a_loop_at_rest_does_the_same_whatever_else_is_seen(loop, least, chain, spans, flags):
    whole = replace(
        least,
        chain=tuple(chain),
        judged=spans[0],
        well_for=spans[1],
        doubtful=flags[0],
        fallback_helps=flags[1],
        idle=flags[2],
    )

    assert resting(loop, least)
    after, decision = advance(loop, whole)
    assert (after, decision) == advance(loop, least)
    assert (after.w, decision) == (1.0, None)
    assert helpless_for(after, whole) == helpless_for(after, least) == 0


def test_a_loop_is_not_at_rest_once_anything_may_come_of_a_tick():
    assert resting(LoopMemory(), calm())
    for away in (
        LoopMemory(w=0.5, state=State.SHIFTED, fallback="small"),
        LoopMemory(state=State.FROZEN),
        LoopMemory(helpless=60),
    ):
        assert not resting(away, calm())
    for stirring in ({"ready": 0}, {"breach": PROOF}, {"still_bad": PROOF}):
        assert not resting(LoopMemory(), calm(**stirring))
