"""Retry policies: what Envoy repeats, and for how long it waits.

The module says *whether* and *where* a request is tried again: its cluster specifier gives each
attempt its place, its attempt filter marks answers that another place may better (`MARKED`). Envoy
repeats. A policy is fixed when the first place is chosen, and a place cannot refuse a retry, so the
number of retries is part of the policy: the specifier picks the one that has as many as there are
places left. Policies are few, whatever the number of rules: their name is their content.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tokenfleet.adapters.envoy.clusters import Endpoint
from tokenfleet.adapters.envoy.wire import WAIT, Json, extension
from tokenfleet.domain.routing.ir import Deadline, Failover, RouterConfig, Rule

SISTERS: Final = 1
"""Further replicas of the first pool that are asked before another pool."""

MARKED: Final = "envoy-ratelimited"
"""Envoy's condition for the mark, the header `x-envoy-ratelimited`: the only condition on a header
that costs no search in every answer. The module removes what a pool itself says there."""

Endpoints = Mapping[str, tuple[Endpoint, ...]]
"""Pool name -> replicas that may be used; a pool that is not in it has none."""

HOST_CHOICES: Final = 20
"""How often Envoy draws again for a replica that has not been asked. Of two replicas it finds the
other one but for one request in 2^21; a draw costs less than a microsecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One retry policy."""

    retries: int
    """0 or more."""
    connect_failure: bool
    """Whether a replica that refuses, or breaks before it answers, is followed by another place."""
    timeout_ms: int | None
    """What ends one attempt, in milliseconds; None: nothing."""
    sisters: bool
    """Whether another replica of the same pool may be next. What that needs costs every request
    (`decisions/0116`), whether it is tried again or not."""

    @property
    def name(self) -> str:
        """Return what the plan calls it: equal policies have equal names."""
        conditions = "connect" if self.connect_failure else "answers"
        limit = "none" if self.timeout_ms is None else f"{self.timeout_ms}ms"
        return f"{conditions}/{limit}/{self.retries}{'/sisters' if self.sisters else ''}"


def stream_policies(failover: Failover, rule: Rule, endpoints: Endpoints) -> tuple[Policy, ...]:
    """Return the policies of a rule's streams, by number of retries."""
    return _policies(failover, rule, rule.first_token, endpoints)


def whole_policies(failover: Failover, rule: Rule, endpoints: Endpoints) -> tuple[Policy, ...]:
    """Return the policies of a rule's whole answers, by number of retries."""
    return _policies(failover, rule, rule.response, endpoints)


def overrides(config: RouterConfig, endpoints: Endpoints) -> dict[str, Json]:
    """Return every policy that the plan of a configuration names, by name."""
    policies = _all(config, endpoints)
    return {policy.name: {"retry_policy": retry_policy(policy)} for policy in policies}


def has_sisters(endpoints: Endpoints, pool: str) -> bool:
    """Tell whether a pool has a sister for a replica that fails."""
    return len(endpoints.get(pool, ())) > 1


def retry_policy(policy: Policy) -> Json:
    """Return Envoy's `RetryPolicy`."""
    limit = {} if policy.timeout_ms is None else {"per_try_timeout": _seconds(policy.timeout_ms)}
    if not policy.retries:
        return {"num_retries": 0, **limit}  # without conditions Envoy keeps no state for retries
    conditions = [MARKED]
    if policy.connect_failure:
        conditions += ["connect-failure", "refused-stream"]
    if policy.connect_failure or policy.timeout_ms is not None:
        conditions.append("reset")  # broken before any byte; an expired per-try timeout counts too
    return {
        "retry_on": ",".join(conditions),
        "num_retries": policy.retries,
        "refresh_cluster_on_retry": True,
        # A dead pool must not cost its requests more than 3 ms; the next place is another one, so
        # there is nobody to spare by waiting.
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.010s"},
        **(_SISTERS if policy.sisters else {}),
        **limit,
    }


_SISTERS: Final[Json] = {
    # A sister is another replica: the one that has just failed is not asked again.
    "retry_host_predicate": [
        extension(
            "envoy.retry_host_predicates.previous_hosts",
            "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        )
    ],
    "host_selection_retry_max_attempts": HOST_CHOICES,
    # A sister is the same provider: the module passes on how long that asked to be spared.
    "rate_limited_retry_back_off": {
        "reset_headers": [{"name": WAIT, "format": "SECONDS"}],
        "max_interval": "3s",
    },
}


def _policies(
    failover: Failover, rule: Rule, limit: Deadline | None, endpoints: Endpoints
) -> tuple[Policy, ...]:
    sisters = any(has_sisters(endpoints, part.pool) for part in rule.ranges)
    most = min(failover.attempts, len(rule.chain)) - 1 + SISTERS
    return tuple(
        Policy(
            retries=retries,
            connect_failure=failover.connect_failure,
            timeout_ms=_timeout(limit, retries),
            sisters=sisters and retries > 0,
        )
        for retries in range(most + 1)
    )


def _timeout(limit: Deadline | None, retries: int) -> int | None:
    # A default must not end the only attempt that a request has.
    holds = limit is not None and (limit.always or retries > 0)
    return limit.milliseconds if limit is not None and holds else None


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}s"


def _all(config: RouterConfig, endpoints: Endpoints) -> Iterator[Policy]:
    for route in config.routes:
        for rule in route.rules:
            yield from stream_policies(route.failover, rule, endpoints)
            yield from whole_policies(route.failover, rule, endpoints)
