"""Who spends what, what was promised of it, and where the time of an answer goes."""

import json
import subprocess
import sys
from typing import Any

from e2e.kit.waiting import NotYet, wait_for
from e2e.load.profile import Feature
from e2e.stories import fleet as written
from e2e.stories.fleet import FALLBACK, PRIMARY, ROUTE, Fleet, finished

LIMIT = 300.0
"""Seconds: users are written down every 2 min, stages of a young route every minute."""
BUDGET = {
    "total": "500ms",
    "stages": [
        {"name": "routing", "budget": "30ms"},
        {"name": "retrieval", "budget": "80ms"},
        {"name": "model", "budget": "200ms"},
    ],
}


def test_users_money_and_time_are_accounted_for(fleet: Fleet) -> None:
    late = {
        "name": "late",
        "matches": [{"remainingBudget": {"max": "150ms"}}],
        "backendRefs": [{"name": FALLBACK}],
    }
    rest = {"name": "rest", "backendRefs": [{"name": PRIMARY}]}
    fleet.apply(
        *(written.pool(name, price=price(), replicas=n) for name, n in ((PRIMARY, 2), (FALLBACK, 1))),
        written.route(
            features=["generation", "search"], latencyBudget=BUDGET, rules=[late, rest]
        ),
        spend(),
    )  # fmt: skip
    fleet.programmed()
    load = fleet.start_load(
        features=(
            asks("generation", 4.0, "ada", "retrieval=62ms", words=60),
            asks("generation", 1.0, "bob", "retrieval=70ms", words=12),
            asks("search", 1.0, "bob", "retrieval=300ms,retrieval=0.1s", words=12),
        )
    )

    fleet.wait("tokenslo", "spend", "Met", status="False", timeout=LIMIT)
    users = wait_for("both users in the books", lambda: spenders(fleet), timeout=LIMIT, every=2)
    stages = wait_for("each stage's time", lambda: took(fleet), timeout=LIMIT, every=2)

    assert [user["name"] for user in users] == ["ada", "bob"]
    assert users[0]["cost"] > users[1]["cost"] > 0
    assert 0.0 < seconds(stages["model"]["p50"]) <= seconds(stages["total"]["p50"])
    assert 0.06 <= seconds(stages["retrieval"]["p50"]) <= 0.1, "62 ms are what most have told"  # noqa: PLR2004
    assert seconds(stages["retrieval"]["p99"]) >= 0.3, "0.4 s have eaten the budget of some"  # noqa: PLR2004
    fleet.namespace.run("delete", "tokenslo", "--all")
    records = finished(load, at_least=200)
    assert {one.pool for one in records if one.feature == "search"} == {FALLBACK}
    assert {one.pool for one in records if one.feature == "generation"} == {PRIMARY}


def asks(feature: str, rate: float, user: str, stages: str, *, words: int) -> Feature:
    """Return the requests of one user."""
    headers = {"x-tokenfleet-user": user, "x-tokenfleet-stages": stages}
    return Feature(name=feature, rate=rate, max_tokens=8, prompt_words=words, headers=headers)


def price() -> dict[str, Any]:
    """Return prices, the same for every pool."""
    tokens = {"prompt": "3", "cachedPrompt": "0.3", "completion": "15"}
    return {"type": "PerMillionTokens", "perMillionTokens": tokens}


def spend() -> dict[str, Any]:
    """Return a promise that the load breaks, judged over the shortest windows there are."""
    return written.slo(
        name="spend",
        shift=False,
        rule="rest",
        objective={"type": "Spend", "latency": None, "spend": {"max": "0.01", "per": "Hour"}},
        control={"shortWindow": "5s", "longWindow": "10s"},
    )


def spenders(fleet: Fleet) -> list[dict[str, Any]] | NotYet:
    """Return what `tokenfleet top --by user` says, dearest first."""
    command = [sys.executable, "-m", "tokenfleet.cli.main", "top", "--by=user", "--output=json"]
    where = [f"--kubeconfig={fleet.namespace.cluster.kubeconfig}", f"-n={fleet.namespace.name}"]
    done = subprocess.run([*command, *where], capture_output=True, text=True, check=False)
    if done.returncode:
        return NotYet(done.stderr)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows if len(rows) == 2 else NotYet(f"rows: {rows}")  # noqa: PLR2004 - ada and bob


def took(fleet: Fleet) -> dict[str, dict[str, str]] | NotYet:
    """Return stage -> its budget, p50 and p99, once each has both."""
    status = fleet.namespace.must_get("modelroute", ROUTE).get("status", {})
    stages = {one["stage"]: one for one in status.get("latencyBudget", ())}
    whole = {"routing", "retrieval", "model", "total"} == {
        name for name, one in stages.items() if one.get("p50") and one.get("p99")
    }
    return stages if whole else NotYet(f"{stages}")


def seconds(text: str) -> float:
    """Read `62ms` or `1.5s`."""
    milliseconds = text.removesuffix("ms")
    return float(milliseconds) / 1000 if milliseconds != text else float(text.removesuffix("s"))
