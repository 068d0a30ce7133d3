"""A provider's pool, and what is said where a router has no key for it."""

from typing import Any

import pytest

from tests.unit.domain.fleet.builders import T0, conditions, message, pool, service
from tokenfleet.domain.fleet.outside_pool import Keyless
from tokenfleet.domain.fleet.pool_visit import PoolSnapshot, plan_pool
from tokenfleet.domain.fleet.replicas import Replica, keyless

PROVIDER = {"provider": "OpenAI", "credentialSecretRef": {"name": "openai", "key": "token"}}


def look(external: dict[str, Any], found: Keyless | None = None) -> Any:
    body = pool(type="External", external=external)
    seen = PoolSnapshot(body=body, children=(), service=None, slices=(), keyless=found, now=T0)
    plan = plan_pool(seen)
    assert (plan.applies, plan.deletes) == ((), ())
    return plan.status


def test_a_provider_is_ready_without_being_asked() -> None:
    status = look(PROVIDER)

    assert conditions(status)["Available"] == ("True", "ProviderNotAsked")
    assert conditions(status)["Ready"] == ("True", "Ready")
    assert "https://api.openai.com/v1" in message(status, "Ready")
    assert (status["replicas"], status["readyReplicas"]) == (1, 1)


def test_where_nothing_is_cached_is_said() -> None:
    assert "nothing is cached" in message(look({**PROVIDER, "provider": "Anthropic"}), "Accepted")
    assert "nothing is cached" not in message(look(PROVIDER), "Accepted")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("CredentialMissing", "key token of Secret openai does not exist"),
        ("CredentialForbidden", "service account main-router"),
        ("CredentialUnusable", "holds what no header can carry"),
        ("CredentialOfTomorrow", "cannot use key token of Secret openai"),
    ],
)
def test_a_router_without_the_key_makes_the_pool_unready(reason: str, words: str) -> None:
    status = look(PROVIDER, Keyless(router="ns/main", reason=reason))

    assert conditions(status)["Ready"] == ("False", reason)
    assert words in message(status, "Ready")
    assert status["readyReplicas"] == 0


def test_a_bundle_that_is_no_certificate_is_refused_before_any_router_sees_it() -> None:
    bundle = "-----BEGIN CERTIFICATE-----\n" + "A" * 64
    status = look({**PROVIDER, "caBundle": bundle})

    assert conditions(status)["Accepted"] == ("False", "UnusableCertificates")
    assert "external.caBundle" in message(status, "Accepted")


def test_only_ready_replicas_say_what_keys_there_are() -> None:
    replicas = (
        Replica(pod="a", ready=True, credentials={"claude": "CredentialMissing"}),
        Replica(pod="b", ready=True, credentials={"team-a/gpt": "CredentialForbidden"}),
        Replica(pod="c", ready=False, credentials={"old": "CredentialMissing"}),
    )

    assert keyless(replicas, at="ns") == {
        "ns/claude": "CredentialMissing",
        "team-a/gpt": "CredentialForbidden",
    }


def test_a_bundle_of_existing_replicas_is_judged_too() -> None:
    bundle = "-----BEGIN CERTIFICATE-----\n" + "A" * 64
    reference = {"serviceRef": {"name": "vllm", "port": 8000}}
    body = pool(existing={**reference, "tls": {"caBundle": bundle}})
    seen = PoolSnapshot(body=body, children=(), service=service("vllm"), slices=(), now=T0)

    status = plan_pool(seen).status

    assert conditions(status)["Accepted"] == ("False", "UnusableCertificates")
    assert "existing.tls.caBundle" in message(status, "Accepted")
