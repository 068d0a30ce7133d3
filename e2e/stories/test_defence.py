"""The objective is defended: breach, shift, recovery; what is written stays the user's."""

from itertools import pairwise

from e2e.kit.waiting import NotYet, wait_for
from e2e.load.pod import LoadRun
from e2e.stories import fleet as written
from e2e.stories.fleet import FALLBACK, PRIMARY, ROUTE, SLO, SLOW, Fleet, never


def test_under_alert_the_shift_is_shown_and_not_made(fleet: Fleet, load: LoadRun) -> None:
    fleet.apply(written.slo(shift=False, rule=fleet.rule))
    fleet.behave(PRIMARY, **SLOW)

    def shown() -> dict | NotYet:
        status = fleet.slo().get("status") or {}
        shares = (status.get("shadow") or {}).get("shares") or []
        would = {share["name"]: share["share"] for share in shares}
        return would if would.get(PRIMARY, 1000) < 1000 else NotYet(str(status.get("state")))

    would = wait_for("the shift to be shown", shown, timeout=180, namespace=fleet.namespace)
    fleet.wait("tokenslo", SLO, "Met", status="False")

    assert would[PRIMARY] + would[FALLBACK] == 1000
    assert fleet.shares() == {PRIMARY: 1000, FALLBACK: 0}
    assert load.live


def test_a_breach_is_shifted_away_and_traffic_recovers_in_steps(
    fleet: Fleet, load: LoadRun
) -> None:
    fleet.breach()
    fleet.wait_share("the floor", lambda share: share <= 130)
    told = fleet.told("lastDecision")
    fleet.behave(PRIMARY)
    seen = fleet.climb()

    assert told["reason"]
    assert told["transition"].startswith("T")
    assert len(seen) >= 4, f"not in steps: {seen}"
    assert all(later > earlier for earlier, later in pairwise(seen)), seen
    fleet.wait("tokenslo", SLO, "Met")
    assert {record.pool for record in load.live} == {PRIMARY, FALLBACK}


def test_applying_again_mid_shift_is_an_empty_diff(fleet: Fleet, load: LoadRun) -> None:
    fleet.breach()
    share = fleet.shares()[PRIMARY]

    assert fleet.namespace.differences(*fleet.documents) == ""
    fleet.namespace.apply(*fleet.documents)
    never("a new apply moved traffic back", lambda: fleet.shares()[PRIMARY] > share, seconds=5)
    for kind in ("modelroute", "tokenslo", "servingpool", "modelrouter"):
        for found in fleet.namespace.list(kind):
            assert writers_of_spec(found) <= {"kubectl-client-side-apply", "kubectl"}
    assert load.live


def test_a_rule_that_is_renamed_mid_shift_keeps_its_traffic(fleet: Fleet, load: LoadRun) -> None:
    share = fleet.breach()
    fleet.rule = f"{fleet.rule}-renamed"
    fleet.apply(written.route(rule=fleet.rule), written.slo(rule=fleet.rule))
    fleet.wait_share("the rule's new name", lambda found: found <= share)

    never("the rename moved traffic back", lambda: fleet.shares()[PRIMARY] > share, seconds=10)

    def told() -> bool | NotYet:
        reasons = {event["reason"] for event in fleet.namespace.list("events")}
        return "ShiftInherited" in reasons or NotYet(f"Events: {sorted(reasons)}")

    wait_for("the Event", told, timeout=120, namespace=fleet.namespace)
    assert load.live


def writers_of_spec(found: dict) -> set[str]:
    """Return the field managers that own something that the user writes."""
    raw = found["metadata"].get("managedFields") or []
    return {
        entry["manager"]
        for entry in raw
        if "f:spec" in (entry.get("fieldsV1") or {}) and entry.get("subresource") != "scale"
    }


def test_every_decision_is_an_event(fleet: Fleet, load: LoadRun) -> None:
    fleet.breach()

    def told() -> list | NotYet:
        events = fleet.namespace.list("events")
        mine = [e for e in events if e["involvedObject"]["name"] == ROUTE]
        shifts = [e for e in mine if e["reason"] == "TrafficShifted" and "(T1" in e["message"]]
        return shifts or NotYet(str([event["message"] for event in mine]))

    assert wait_for("the decision's Event", told, timeout=120, namespace=fleet.namespace)
    fleet.wait("tokenslo", SLO, "Met", status="False")
    assert load.live
