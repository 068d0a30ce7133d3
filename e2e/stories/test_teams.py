"""A platform's router, and two teams in namespaces of their own that call everything the same."""

from collections.abc import Iterator

import pytest

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.waiting import NotYet, wait_condition, wait_for
from e2e.stories import fleet as written
from e2e.stories.fleet import PRIMARY, ROUTE, ROUTER, RULE, Fleet, finished

LABEL = "llm"


@pytest.fixture(scope="module")
def teams(cluster: Cluster, fleet: Fleet) -> Iterator[tuple[Namespace, Namespace]]:
    """Return the namespaces; the router does not know them yet."""
    with fresh(cluster, "team-a") as a, fresh(cluster, "team-b") as b:
        for team in (a, b):
            team.apply(written.pool(PRIMARY), of_team(team, fleet))
        yield a, b


def of_team(team: Namespace, fleet: Fleet) -> dict[str, object]:
    return written.route(
        parentRefs=[{"name": ROUTER, "namespace": fleet.namespace.name}],
        modelNames=[f"{team.name}/chat"],
        rules=[{"name": RULE, "backendRefs": [{"name": PRIMARY}]}],
    )


def let_in(team: Namespace) -> None:
    team.run("label", "namespace", team.name, f"{LABEL}=shared", "--overwrite")


def wait_status(fleet: Fleet, team: Namespace, status: int) -> str:
    """Ask for a team's model until it is answered so; return who served it."""

    def probe() -> tuple[str] | NotYet:
        answer = fleet.chat(f"{team.name}/chat")
        told = (answer.headers.get("x-tokenfleet-served-by", ""),)
        return told if answer.status_code == status else NotYet(answer.text)

    return wait_for(f"{status} for {team.name}", probe, timeout=180, namespace=team)[0]


def test_two_teams_share_the_platforms_router(
    fleet: Fleet, teams: tuple[Namespace, Namespace]
) -> None:
    a, b = teams
    wait_condition(a, "modelroute", ROUTE, "Accepted", status="False", reason="NotAllowedByRouter")
    assert fleet.chat(f"{a.name}/chat").status_code == 404
    load = fleet.start_load()

    selector = {"from": "Selector", "selector": {"matchLabels": {LABEL: "shared"}}}
    fleet.apply(written.router(allowedRoutes={"namespaces": selector}))
    for team in teams:
        let_in(team)
    for team in teams:
        wait_condition(team, "modelroute", ROUTE, "Ready", timeout=120)
        assert f"{team.name}/{PRIMARY}" in wait_status(fleet, team, 200)

    b.run("label", "namespace", b.name, f"{LABEL}-")
    wait_condition(b, "modelroute", ROUTE, "Accepted", status="False", reason="NotAllowedByRouter")
    wait_status(fleet, b, 404)
    assert f"{a.name}/{PRIMARY}" in wait_status(fleet, a, 200)

    def withdrawn() -> bool | NotYet:
        return b.get("rolebinding", f"{ROUTE}-guests") is None or NotYet("it is still there")

    wait_for("the router's rights to go", withdrawn, timeout=120, namespace=b)
    # What the platform itself serves on this router has seen nothing of it.
    finished(load, at_least=10)
