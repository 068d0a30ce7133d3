"""The alert rules, checked and tried by Prometheus' own promtool."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from e2e.kit import repository

CASES = Path(__file__).with_name("cases.yaml")
RULES = repository() / "charts" / "tokenfleet" / "files" / "alerts.yaml"


@pytest.fixture(scope="module")
def promtool() -> str:
    """The one named by TOKENFLEET_PROMTOOL or on PATH, else of the built-in cluster's module."""
    found = os.environ.get("TOKENFLEET_PROMTOOL") or shutil.which("promtool")
    if found:
        return found
    from e2e.cluster.promtool import ensure_promtool  # noqa: PLC0415  only where it is needed

    return str(ensure_promtool())


def ran(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def alerts() -> set[str]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"]}


def test_the_rules_are_correct(promtool: str) -> None:
    assert f"{len(alerts())} rules found" in ran(
        promtool, "check", "rules", "--lint-fatal", str(RULES)
    )


def test_every_case_fires_or_does_not_as_it_must(promtool: str) -> None:
    assert "SUCCESS" in ran(promtool, "test", "rules", str(CASES))


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    checks = [
        check
        for case in yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
        for check in case["alert_rule_test"]
    ]

    assert {check["alertname"] for check in checks if check["exp_alerts"]} == alerts()
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == alerts()
