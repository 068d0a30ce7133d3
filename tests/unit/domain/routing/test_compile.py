"""From API objects to the neutral configuration: total, and clear about what is wrong."""

from typing import Any

import pytest

from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.routing.codec import SIZE_MAX, Document, encode
from tokenfleet.domain.routing.compile import LABEL_SETS_MAX, Compiled, compile_router
from tokenfleet.domain.routing.ir import Budget, Deadline, PoolShare, Tracing
from tokenfleet.domain.routing.shares import with_shares

ROUTER = ModelRouter.model_validate({"metadata": {"name": "default"}})


def pool(name: str, window: int | None = None) -> ServingPool:
    return ServingPool.model_validate(
        {
            "metadata": {"name": name},
            "spec": {
                "type": "Existing",
                "served": {"modelName": name, "contextWindow": window},
                "existing": {"serviceRef": {"name": name, "port": 8000}},
            },
        }
    )


def rule(
    name: str = "all", *backends: str, fallbacks: tuple[str, ...] = (), **fields: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "backendRefs": [{"name": backend} for backend in backends],
        "fallbackRefs": [{"name": fallback} for fallback in fallbacks],
        **fields,
    }


def route(
    name: str, *rules: dict[str, Any], created: str = "2026-01-01T00:00:00Z", **spec: Any
) -> ModelRoute:
    return ModelRoute.model_validate(
        {
            "metadata": {"name": name, "creationTimestamp": created},
            "spec": {
                "parentRefs": [{"name": "default"}],
                "modelNames": [name],
                "rules": list(rules) or [rule("all", "large")],
                **spec,
            },
        }
    )


def compiled(
    *routes: ModelRoute,
    incumbents: dict[str, str] | None = None,
    slos: tuple[TokenSLO, ...] = (),
    router: ModelRouter = ROUTER,
    **pools: int | None,
) -> Compiled:
    found = {
        name: pool(name, window)
        for name, window in (pools or {"large": None, "small": None}).items()
    }
    return compile_router(router, routes, found, incumbents or {}, slos=slos)


def promise(signal: str, threshold: str, rule: str | None = None) -> TokenSLO:
    latency = {"signal": signal, "threshold": threshold, "target": "0.95"}
    return TokenSLO.model_validate(
        {
            "metadata": {"name": "promise"},
            "spec": {
                "targetRef": {"name": "chat", **({"sectionName": rule} if rule else {})},
                "objective": {"type": "Latency", "latency": latency},
            },
        }
    )


def reasons(result: Compiled, name: str) -> list[str]:
    return [f"{p.condition}/{p.reason}" for p in result.problems.get(name, ())]


def test_weights_become_shares_and_fallbacks_wait_at_zero() -> None:
    result = compiled(route("chat", rule("all", "large", fallbacks=("small",))))

    (only,) = result.config.routes[0].rules
    assert only.shares == (PoolShare(pool="large", share=1000), PoolShare(pool="small", share=0))
    assert only.chain == ("large", "small")
    assert result.problems == {}


def test_only_the_pools_in_use_are_in_the_configuration() -> None:
    result = compiled(route("chat"), large=None, unused=None)

    assert [p.name for p in result.config.pools] == ["large"]


def test_the_order_of_objects_does_not_show() -> None:
    a, b = route("a"), route("b", rule("all", "small"))

    assert compiled(a, b) == compiled(b, a)


def test_routes_of_other_routers_are_left_out() -> None:
    result = compiled(route("chat", parentRefs=[{"name": "another"}]))

    assert result.config.routes == ()


@pytest.mark.parametrize(
    ("incumbents", "winner"),
    [
        pytest.param({}, "older", id="at first sight the older route"),
        pytest.param({"chat": "newer"}, "newer", id="the incumbent, whatever its age"),
        pytest.param({"chat": "deleted"}, "older", id="an incumbent that is gone does not count"),
    ],
)
def test_a_model_name_belongs_to_one_route(incumbents: dict[str, str], winner: str) -> None:
    older = route("older", modelNames=["chat"], created="2026-01-01T00:00:00Z")
    newer = route("newer", modelNames=["chat", "mine"], created="2026-02-01T00:00:00Z")

    result = compiled(older, newer, incumbents=incumbents)

    loser = {"older": "newer", "newer": "older"}[winner]
    assert result.claims["chat"] == winner
    assert reasons(result, loser) == ["Accepted/ModelNameConflict"]
    assert f"ModelRoute {winner}" in result.problems[loser][0].message
    assert reasons(result, winner) == []


def test_a_route_keeps_the_names_that_nobody_else_claims() -> None:
    result = compiled(
        route("a", modelNames=["chat"]),
        route("b", modelNames=["chat", "mine"], created="2026-02-01T00:00:00Z"),
    )

    assert [(r.name, r.model_names) for r in result.config.routes] == [
        ("a", ("chat",)),
        ("b", ("mine",)),
    ]


def test_same_age_goes_by_name() -> None:
    assert compiled(route("b", modelNames=["m"]), route("a", modelNames=["m"])).claims["m"] == "a"


def test_an_unknown_pool_is_named_and_the_others_serve() -> None:
    result = compiled(route("chat", rule("all", "missing", "large")))

    assert reasons(result, "chat") == ["ResolvedRefs/PoolNotFound"]
    assert "ServingPool missing" in result.problems["chat"][0].message
    assert result.config.routes[0].rules[0].chain == ("large",)


def test_a_rule_without_any_pool_stays_and_catches_what_it_matches() -> None:
    """Falling through to another rule would be another answer than the one written."""
    result = compiled(
        route(
            "chat", rule("fast", "missing", matches=[{"stream": "Present"}]), rule("all", "large")
        )
    )

    assert [(r.name, r.chain) for r in result.config.routes[0].rules] == [
        ("fast", ()),
        ("all", ("large",)),
    ]


def test_where_every_backend_is_unknown_the_fallback_serves() -> None:
    result = compiled(route("chat", rule("all", "missing", fallbacks=("small",))))

    assert result.config.routes[0].rules[0].shares == (PoolShare(pool="small", share=1000),)


@pytest.mark.parametrize(
    ("matches", "windows", "fits"),
    [
        pytest.param([], {"large": 32768, "small": 4096}, False, id="a smaller window"),
        pytest.param([], {"large": 4096, "small": 32768}, True, id="a larger window"),
        pytest.param([], {"large": None, "small": 4096}, True, id="unknown is taken to fit"),
        pytest.param([{"requestBytes": {"max": 4096}}], {"large": 32768, "small": 4096}, True, id="bounded"),
        pytest.param(
            [{"requestBytes": {"max": 4096}}, {"tools": "Present"}], {"large": 32768, "small": 4096}, False,
            id="one alternative unbounded",
        ),
    ],
)  # fmt: skip
def test_a_fallback_must_take_what_the_rule_sends(
    matches: list[dict[str, Any]], windows: dict[str, int | None], *, fits: bool
) -> None:
    result = compiled(
        route(
            "chat",
            rule("first", "large", fallbacks=("small",), matches=matches),
            rule("rest", "large"),
        ),
        **windows,
    )

    assert reasons(result, "chat") == ([] if fits else ["ResolvedRefs/IncompatibleFallback"])
    assert ("small" in result.config.routes[0].rules[0].chain) == fits


@pytest.mark.parametrize(
    ("failover", "slos", "first_token", "response"),
    [
        pytest.param({}, (), (60_000, False), (600_000, False), id="nothing is promised"),
        pytest.param(
            {},
            (promise("TimeToFirstToken", "2s", "all"), promise("EndToEnd", "4s")),
            (20_000, False),
            (40_000, False),
            id="ten times what is promised to the rule or the route",
        ),
        pytest.param(
            {},
            (promise("TimeToFirstToken", "500ms"), promise("EndToEnd", "60s")),
            (10_000, False),
            (120_000, False),
            id="within 10 s and 120 s",
        ),
        pytest.param(
            {},
            (promise("TimeToFirstToken", "2s"), promise("TimeToFirstToken", "5s")),
            (50_000, False),
            (600_000, False),
            id="the widest of several",
        ),
        pytest.param(
            {},
            (promise("TimeToFirstToken", "2s", "another"), promise("TimePerOutputToken", "2s")),
            (60_000, False),
            (600_000, False),
            id="promises about something else",
        ),
        pytest.param(
            {"firstTokenTimeout": "2s", "responseTimeout": "3s"},
            (promise("TimeToFirstToken", "5s"),),
            (2_000, True),
            (3_000, True),
            id="what is written",
        ),
        pytest.param({"retryOn": ["ServerError"]}, (), None, None, id="not wanted"),
    ],
)
def test_limits_are_as_written_or_follow_from_promises(
    failover: dict[str, Any],
    slos: tuple[TokenSLO, ...],
    first_token: tuple[int, bool] | None,
    response: tuple[int, bool] | None,
) -> None:
    result = compiled(route("chat", failover=failover), slos=slos)

    (only,) = result.config.routes[0].rules
    for found, wanted in ((only.first_token, first_token), (only.response, response)):
        assert found == (wanted and Deadline(milliseconds=wanted[0], always=wanted[1]))
    assert reasons(result, "chat") == []


def test_silence_ends_a_stream_after_a_minute_or_as_written() -> None:
    plain, written = (
        compiled(route("chat", failover=failover)).config.routes[0].failover.stall_ms
        for failover in ({}, {"stallTimeout": "5s"})
    )

    assert (plain, written) == (60_000, 5_000)


def test_what_a_router_tells_is_as_written() -> None:
    spec = {
        "cors": {"allowOrigins": ["https://app.example.com"]},
        "explain": "Disabled",
        "accessLog": "Errors",
        "tracing": {"endpoint": "http://collector:4318", "sampling": "0.25"},
    }
    router = ModelRouter.model_validate({"metadata": {"name": "default"}, "spec": spec})

    told, silent = (compiled(route("chat"), router=r).config for r in (router, ROUTER))

    assert (told.allow_origins, told.explain, told.access_log) == (
        ("https://app.example.com",),
        False,
        "Errors",
    )
    assert told.tracing == Tracing(endpoint="http://collector:4318/v1/traces", sampling=2_500)
    assert (silent.allow_origins, silent.explain, silent.access_log, silent.tracing) == (
        (),
        True,
        "Off",
        None,
    )


@pytest.mark.parametrize("endpoint", ["http://collector:4318", "http://collector:4318/"])
def test_a_collector_without_a_path_gets_the_usual_one(endpoint: str) -> None:
    spec = {"tracing": {"endpoint": endpoint, "sampling": "1"}}
    router = ModelRouter.model_validate({"metadata": {"name": "default"}, "spec": spec})

    told = compiled(route("chat"), router=router).config.tracing

    assert told is not None
    assert told.endpoint == "http://collector:4318/v1/traces"


def test_a_pool_s_names_and_window_are_known() -> None:
    body = pool("large", 4096).model_dump(by_alias=True, mode="json")
    body["spec"]["served"]["aliases"] = ["chat"]
    found = {"large": ServingPool.model_validate(body)}

    (only,) = compile_router(ROUTER, [route("chat")], found, {}, slos=()).config.pools

    assert (only.names, only.window) == (("large", "chat"), 4096)


def test_features_of_rules_count_even_where_the_route_does_not_list_them() -> None:
    result = compiled(
        route(
            "chat",
            rule("fast", "small", matches=[{"features": ["b"]}]),
            rule("all", "large"),
            features=["a"],
        )
    )

    assert result.config.routes[0].features == ("a", "b")


def test_too_many_label_sets_collapse_instead_of_taking_the_route_down() -> None:
    features = [f"f{i}" for i in range(32)]
    many = [
        route(f"r{i:02d}", *(rule(f"x{j}", "large", "small") for j in range(20)), features=features, requestTypes=features)
        for i in range(2)
    ]  # fmt: skip

    result = compiled(*many)

    assert LABEL_SETS_MAX < 20 * 2 * 33 * 33
    assert reasons(result, "r00") == ["Accepted/CardinalityExceeded"]
    assert result.config.routes[0].features == ()


def test_a_thousand_rules_fit_into_the_config_map() -> None:
    rules = [
        rule(
            f"rule-{j:02d}",
            "large",
            fallbacks=("small",),
            matches=[{"features": [f"f{j}"], "requestBytes": {"max": 8000}}],
        )
        for j in range(39)
    ]
    routes = [
        route(f"route-number-{i:02d}", *rules, rule("rest", "large", fallbacks=("small",)))
        for i in range(25)
    ]

    config = compiled(*routes).config
    shares = {
        (r.name, x.name): {"large": 617, "small": 383} for r in config.routes for x in r.rules
    }
    text = encode(Document(revision=10**6, config=with_shares(config, shares, before=config)))

    assert sum(len(r.rules) for r in config.routes) == 1000
    assert len(text) < SIZE_MAX * 0.8


def test_shares_of_now_replace_those_written() -> None:
    config = compiled(route("chat", rule("all", "large", fallbacks=("small",)))).config

    shifted = with_shares(config, {("chat", "all"): {"large": 400, "small": 600}}, before=config)

    assert [s.share for s in shifted.routes[0].rules[0].shares] == [400, 600]
    assert with_shares(config, {}, before=shifted).routes[0].rules[0].shares[0].share == 1000
    assert with_shares(config, {("chat", "all"): {"gone": 1000}}, before=None) == config


def test_a_latency_budget_names_the_stages_that_are_reported() -> None:
    stages = [{"name": n, "budget": "50ms"} for n in ("routing", "retrieval", "model", "tools")]
    late = [{"remainingBudget": {"max": "150ms"}}]
    budget = {"total": "500ms", "stages": stages}
    (made,) = compiled(
        route(
            "chat", rule("fast", "small", matches=late), rule("slow", "large"), latencyBudget=budget
        )
    ).config.routes

    assert made.budget == Budget(total_ms=500, stages=("retrieval", "tools"))
    assert [match.left_max_ms for match in made.rules[0].matches] == [150]
