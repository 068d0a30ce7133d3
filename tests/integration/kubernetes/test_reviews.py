"""Who may look at the console: a real API server judges real tokens."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.waiting import wait_for
from tests.integration.api.conftest import cluster
from tokenfleet.adapters.clock import SystemClock
from tokenfleet.adapters.kubernetes import KubernetesCluster, connect
from tokenfleet.adapters.kubernetes.reviews import Reviews
from tokenfleet.ports import Reader
from tokenfleet.reconcilers.resources import BY_KIND

__all__ = ["cluster"]

pytestmark = pytest.mark.cluster

T = TypeVar("T")


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    with fresh(cluster, "tokenfleet-reviews") as found:
        for name in ("reader", "stranger"):
            found.run("create", "serviceaccount", name)
        rules = [{"apiGroups": ["tokenfleet.dev"], "resources": ["modelroutes"], "verbs": ["list"]}]
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "look"}, "rules": rules}  # fmt: skip
        found.apply(role)
        who = f"--serviceaccount={found.name}:reader"
        found.run("create", "rolebinding", "look", "--role=look", who)
        reader = found.as_user(f"system:serviceaccount:{found.name}:reader")

        def allowed() -> bool:
            # Who asks right after the writing may be told what was before it.
            answer = reader.run(
                "auth", "can-i", "list", "modelroutes.tokenfleet.dev", accept=(0, 1)
            )
            return answer.strip() == "yes"

        wait_for("the right to be known", allowed, timeout=120)
        yield found


def judged(namespace: Namespace, question: Callable[[Reviews], Awaitable[T]]) -> T:
    async def once() -> T:
        api = KubernetesCluster(await connect(str(namespace.cluster.kubeconfig)), BY_KIND.values())
        try:
            return await question(Reviews(api, SystemClock(), (namespace.name,)))
        finally:
            await api.close()

    return asyncio.run(once())


def token(namespace: Namespace, name: str) -> str:
    return str(namespace.run("create", "token", name)).strip()


def test_tokens_are_judged_by_who_they_are_and_what_they_may_list(namespace: Namespace) -> None:
    tokens = [token(namespace, "reader"), token(namespace, "stranger"), "forged", ""]

    async def all_(reviews: Reviews) -> list[Reader]:
        return [await reviews.reader(one) for one in tokens]

    assert judged(namespace, all_) == [
        Reader.ALLOWED,
        Reader.REFUSED,
        Reader.UNKNOWN,
        Reader.UNKNOWN,
    ]


def test_an_answer_is_kept_for_a_while(namespace: Namespace) -> None:
    known = token(namespace, "reader")
    asked: list[Any] = []

    async def twice(reviews: Reviews) -> list[Reader]:
        review = reviews._cluster.review

        async def counted(resource: Any, spec: Any) -> Any:
            asked.append(resource.kind)
            return await review(resource, spec)

        reviews._cluster.review = counted  # type: ignore[method-assign]
        return [await reviews.reader(known) for _ in range(3)]

    assert judged(namespace, twice) == [Reader.ALLOWED] * 3
    assert asked == ["TokenReview", "SubjectAccessReview"]
