"""Status of a provider's pool, and of any pool whose key a router does not have.

Nobody is asked whether a provider answers: that would cost money, and prove nothing about the next
request. What requests come to is in the router's metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tokenfleet.api.conditions import ACCEPTED, AVAILABLE, PROGRESSING
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.external import External
from tokenfleet.api.v1alpha1.model_source import SecretKeyReference
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.conditions import condition, judged, summary
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools.status import PoolStatus
from tokenfleet.domain.routing.credentials import FORBIDDEN, MISSING, UNUSABLE
from tokenfleet.domain.routing.providers import base_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyless:
    """A router that has no key for a pool."""

    router: str
    """`namespace/name` of the ModelRouter."""
    reason: str
    """One of `domain.routing.credentials`, or a word of a newer agent."""


def external_status(
    pool: ServingPool, external: External, problem: Problem | None, keyless: Keyless | None
) -> PoolStatus:
    """Return what holds of a provider's pool."""
    problems = [] if problem is None else [problem]
    text = f"{base_url(external)} answers for {pool.spec.served.model_name}"
    caching = (
        "; requests of OpenAI's shape go to its compatibility path, where nothing is cached"
        if external.provider == "Anthropic"
        else ""
    )
    available = condition(
        AVAILABLE,
        status=True,
        reason="ProviderNotAsked",
        message=f"requests are sent to {base_url(external)}; nothing is asked of it beforehand",
    )
    progressing = condition(
        PROGRESSING, status=False, reason="NotManaged", message="a provider serves this pool"
    )
    conditions = [
        judged(ACCEPTED, problems, reason="Accepted", message=f"{text}{caching}"),
        key_condition(external.credential_secret_ref, keyless) or available,
        progressing,
    ]
    conditions.append(summary(conditions, (ACCEPTED, AVAILABLE), message=text))
    ready = int(problem is None and keyless is None)
    return PoolStatus(conditions=tuple(conditions), replicas=1, ready_replicas=ready)


def key_condition(
    reference: SecretKeyReference | None, keyless: Keyless | None
) -> Condition | None:
    """Return the condition of a pool whose key a router does not have; None: nothing is wrong."""
    if reference is None or keyless is None:
        return None
    text = _WORDS.get(keyless.reason, "the router cannot use {place}").format(
        place=f"key {reference.key} of Secret {reference.name}",
        secret=reference.name,
        router=keyless.router,
        account=f"{keyless.router.rpartition('/')[2]}-router",
    )
    message = f"ModelRouter {keyless.router} sends nothing to this pool: {text}"
    return condition(AVAILABLE, status=False, reason=keyless.reason, message=message)


_WORDS: Mapping[str, str] = {
    MISSING: "{place} does not exist; create it",
    FORBIDDEN: "its service account {account} (of sidecars: the application's) may not read Secret"
    " {secret}; give it a Role with get, list and watch for this name",
    UNUSABLE: "{place} is empty, longer than 4096 characters or holds what no header can carry",
}
