"""Alerts and dashboard speak of series that exist, and every alert has a page that helps."""

import json
import re
from datetime import timedelta

import pytest
import yaml

from tests.house.repository import ROOT
from tokenfleet.backtest.alerts import BLIND_FOR, SATURATED_FOR

FILES = ROOT / "charts/tokenfleet/files"
RUNBOOKS = ROOT / "operator/docs/runbooks"
METRICS = (ROOT / "operator/docs/reference/metrics.md").read_text(encoding="utf-8")
SERIES = re.compile(
    r"\b(?:tokenfleet_|controller_runtime_|leader_election_|workqueue_"
    r"|vllm:|sglang:|llamacpp:|trtllm_)[a-z_]+"
)
PARTS = ("**It means.**", "**What the operator already did.**", "**Check.**", "**Commands.**")

RULES = [
    rule
    for group in yaml.safe_load((FILES / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]


def _unknown(text: str) -> set[str]:
    """Return series that the reference does not name; parts of histograms count as the whole."""
    named = {re.sub(r"_(bucket|count|sum)$", "", name) for name in SERIES.findall(text)}
    return {name for name in named if f"`{name}`" not in METRICS}


def test_alerts_look_at_series_that_exist() -> None:
    assert {rule["alert"]: found for rule in RULES if (found := _unknown(rule["expr"]))} == {}


def test_the_dashboard_looks_at_series_that_exist() -> None:
    dashboard = json.loads((FILES / "dashboard.json").read_text(encoding="utf-8"))
    queries = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    ]

    assert queries
    assert {query: found for query in queries if (found := _unknown(query))} == {}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_runbook_with_all_its_parts(rule: dict) -> None:
    page = RUNBOOKS / rule["annotations"]["runbook_url"].rpartition("/")[2]
    text = page.read_text(encoding="utf-8")

    assert page.stem == rule["alert"]
    assert text.startswith(f"# {rule['alert']}\n")
    assert [part for part in PARTS if part not in text] == []
    assert rule["labels"]["severity"] in {"page", "ticket"}
    index = (ROOT / "operator/docs/alerts.md").read_text(encoding="utf-8")
    assert f"| [{rule['alert']}](runbooks/{page.name}) | {rule['labels']['severity']} |" in index


@pytest.mark.parametrize(
    ("alert", "waited"),
    [("TokenSLOBlind", BLIND_FOR), ("ModelRouteSaturated", SATURATED_FOR)],
)
def test_a_backtest_waits_as_long_as_the_alert(alert: str, waited: timedelta) -> None:
    (rule,) = (rule for rule in RULES if rule["alert"] == alert)

    assert rule["for"] == f"{waited // timedelta(minutes=1)}m"


def test_no_runbook_is_left_over() -> None:
    assert {page.stem for page in RUNBOOKS.iterdir()} == {rule["alert"] for rule in RULES}
