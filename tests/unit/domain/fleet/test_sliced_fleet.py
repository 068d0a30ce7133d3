"""Objectives that act on some requests only: a slice comes and goes, and traffic never jumps."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.fleet.edited_fleet import SHIFTED, TICK, Fleet, objective, rule
from tokenfleet.domain.fleet import router_config
from tokenfleet.domain.routing.ir import BucketRange
from tokenfleet.domain.slo.control.memory import RuleMemory
from tokenfleet.domain.slo.observation.measurement import Cell, Tally

TYPES = ("chat", "analysis", "other")
CHAT, WIDE = "slow[type=chat]", "slow[type=analysis+chat]"


def chats(*types: str, name: str = "chats", **changes: Any) -> dict[str, Any]:
    return {
        **objective(selector={"requestTypes": list(types or ("chat",))}, **changes),
        "metadata": {**objective()["metadata"], "name": name},
    }


class Sliced(Fleet):
    """A fleet whose attempts are measured by request type; some types can be made late."""

    def __init__(self, *slos: dict[str, Any], shifted: tuple[str, ...] = ("slow",)) -> None:
        self.late: set[str] = set()
        super().__init__(loops={})
        self.types = TYPES
        self.slos = list(slos) or [objective()]
        self.visit()
        held = self.held()
        loops = RuleMemory(loops={"large": SHIFTED})
        memory = {**held.memory, **{f"ns/chat/{name}": loops for name in shifted}}
        self.data = router_config.write(replace(held, memory=memory))
        self.visit()
        self.notes.clear()

    def measured(self):
        found = super().measured()
        rules = {
            key: replace(one, cells=tuple(self._judged(c) for c in one.cells))
            for key, one in found.rules.items()
        }
        return replace(found, rules=rules)

    def _judged(self, cell: Cell) -> Cell:
        if cell.pool != "large" or cell.request_type not in self.late:
            return cell
        windows = {w: Tally({}, dict(tally.good)) for w, tally in cell.windows.items()}
        return replace(cell, windows=windows)

    def parts(self) -> list[str]:
        document = self.held().document
        assert document is not None
        return [found.name for found in document.config.routes[0].rules]

    def ways(self) -> dict[str, tuple[BucketRange, ...]]:
        """Return request type -> which pool each bucket of its conversations goes to."""
        document = self.held().document
        assert document is not None
        rules = document.config.routes[0].rules
        return {
            kind: next(
                one.ranges
                for one in rules
                if not one.matches or any(kind in m.request_types for m in one.matches)
            )
            for kind in TYPES
        }

    def part_of_large(self, kind: str) -> int:
        return sum(r.end - r.first for r in self.ways()[kind] if r.pool == "large")

    def passes(self, time: timedelta) -> None:
        until = self.now + time
        while self.now < until:
            self.now += TICK
            self.visit()


def test_an_objective_with_a_selector_gets_a_slice_before_its_rule() -> None:
    fleet = Sliced(chats(), shifted=())

    assert fleet.parts() == [CHAT, "slow"]
    assert fleet.ways()["chat"] == fleet.ways()["analysis"]


def test_chats_are_late_and_analyses_stay_where_they_are() -> None:
    fleet = Sliced(chats(), shifted=())
    fleet.late = {"chat"}
    fleet.passes(timedelta(minutes=5))

    assert fleet.part_of_large("chat") < 1000
    assert fleet.part_of_large("analysis") == fleet.part_of_large("other") == 1000
    assert "rule slow[type=chat]" in fleet.notes[0].note


def test_an_objective_about_the_whole_rule_acts_on_each_part_by_its_own_attempts() -> None:
    fleet = Sliced(chats(), objective(), shifted=())
    fleet.late = {"analysis", "other"}
    fleet.passes(timedelta(minutes=5))
    assert fleet.part_of_large("analysis") < 1000
    assert fleet.part_of_large("chat") == 1000, "the chats are well"

    fleet.late = {*TYPES}
    fleet.passes(timedelta(minutes=5))
    assert fleet.part_of_large("chat") < 1000


@pytest.mark.edit("selector added to a rule that is shifted")
def test_a_selector_added_in_the_middle_of_a_shift_moves_no_conversation() -> None:
    fleet = Sliced(objective())
    before = fleet.ways()
    fleet.slos.append(chats())
    fleet.visit()

    assert fleet.parts() == [CHAT, "slow"]
    assert fleet.ways() == before
    assert fleet.reasons() == ["ShiftInherited"]
    fleet.ramps(CHAT, {"large": 1000, "small": 0})


@pytest.mark.edit("selector removed, or its objective deleted")
@pytest.mark.parametrize(
    "edit",
    [
        pytest.param([], id="deleted"),
        pytest.param([chats(onBreach={"type": "Alert"})], id="only alerts"),
        pytest.param([chats("batch")], id="selects others"),
        pytest.param([objective(name="chats")], id="selects all"),
    ],
)
def test_a_slice_whose_objective_is_gone_steps_back_and_goes_when_it_is_back(edit) -> None:
    fleet = Sliced(chats(), shifted=(CHAT,))
    before = fleet.ways()
    fleet.slos = edit
    fleet.visit()
    assert fleet.ways() == before

    last = fleet.part_of_large("chat")
    for _ in range(400):
        fleet.now += TICK
        fleet.visit()
        now = fleet.part_of_large("chat")
        assert 0 <= now - last <= 250, "a step at a time, and never back"
        last = now
    assert CHAT not in fleet.parts()
    assert last == 1000
    assert "TrafficReturning" in fleet.reasons()


def test_a_slice_stays_while_its_rule_has_other_shares() -> None:
    fleet = Sliced(chats(), objective(), shifted=("slow",))
    fleet.late = {"analysis", "other"}
    fleet.slos = [objective()]
    fleet.visit()

    assert fleet.parts() == [CHAT, "slow"], "without it, chats would jump to where the rest is"
    assert fleet.part_of_large("chat") == 1000


@pytest.mark.edit("selector widened or narrowed")
def test_a_selector_that_is_widened_keeps_the_slice_and_defends_it() -> None:
    fleet = Sliced(chats(), shifted=(CHAT,))
    fleet.late = {"chat"}
    before = fleet.ways()
    fleet.slos = [chats("chat", "analysis")]
    fleet.visit()

    assert (fleet.parts(), fleet.ways()) == ([CHAT, WIDE, "slow"], before)
    fleet.passes(timedelta(minutes=20))
    assert fleet.part_of_large("chat") <= 400, "its objective still answers for the chats"


@pytest.mark.edit("selector widened or narrowed")
def test_a_selector_that_is_narrowed_goes_on_from_the_wider_slice() -> None:
    fleet = Sliced(chats("chat", "analysis"), shifted=(WIDE,))
    before = fleet.ways()
    fleet.slos = [chats()]
    fleet.visit()

    assert (fleet.parts(), fleet.ways()) == ([CHAT, WIDE, "slow"], before)


def test_a_renamed_rule_takes_its_slices_along_and_the_rest_stays_where_it_is() -> None:
    fleet = Sliced(chats(), shifted=(CHAT,))
    before = fleet.ways()
    fleet.slos = [chats(targetRef={"name": "chat", "sectionName": "slower"})]
    fleet.edit(rule("slower", large=1))

    assert fleet.parts() == ["slower[type=chat]", "slower"]
    assert fleet.ways() == before
    assert fleet.reasons() == ["ShiftInherited"]


def test_an_objective_that_overlaps_another_one_only_alerts_and_is_told() -> None:
    fleet = Sliced(chats(), chats("chat", "analysis", name="wider"), shifted=())
    fleet.late = {"chat", "analysis"}
    fleet.passes(timedelta(minutes=5))
    assert fleet.view is not None
    wider, ours = (fleet.view.slos[name] for name in ("ns/wider", "ns/chats"))

    assert (fleet.part_of_large("analysis"), fleet.parts()) == (1000, [CHAT, "slow"])
    assert wider.refused is not None
    assert wider.refused.reason == "SelectorOverlaps"
    assert wider.shadow is not None
    assert wider.shadow.transition == "T1"
    assert ours.refused is None


def test_an_edit_of_the_rule_is_one_of_its_slices() -> None:
    fleet = Sliced(chats(), shifted=(CHAT,))
    fleet.edit(rule(large=1, medium=1))

    assert fleet.shares(CHAT)["large"] <= 400
    assert fleet.shares("slow") == {"large": 500, "medium": 500, "small": 0}


def test_a_lost_configuration_is_rebuilt_with_its_slices() -> None:
    fleet = Sliced(chats(), shifted=(CHAT,))
    told = [
        {
            "name": CHAT,
            "shares": [{"name": "large", "share": 400}, {"name": "small", "share": 600}],
        },
        {"name": "slow", "shares": [{"name": "large", "share": 1000}]},
    ]
    fleet.routes = [{**fleet.routes[0], "status": {"rules": told}}]
    fleet.data = {}
    fleet.visit()

    assert fleet.parts() == [CHAT, "slow"]
    assert fleet.shares(CHAT) == {"large": 400, "small": 600}


selectors = st.lists(st.sampled_from(TYPES[:2]), min_size=1, unique=True)
edits = st.lists(st.lists(st.none() | selectors, max_size=2, unique_by=str), min_size=1, max_size=4)


@settings(deadline=None, max_examples=25)
@given(edits)
def test_no_edit_of_selectors_moves_traffic(wanted: list[list[list[str] | None]]) -> None:
    """While nothing is due, whatever objectives come and go with whatever selectors."""
    fleet = Sliced(chats(), shifted=(CHAT,))
    before = fleet.ways()
    for promises in wanted:
        fleet.slos = [
            objective() if types is None else chats(*types, name=f"slo-{n}")
            for n, types in enumerate(promises)
        ]
        fleet.visit()
        assert fleet.ways() == before
