"""A fleet in git, followed by the real Argo CD, applied server-side and client-side.

What git says wins; what the operator decides is no drift. Everything is as the page has it: its
Applications, its waves, its recipe for an autoscaler, its command for health.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e.argo import build
from e2e.argo.application import documents, status
from e2e.argo.git import Repository, repository
from e2e.argo.processes import argo_cd
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.proxy import ApiProxy
from e2e.kit.waiting import NotYet, condition, wait_condition, wait_for
from e2e.stories import fleet as written
from e2e.stories import gitops, marked
from e2e.stories.fleet import FALLBACK, PRIMARY, ROUTE, ROUTER, RULE, SLO, SLOW
from e2e.stories.gitops import AUTO, QUIET, Team, commit
from e2e.stories.marked import outlive

pytestmark = pytest.mark.skipif(
    build.switched_off(), reason=f"{build.SWITCH}=off leaves out the build of Argo CD"
)


@pytest.fixture(scope="module")
def followed(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Namespace, Repository]]:
    """Return the namespace of Argo CD, which runs, and a repository that it can follow."""
    folder: Path = tmp_path_factory.mktemp("argo")
    with repository(folder) as git, argo_cd(cluster, folder) as argo:
        yield argo, git


@pytest.fixture(scope="module")
def teams(
    cluster: Cluster,
    operator: Namespace,
    proxy: ApiProxy,
    followed: tuple[Namespace, Repository],
) -> Iterator[list[Team]]:
    """Return a team for each way to apply, whose fleet is as git says."""
    assert operator
    argo, git = followed
    with ExitStack() as kept:
        gitops.teach_health(cluster)
        made = kept.enter_context(gitops.teams(cluster, proxy, argo, git))
        for team in made:
            team.write()
        first = git.push("A fleet")
        for team in made:
            team.follow()
        for team in made:
            team.application.wait(revision=first)
        yield made


def test_crds_outlive_the_chart_where_argo_cd_tracks_by_labels(
    cluster: Cluster, tmp_path: Path
) -> None:
    with (
        repository(tmp_path) as git,
        argo_cd(cluster, tmp_path, tracking="label") as argo,
        marked.charts(cluster, argo, git) as charts,
    ):
        outlive(charts)


def test_crds_outlive_the_chart_where_argo_cd_tracks_by_annotations(
    cluster: Cluster, followed: tuple[Namespace, Repository]
) -> None:
    with marked.charts(cluster, *followed) as charts:
        outlive(charts)


def pin(rule: str, primary: int) -> dict[str, Any]:
    """Return the control that fixes a rule's shares for an hour."""
    pools = [{"name": PRIMARY, "weight": primary}, {"name": FALLBACK, "weight": 1000 - primary}]
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fixed = {"rules": [{"name": rule, "pools": pools}], "until": until}
    return {"trafficControl": {"type": "Pinned", "pinned": fixed}}


def wait_share(team: Team, share: int, route: str = ROUTE) -> None:
    def probe() -> bool | NotYet:
        seen = team.share(route)
        return seen == share or NotYet(f"share {seen}")

    wait_for(f"{share} of {route}", probe, timeout=240, namespace=team.namespace)


def wait_auto(team: Team) -> None:
    """Wait until the shares of the route are the operator's again."""

    def probe() -> bool | NotYet:
        control = team.spec("modelroute", ROUTE)["trafficControl"]["type"]
        reason = team.rule().get("reason")
        return (control == "Auto" and reason != "Pinned") or NotYet(f"{control}, {reason}")

    wait_for("the pin to be undone", probe, timeout=240, namespace=team.namespace)


def since(found: dict[str, Any], aspect: str) -> datetime:
    return datetime.fromisoformat(condition(found, aspect)["lastTransitionTime"])


def created(found: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(found["metadata"]["creationTimestamp"])


def test_waves_wait_for_the_health_of_those_before(teams: list[Team]) -> None:
    for team in teams:
        get = team.namespace.must_get
        pools = [get("servingpool", name) for name in (PRIMARY, FALLBACK)]
        router, route, slo = (
            get("modelrouter", ROUTER),
            get("modelroute", ROUTE),
            get("tokenslo", SLO),
        )

        assert max(since(pool, "Ready") for pool in pools) <= created(router)
        assert since(router, "Ready") <= created(route)
        assert since(route, "Ready") <= created(slo)
        team.application.wait()


def test_a_shift_is_no_drift(teams: list[Team]) -> None:
    loads = [team.fleet.start_load(rate=6) for team in teams]
    before = [team.generations() for team in teams]
    history = [team.application.get()["status"]["history"] for team in teams]
    for team in teams:
        team.fleet.behave(PRIMARY, **SLOW)
    for team in teams:
        team.fleet.wait_shifted()
    seen = [team.application.compare() for team in teams]
    shifted = [team.share() for team in teams]
    after = [team.generations() for team in teams]
    for team in teams:
        team.fleet.behave(PRIMARY)
    for load in loads:
        load.finish()

    assert [status(one)[0] for one in seen] == ["Synced", "Synced"]
    assert all(share is not None and share < 1000 for share in shifted)
    assert before == after
    assert all(set(one.values()) == {1} for one in after), after
    assert [one["status"]["history"] for one in seen] == history, "Argo CD has synced again"


def test_a_pin_by_hand_is_undone_where_git_says_auto_and_stays_where_git_is_silent(
    teams: list[Team],
) -> None:
    for team in teams:
        team.namespace.patch("modelroute", QUIET, {"spec": pin(QUIET, 300)})
        team.namespace.patch("modelroute", ROUTE, {"spec": pin(RULE, 300)})
    for team in teams:
        wait_auto(team)
        wait_share(team, 300, QUIET)
        assert status(team.application.compare())[0] == "Synced"
        assert team.spec("modelroute", QUIET)["trafficControl"]["type"] == "Pinned"
        assert team.share(QUIET) == 300


def test_a_committed_pin_acts_until_it_is_taken_back(teams: list[Team]) -> None:
    commit(teams, "Pin", written.route(**pin(RULE, 400)))
    for team in teams:
        wait_share(team, 400)
    commit(teams, "Unpin", written.route(**AUTO))
    for team in teams:
        wait_auto(team)


def test_a_name_that_does_not_exist_is_degraded_until_it_is_corrected(teams: list[Team]) -> None:
    rule = {"name": RULE, "backendRefs": [{"name": "primry"}], "fallbackRefs": [{"name": FALLBACK}]}
    commit(teams, "A typo", written.route(**AUTO, rules=[rule]), wanted=[("Synced", "Degraded")])
    for team in teams:
        wait_condition(
            team.namespace,
            "modelroute",
            ROUTE,
            "ResolvedRefs",
            status="False",
            reason="PoolNotFound",
        )
    commit(teams, "Correct it", written.route(**AUTO))


def test_an_autoscaler_takes_the_replicas_over_without_a_dip(teams: list[Team]) -> None:
    (recipe,) = (
        found["spec"] for found in documents() if "ignoreDifferences" in found.get("spec", {})
    )
    for team in teams:
        team.follow(
            ignoreDifferences=recipe["ignoreDifferences"],
            options=recipe["syncPolicy"]["syncOptions"],
        )
        team.namespace.apply(gitops.autoscaler(least=2))
    for team in teams:

        def scaled(team: Team = team) -> bool | NotYet:
            replicas = team.spec("servingpool", PRIMARY)["replicas"]
            return replicas == 2 or NotYet(f"{replicas} replicas")

        wait_for("the autoscaler", scaled, timeout=240, namespace=team.namespace)
        assert status(team.application.compare())[0] == "Synced"
    before = [team.generations() for team in teams]
    commit(teams, "Leave the replicas to the autoscaler", written.pool(PRIMARY, replicas=None))

    assert [team.spec("servingpool", PRIMARY)["replicas"] for team in teams] == [2, 2]
    assert [team.generations() for team in teams] == before
    for team in teams:
        wait_condition(team.namespace, "servingpool", PRIMARY, "Ready")


def test_deletion_goes_the_other_way_round_and_leaves_nothing(teams: list[Team]) -> None:
    for team in teams:
        team.namespace.delete("hpa", PRIMARY)
        team.application.cascade()
    for team in teams:
        _gone_in_order(team)


def _gone_in_order(team: Team) -> None:
    # Asked in this order: what is gone before its successors are looked at, went before them.
    kinds = ("ServingPool", "ModelRouter", "ModelRoute", "TokenSLO")

    def gone() -> bool | NotYet:
        there = [team.namespace.list(f"{kind.lower()}s.tokenfleet.dev") for kind in kinds]
        alive = [
            any("deletionTimestamp" not in found["metadata"] for found in some) for some in there
        ]
        # One wave may be gone only when those after it are.
        assert alive == sorted(alive, reverse=True), dict(zip(kinds, alive, strict=True))
        left = [found["metadata"]["name"] for some in there for found in some]
        left += [
            pod["metadata"]["name"]
            for pod in team.namespace.list("pods")
            if "load" not in pod["metadata"]["name"]
        ]
        return NotYet(f"left: {', '.join(left)}") if left else True

    wait_for("everything to be gone", gone, timeout=300, every=0.2, namespace=team.namespace)
    left = team.application.gone
    wait_for("the Application to be gone", left, timeout=180, namespace=team.namespace)
