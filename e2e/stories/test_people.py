"""What people see during a shift: the dashboard has data, and `tokenfleet explain` says why."""

import json
import subprocess
import sys
from typing import Any

from e2e.kit import prometheus, repository
from e2e.kit.kubectl import Namespace
from e2e.kit.waiting import NotYet, wait_for
from e2e.load.pod import LoadRun
from e2e.stories.fleet import FALLBACK, PRIMARY, ROUTE, SLO, Fleet, pool

BOARD = repository() / "charts" / "tokenfleet" / "files" / "dashboard.json"


def queries(namespace: str) -> dict[str, str]:
    """Return the dashboard's queries by panel, asked about one namespace."""
    panels = json.loads(BOARD.read_text(encoding="utf-8"))["panels"]
    chosen = {
        "$namespace": namespace,
        "$route": ROUTE,
        "$rule": ".+",
        "$__rate_interval": "30s",
    }
    found = {}
    for panel in panels:
        for target in panel.get("targets", ()):
            text = target["expr"]
            for name, value in chosen.items():
                text = text.replace(name, value)
            found[f"{panel['title']} {target['refId']}"] = text
    return found


def explained(fleet: Fleet) -> dict[str, Any] | NotYet:
    """Return the only rule, once the decision and what comes next are told: traffic moves before."""
    command = [sys.executable, "-m", "tokenfleet.cli.main", "explain", ROUTE, "--output=json"]
    where = [f"--kubeconfig={fleet.namespace.cluster.kubeconfig}", f"-n={fleet.namespace.name}"]
    done = subprocess.run([*command, *where], capture_output=True, text=True, check=False)
    if done.returncode:
        return NotYet(done.stderr)
    (rule,) = json.loads(done.stdout)["rules"]
    told: dict[str, Any] = rule
    return told if told["last_decision"] and told["next"] else NotYet(str(told))


def test_during_a_shift_it_is_explained_and_every_panel_has_data(
    fleet: Fleet, load: LoadRun, monitoring: Namespace
) -> None:
    tokens = {"prompt": "0.15", "cachedPrompt": "0.03", "completion": "0.60"}
    by_tokens = {"type": "PerMillionTokens", "perMillionTokens": tokens}
    by_replicas = {"type": "PerReplicaHour", "perReplicaHour": "2.50"}
    fleet.apply(pool(PRIMARY, replicas=2, price=by_tokens), pool(FALLBACK, price=by_replicas))
    fleet.breach()
    rule = wait_for(
        "the shift to be explained",
        lambda: explained(fleet),
        timeout=120,
        namespace=fleet.namespace,
    )

    def all_panels() -> bool | NotYet:
        asked = queries(fleet.namespace.name)
        empty = [panel for panel, text in asked.items() if not prometheus.query(monitoring, text)]
        return NotYet(f"no data: {', '.join(empty)}") if empty else True

    wait_for("data in every panel", all_panels, timeout=180, every=3)

    assert rule["reason"] in {"Shifted", "Recovering"}
    assert rule["fallback_in_use"]
    assert {pool["name"]: pool["role"] for pool in rule["pools"]} == {
        PRIMARY: "primary",
        FALLBACK: "fallback",
    }
    assert [vote["slo"] for vote in rule["votes"]] == [SLO]
    assert "attempts on primary bad" in rule["last_decision"]
    assert any("step back" in sentence for sentence in rule["next"]), rule["next"]
    assert load.live
