"""Rules that ask pools for adapters."""

from tests.unit.domain.routing.test_compile import ROUTER, pool, reasons, route, rule
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.routing.compile import compile_router
from tokenfleet.domain.routing.ir import AdapterUse


def adapted(*adapters: str, name: str = "large") -> ServingPool:
    body = pool(name).model_dump(by_alias=True, exclude_none=True)
    body["spec"]["served"]["adapters"] = [{"name": adapter} for adapter in adapters]
    return ServingPool.model_validate(body)


def test_a_rule_asks_a_pool_for_the_adapter_that_it_names() -> None:
    backends = [{"name": "large", "adapter": "legal"}]
    chat = route("chat", {"name": "all", "backendRefs": backends}, rule("rest", "large"))
    pools = {"large": adapted("medical", "legal")}

    result = compile_router(ROUTER, [chat], pools, {}, slos=())

    first, rest = result.config.routes[0].rules
    assert first.adapters == (AdapterUse(pool="large", adapter="legal"),)
    assert rest.adapters == ()
    assert result.problems == {}


def test_a_pool_without_the_adapter_is_left_out_and_the_problem_names_those_it_has() -> None:
    backends = [{"name": "large", "adapter": "leagl"}]
    fallbacks = [{"name": "small", "adapter": "legal"}]
    chat = route("chat", {"name": "all", "backendRefs": backends, "fallbackRefs": fallbacks})
    pools = {"large": adapted("medical", "legal"), "small": adapted(name="small")}

    result = compile_router(ROUTER, [chat], pools, {}, slos=())

    assert result.config.routes[0].rules[0].chain == ()
    assert not result.references["chat", "all"].resolved
    assert reasons(result, "chat") == ["ResolvedRefs/AdapterNotFound"] * 2
    told = [problem.message for problem in result.problems["chat"]]
    assert "adapter leagl of ServingPool large, whose served.adapters has only medical" in told[0]
    assert "adapter legal of ServingPool small, whose served.adapters has none" in told[1]


def test_pools_of_another_namespace_keep_their_adapters() -> None:
    backends = [{"name": "large", "adapter": "legal"}]
    body = route("chat", {"name": "all", "backendRefs": backends}).model_dump(by_alias=True)
    body["metadata"]["namespace"] = "team"
    body["spec"]["parentRefs"] = [{"name": "default", "namespace": "default"}]
    pools = {"team/large": adapted("legal")}

    result = compile_router(ROUTER, [ModelRoute.model_validate(body)], pools, {}, slos=())

    (only,) = result.config.routes[0].rules
    assert only.adapters == (AdapterUse(pool=only.chain[0], adapter="legal"),)
