"""`<router>-config`: size, round trip, and what is rebuilt from status."""

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import reduce
from typing import Any

import pytest

from tests.integration.envoy.configuration import configuration
from tests.unit.domain.fleet.builders import pool, route, router
from tests.unit.domain.slo.builders import BUSY, T0
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.departed import Departed
from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.domain.fleet.last_good import resolved_now
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.domain.fleet.router_config import (
    LEAP,
    Held,
    UnreadableConfigError,
    from_status,
    newest,
    read,
    same,
    write,
)
from tokenfleet.domain.routing.codec import REVISION_MAX, Document, too_large
from tokenfleet.domain.routing.compile import compile_router
from tokenfleet.domain.slo.control.memory import LoopMemory, RuleMemory, State


def thousand_rules() -> Held:
    """20 routes of 50 rules, each shifted, with all of its memory."""
    routes = []
    for number in range(20):
        rules: list[dict[str, Any]] = [
            {
                "name": f"rule-{n}",
                "matches": [{"features": [f"feature-{n}"], "requestBytes": {"max": 8000}}],
                "backendRefs": [{"name": "chat-large"}],
                "fallbackRefs": [{"name": "chat-small"}],
            }
            for n in range(49)
        ]
        rules.append({"name": "rest", "backendRefs": [{"name": "chat-large"}]})
        routes.append(route(f"chat-{number}", rules=rules))
    pools = {name: ServingPool.model_validate(pool(name)) for name in ("chat-large", "chat-small")}
    compiled = compile_router(
        ModelRouter.model_validate(router()),
        [ModelRoute.model_validate(body) for body in routes],
        pools,
        {},
        slos=[],
    )
    memory = {
        f"ns/{body['metadata']['name']}/{rule['name']}": RuleMemory(loops={"chat-large": BUSY})
        for body in routes
        for rule in body["spec"]["rules"]
    }
    document = Document(revision=12345, config=compiled.config)
    held = Held(document=document, memory=memory, claims=compiled.claims)
    targets = {
        f"ttft-{n}": f"{route.name}/{rule.name}"
        for n, (route, rule) in enumerate(
            (route, rule) for route in compiled.config.routes for rule in route.rules
        )
    }
    return replace(held, resolved=resolved_now(compiled, held), targets=targets)


def test_a_thousand_rules_with_all_of_their_memory_fit() -> None:
    held = thousand_rules()
    data = write(held)

    assert len(held.memory) == 1000
    assert too_large(data) is None
    assert sum(len(text) for text in data.values()) < 700 * 1024
    assert read(data) == held
    assert same(data, held, held)


def test_a_change_of_memory_is_a_change() -> None:
    held = thousand_rules()
    other = Held(document=held.document, memory={}, claims=held.claims)

    assert not same(write(held), held, other)


def test_the_newest_readable_copy_wins() -> None:
    held = thousand_rules()
    assert held.document is not None
    older = Held(document=Document(revision=1, config=held.document.config), claims=held.claims)

    copies = [write(older), {"config": "damaged"}, write(held), {}]

    assert newest(copies, known=12345) == held
    assert newest([{}], known=12345) is None


def test_a_copy_with_a_revision_out_of_the_air_leaves_room_for_the_next_ones() -> None:
    held = thousand_rules()
    assert held.document is not None
    endless = Document(revision=REVISION_MAX, config=held.document.config)

    found = newest([write(replace(held, document=endless))], known=7)

    assert found is not None
    assert found.revision == 7 + LEAP
    assert found.memory == held.memory


@pytest.mark.parametrize("data", [{}, {"config": "x"}, {"config": "{}", "claims": "[]"}])
def test_damage_is_an_error_and_never_an_empty_configuration(data: dict[str, str]) -> None:
    with pytest.raises(UnreadableConfigError):
        read(data)


def one_of_everything() -> dict[str, str]:
    """Return data in which every part of the record has something."""
    rule = RuleMemory(loops={"large": LoopMemory(state=State.SHIFTED, w=0.5, fallback="small")})
    note = EventNote(
        type="Warning", reason="TrafficShifted", action="SetShares", note="why", id="i", at=T0,
        about=ObjectKey("ModelRoute", "ns", "chat"), transitions=("T1",),
    )  # fmt: skip
    gone = Departed(at=T0, models=("chat",), shares={"large": 500}, memory=rule)
    return write(
        Held(
            document=Document(revision=3, config=configuration({"large": 500, "small": 500})),
            memory={"ns/chat/slow": rule},
            claims={"chat": "chat"},
            departed={"ns/chat/old": gone},
            untold=(note,),
            resolved={"chat/slow": (1, 2)},
            targets={"slo": "chat/slow"},
        )
    )


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*place, key))


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """Return a document with another value at a place; `...`: with none."""
    if not place:
        return new
    found = deepcopy(value)
    inner = reduce(lambda part, key: part[key], place[:-1], found)
    if new is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return found


ODD = [10**30, -(10**18), 1.5, float("nan"), float("inf")]
WRONG = [..., None, True, -1, *ODD, "", "x", [], {}, [[]], {"a": 1}]


@pytest.mark.parametrize("part", one_of_everything())
def test_whatever_is_damaged_is_unreadable_or_can_be_written_again(part: str) -> None:
    """A visit must be able to say so: another error would end it, again and again."""
    data = one_of_everything()
    document = json.loads(data[part])
    for place in places(document):
        for wrong in WRONG if place else WRONG[1:]:
            damaged = json.dumps(changed(document, place, wrong))
            with suppress(UnreadableConfigError):
                assert write(read({**data, part: damaged})), (place, wrong)


def status(**shares: int) -> dict[str, Any]:
    listed = [{"name": name, "share": share} for name, share in shares.items()]
    return {"rules": [{"name": "slow", "shares": listed}]}


@pytest.mark.parametrize(
    ("shares", "w"),
    [
        pytest.param({"large": 1000, "small": 0}, None, id="as written"),
        pytest.param({"large": 50, "small": 950}, 0.05, id="shifted to the floor"),
        pytest.param({"large": 0, "small": 1000}, 0.0, id="primary gone"),
        pytest.param({"large": 500}, None, id="not a whole"),
    ],
)
def test_a_shift_is_rebuilt_from_the_shares_that_status_recorded(
    shares: dict[str, int], w: float | None
) -> None:
    held = from_status([route(status=status(**shares))])

    assert held is not None
    loops = held.memory["ns/chat/slow"].loops if held.memory else {}
    assert (loops["large"].w if loops else None) == w


def test_without_any_record_there_is_none() -> None:
    assert from_status([route(), route("other", status={"rules": []})]) is None
