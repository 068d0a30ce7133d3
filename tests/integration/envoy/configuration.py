"""The configuration most tests start from: a fast rule, and a slow one with a fallback."""

from collections.abc import Mapping
from dataclasses import replace

from tokenfleet.domain.routing.ir import (
    Attribution,
    Deadline,
    Failover,
    Match,
    Pool,
    Route,
    RouterConfig,
    Rule,
)
from tokenfleet.domain.routing.shares import contiguous, with_shares

Endpoints = Mapping[str, tuple[tuple[str, int], ...]]


def pool(name: str, model: str) -> Pool:
    return Pool(
        name=name,
        model_name=model,
        aliases=(),
        window=None,
        service=name,
        service_uid=None,
        port_name="http",
        family="IPv4",
    )


def limit(milliseconds: int | None, *, always: bool) -> Deadline | None:
    """A limit; one that its user has written holds always."""
    return None if milliseconds is None else Deadline(milliseconds=milliseconds, always=always)


def configuration(
    shares: dict[str, int],
    *,
    timeout_ms: int | None = None,
    response_ms: int | None = None,
    always: bool = True,
    stall_ms: int = 60_000,
    body_limit: int = 1024 * 1024,
) -> RouterConfig:
    """The model `chat`: small requests of suggestions on `small`, the rest by shares.

    Args:
        always: whether limits hold where nobody else is left to ask, too.
    """
    fast = Rule(
        name="fast",
        matches=(Match(features=("suggestions",), bytes_max=8000, tools=False),),
        ranges=contiguous({"small": 1000}),
        chain=("small",),
        first_token=None,
        response=None,
    )
    slow = Rule(
        name="slow",
        matches=(),
        ranges=contiguous(shares),
        chain=("large", "small"),
        first_token=limit(timeout_ms, always=always),
        response=limit(response_ms, always=always),
    )
    failover = Failover(
        connect_failure=True,
        server_error=True,
        too_many_requests=True,
        attempts=3,
        stall_ms=stall_ms,
    )
    return RouterConfig(
        namespace="default",
        name="default",
        attribution=Attribution(
            feature="x-tokenfleet-feature",
            request_type="x-tokenfleet-request-type",
            user="x-tokenfleet-user",
        ),
        body_limit=body_limit,
        allow_origins=(),
        explain=True,
        access_log="Off",
        tracing=None,
        pools=(pool("large", "llama-70b"), pool("small", "llama-3b")),
        routes=(
            Route(
                name="chat",
                model_names=("chat", "org/chat"),
                features=("suggestions", "generation"),
                request_types=("analysis",),
                rules=(fast, slow),
                failover=failover,
            ),
        ),
    )


def shifted(config: RouterConfig, shares: dict[str, int]) -> RouterConfig:
    """The same with other shares of the slow rule, moving only the difference."""
    return with_shares(config, {("chat", "slow"): shares}, before=config)


def doubled(config: RouterConfig) -> RouterConfig:
    """Two routes for the same models: the module refuses it, and the compiler never makes it."""
    (route,) = config.routes
    return replace(config, routes=(route, replace(route, name="double")))


def attempts(config: RouterConfig, number: int) -> RouterConfig:
    (route,) = config.routes
    return replace(
        config, routes=(replace(route, failover=replace(route.failover, attempts=number)),)
    )
