"""The document in `<router>-config`: equal values, equal bytes; strict reading."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.envoy.configuration import configuration
from tokenfleet.domain.routing.codec import (
    REVISION_MAX,
    SIZE_MAX,
    CodecError,
    Document,
    decode,
    encode,
    too_large,
)
from tokenfleet.domain.routing.ir import (
    ACCESS_LOGS,
    AdapterUse,
    Attribution,
    Budget,
    Deadline,
    Failover,
    Match,
    Pool,
    Route,
    RouterConfig,
    Rule,
    Tracing,
)
from tokenfleet.domain.routing.shares import contiguous, largest_remainder

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is not a finding."""

POOLS = ("a", "b", "c")
names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
label_lists = st.lists(names, max_size=3, unique=True).map(tuple)
optional_bytes = st.none() | st.integers(0, 67_108_864)
matches = st.builds(
    Match,
    features=label_lists,
    request_types=label_lists,
    bytes_min=optional_bytes,
    bytes_max=optional_bytes,
    tools=st.none() | st.booleans(),
    stream=st.none() | st.booleans(),
    left_max_ms=st.none() | st.integers(1, 600_000),
)


deadlines = st.builds(Deadline, milliseconds=st.integers(50, 3_600_000), always=st.booleans())


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    weights = draw(st.dictionaries(st.sampled_from(POOLS), st.integers(0, 9), max_size=3))
    chain = tuple(weights) if any(weights.values()) else ()
    return Rule(
        name=draw(names),
        matches=tuple(draw(st.lists(matches, max_size=3))),
        ranges=contiguous(largest_remainder(weights)) if chain else (),
        chain=chain,
        first_token=draw(st.none() | deadlines),
        response=draw(st.none() | deadlines),
        adapters=tuple(
            AdapterUse(pool=pool, adapter=draw(names))
            for pool in draw(st.sets(st.sampled_from(chain)) if chain else st.just(set()))
        ),
    )


failovers = st.builds(
    Failover,
    connect_failure=st.booleans(),
    server_error=st.booleans(),
    too_many_requests=st.booleans(),
    attempts=st.integers(1, 8),
    stall_ms=st.integers(50, 3_600_000),
)
routes = st.builds(
    Route,
    name=names,
    model_names=label_lists,
    features=label_lists,
    request_types=label_lists,
    rules=st.lists(rules(), max_size=3).map(tuple),
    failover=failovers,
    budget=st.none() | st.builds(Budget, total_ms=st.integers(10, 600_000), stages=label_lists),
)
configs = st.builds(
    RouterConfig,
    namespace=names,
    name=names,
    attribution=st.builds(Attribution, feature=names, request_type=names, user=names),
    body_limit=st.integers(1024, 67_108_864),
    allow_origins=label_lists,
    explain=st.booleans(),
    access_log=st.sampled_from(ACCESS_LOGS),
    tracing=st.none() | st.builds(Tracing, endpoint=names, sampling=st.integers(0, 10_000)),
    pools=st.builds(
        lambda aliases, window: tuple(
            Pool(
                name=pool,
                model_name=pool,
                aliases=aliases,
                window=window,
                service=pool,
                service_uid=uid,
                port_name="http",
                family="IPv4",
            )
            for pool, uid in zip(POOLS, ("uid-a", "", None), strict=True)
        ),
        label_lists,
        st.none() | st.integers(128, 16_777_216),
    ),
    routes=st.lists(routes, max_size=3).map(tuple),
)
documents = st.builds(Document, revision=st.integers(1, REVISION_MAX), config=configs)


@patient
@given(documents)
def test_what_is_written_is_read_back(document: Document) -> None:
    assert document == decode(encode(document))


@patient
@given(documents)
def test_equal_documents_have_equal_bytes(document: Document) -> None:
    assert encode(document) == encode(decode(encode(document)))


def example() -> dict[str, object]:
    pool = Pool(
        name="a",
        model_name="m",
        aliases=("n",),
        window=None,
        service="a",
        service_uid=None,
        port_name="http",
        family="IPv4",
    )
    rule = Rule(
        name="r",
        matches=(),
        ranges=contiguous({"a": 1000}),
        chain=("a",),
        first_token=Deadline(milliseconds=2000, always=True),
        response=None,
    )
    failover = Failover(
        connect_failure=True,
        server_error=True,
        too_many_requests=True,
        attempts=3,
        stall_ms=60_000,
    )
    route = Route(
        name="r",
        model_names=("m",),
        features=(),
        request_types=(),
        rules=(rule,),
        failover=failover,
    )
    config = RouterConfig(
        namespace="ns",
        name="r",
        attribution=Attribution(feature="f", request_type="t", user="u"),
        body_limit=1024,
        allow_origins=(),
        explain=True,
        access_log="Off",
        tracing=None,
        pools=(pool,),
        routes=(route,),
    )
    result: dict[str, object] = json.loads(encode(Document(revision=1, config=config)))
    return result


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        pytest.param(["schemaVersion"], 3, "schemaVersion is 3", id="a newer schema"),
        pytest.param(["schemaVersion"], 0, "reads 1 and 2", id="a schema that is too old"),
        pytest.param(["schemaVersion"], 1, "not one of schemaVersion 1", id="another version's"),
        pytest.param(["config", "access_log"], "Some", "access_log is 'Some'", id="another word"),
        pytest.param(["revision"], "1", "revision is not int", id="text for a number"),
        pytest.param(["revision"], 0, "revision is 0", id="a revision before the first"),
        pytest.param(["revision"], 2**53, "revision is 9007199254740992", id="above all numbers"),
        pytest.param(["revision"], True, "revision is not int", id="a boolean for a number"),
        pytest.param(["extra"], 1, "not an object of", id="an unknown key at the top"),
        pytest.param(["config", "extra"], 1, "extra", id="an unknown key inside"),
        pytest.param(["config", "pools"], {}, "pools is not a list", id="an object for a list"),
        pytest.param(["config", "pools"], [], "unknown pools a", id="a rule of a missing pool"),
        pytest.param(
            ["config", "routes", 0, "rules", 0, "ranges", 0, "end"], 999, "cover", id="a gap"
        ),
        pytest.param(
            ["config", "routes", 0, "rules", 0, "ranges"], [], "cover", id="no buckets at all"
        ),
    ],
)
def test_anything_else_is_refused(path: list[str | int], value: object, said: str) -> None:
    document: object = example()
    place: object = document
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]
    place[path[-1]] = value  # type: ignore[index]

    with pytest.raises(CodecError, match=said):
        decode(json.dumps(document))


EARLIER = (
    '{"config":{"attribution":{"feature":"f","request_type":"t","user":"u"},"body_limit":1024,'
    '"name":"r","namespace":"ns","pools":[{"holds_headers":true,"model_name":"m","name":"a",'
    '"port":8000,"service":"a"}],"routes":[{"failover":{"attempts":3,"connect_failure":true,'
    '"first_token_timeout_ms":2000,"server_error":true,"too_many_requests":true},"features":[],'
    '"model_names":["m"],"name":"r","request_types":[],"rules":[{"chain":["a"],"matches":[],'
    '"name":"r","ranges":[{"end":1000,"first":0,"pool":"a"}]}]}]},"revision":7,"schemaVersion":1}'
)
"""As the version before wrote it."""


def test_the_version_before_is_read_as_what_it_meant() -> None:
    """An operator that was upgraded finds what the older one wrote; so does a router."""
    document = decode(EARLIER)

    (route,), (pool,) = document.config.routes, document.config.pools
    assert document.revision == 7
    assert route.rules[0].first_token == Deadline(milliseconds=2000, always=True)
    assert route.rules[0].response is None
    assert (pool.names, pool.window) == (("m",), None)
    assert (pool.service_uid, pool.port_name, pool.family) == (None, "http", "IPv4")
    assert document.config.explain
    assert document == decode(encode(document))


@patient
@given(st.text(max_size=40))
def test_text_that_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        decode(text)


def test_data_above_the_limit_are_a_problem() -> None:
    assert too_large({"config": "x" * (SIZE_MAX - 6)}) is None

    problem = too_large({"config": "x" * (SIZE_MAX - 5)})

    assert problem is not None
    assert problem.reason == "ConfigTooLarge"
    assert str(SIZE_MAX) in problem.message


def test_what_was_added_to_a_version_is_written_only_where_it_is_used() -> None:
    """A router of the release before refuses keys that it does not know."""
    config = configuration({"large": 1000, "small": 0})
    (route,) = config.routes
    used = replace(route, budget=Budget(total_ms=500, stages=("tools",)))
    plain, new = (
        encode(Document(revision=1, config=replace(config, routes=(one,)))) for one in (route, used)
    )

    assert "budget" not in plain
    assert "left_max_ms" not in plain
    assert '"budget":{"stages":["tools"],"total_ms":500}' in new
