"""Which pools an attempt goes to, in what order, and what is tried again.

`priority_group` with one Envoy cluster per group is the chain; `refresh_cluster_on_retry` moves a
retry to the next group. An empty or unhealthy pool refuses at once (`endpoints.TRIPWIRE`), because
a cluster without hosts would end the request instead of moving it on.
"""

from typing import Final

from tokenfleet.adapters.envoy.wire import Json, extension
from tokenfleet.domain.routing.ir import Failover

IDLE_TIMEOUT: Final = "660s"
"""Longest silence of a request, above the longest first token that the ladder can count (600 s)."""

_SERVER_ERRORS: Final = (500, 502, 503, 504)


def order(chain: tuple[str, ...], first: str) -> tuple[str, ...]:
    """Return the chain as one bucket uses it: its own pool, then the others in chain order."""
    return (first, *(pool for pool in chain if pool != first))


def action(pools: tuple[str, ...], failover: Failover, *, stream: bool) -> Json:
    """Return Envoy's `RouteAction` for pools in order of preference.

    Args:
        pools: at least one.
        failover: when another attempt follows.
        stream: True for requests that ask for a stream; only they have a first-token timeout.
    """
    return {
        # Streams may run for as long as they move; what ends them is silence.
        "timeout": "0s",
        "idle_timeout": IDLE_TIMEOUT,
        "inline_cluster_specifier_plugin": {
            "extension": extension(
                "priority_group",
                "envoy.extensions.router.cluster_specifiers.priority_group.v3"
                ".PriorityGroupClusterSpecifier",
                priority_groups=[
                    {"name": pool, "clusters": [{"cluster_name": pool, "weight": 1}]}
                    for pool in pools
                ],
            )
        },
        "retry_policy": _retry_policy(failover, stream=stream),
    }


def _retry_policy(failover: Failover, *, stream: bool) -> Json:
    timeout = failover.first_token_timeout_ms
    conditions = []
    if failover.connect_failure:
        conditions += ["connect-failure", "refused-stream"]
    if failover.connect_failure or timeout is not None:
        conditions.append("reset")  # broken before any byte; an expired per-try timeout counts too
    codes = [429] if failover.too_many_requests else []
    codes += _SERVER_ERRORS if failover.server_error else ()
    if codes:
        conditions.append("retriable-status-codes")
    policy: Json = {
        "retry_on": ",".join(conditions),
        "retriable_status_codes": codes,
        "num_retries": failover.attempts - 1,
        "refresh_cluster_on_retry": True,
        # A dead pool must not cost its requests more than 3 ms; the next pool is another one, so
        # there is nobody to spare by waiting.
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.010s"},
    }
    if stream and timeout is not None:
        policy["per_try_timeout"] = f"{timeout / 1000:.3f}s"
    return policy
