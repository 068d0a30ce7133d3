"""The configuration most tests start from: a fast rule, and a slow one with a fallback."""

from collections.abc import Mapping
from dataclasses import replace

from tokenfleet.domain.routing.ir import (
    Attribution,
    Failover,
    Match,
    Pool,
    Route,
    RouterConfig,
    Rule,
)
from tokenfleet.domain.routing.shares import contiguous, with_shares

Endpoints = Mapping[str, tuple[tuple[str, int], ...]]


def configuration(
    shares: dict[str, int],
    *,
    timeout_ms: int | None = None,
    body_limit: int = 1024 * 1024,
    holds: bool = True,
) -> RouterConfig:
    """The model `chat`: small requests of suggestions on `small`, the rest by shares."""
    fast = Rule(
        name="fast",
        matches=(Match(features=("suggestions",), bytes_max=8000, tools=False),),
        ranges=contiguous({"small": 1000}),
        chain=("small",),
    )
    slow = Rule(name="slow", matches=(), ranges=contiguous(shares), chain=("large", "small"))
    failover = Failover(
        connect_failure=True,
        server_error=True,
        too_many_requests=True,
        first_token_timeout_ms=timeout_ms,
        attempts=3,
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
        pools=(
            Pool(
                name="large",
                model_name="llama-70b",
                service="large",
                service_uid=None,
                port_name="http",
                family="IPv4",
                holds_headers=holds,
            ),
            Pool(
                name="small",
                model_name="llama-3b",
                service="small",
                service_uid=None,
                port_name="http",
                family="IPv4",
                holds_headers=holds,
            ),
        ),
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


def attempts(config: RouterConfig, number: int) -> RouterConfig:
    (route,) = config.routes
    return replace(
        config, routes=(replace(route, failover=replace(route.failover, attempts=number)),)
    )
