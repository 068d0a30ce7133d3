"""`tokenfleet simulate --measured` asks of a fleet what Prometheus remembers, and says so."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tokenfleet.adapters.prometheus.past_load import Rates
from tokenfleet.cli import measured_load
from tokenfleet.cli.main import main
from tokenfleet.cli.measured_load import merged
from tokenfleet.domain.fleet.documents import UnfitError
from tokenfleet.domain.fleet.subject import Subject, subjects
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.ports import PortError
from tokenfleet.simulation.forecast import StatedLoad
from tokenfleet.simulation.written import read

EXAMPLES = Path(__file__).parents[3] / "operator" / "docs" / "examples"
FILES = [
    f"--file={EXAMPLES / name}.yaml"
    for name in ("slo-shift", "route-fallback", "pool-gpu-draft", "pool-cpu")
]
SLOW = RuleKey("default", "assistant", "slow")
SPAN = timedelta(minutes=10)
RATES: Rates = {SLOW: (2.0,) * 5 + (4.0,) * 5, RuleKey("default", "other", "slow"): (9.0,) * 10}


def subject() -> Subject:
    (found,) = subjects("---\n".join(Path(f[7:]).read_text() for f in FILES), namespace="default")
    return found


def load(stated: dict[str, Any], rates: Rates = RATES, **ready: float) -> StatedLoad:
    names = {pool.replace("_", "-"): n for pool, n in ready.items()}
    return read(StatedLoad, merged(stated, subject(), rates, names, SPAN)[0], "load")


def test_a_rule_is_asked_as_much_as_it_was_minute_by_minute_and_again() -> None:
    found = load({})
    slow = found.rules["assistant/slow"].course()

    assert [slow(t) for t in (0, 299, 300, 599, 600, 901)] == [2.0, 2.0, 4.0, 4.0, 2.0, 4.0]
    assert found.rules["assistant/fast"].course()(0) == 0.0, "nobody asked it"
    assert found.lasts == SPAN.total_seconds()
    assert set(found.rules) == {"assistant/slow", "assistant/fast"}


def test_a_route_on_a_router_of_another_namespace_is_found() -> None:
    rates = {RuleKey("platform", "default/assistant", "slow"): (3.0,) * 10}

    assert load({}, rates).rules["assistant/slow"].rate == 3.0


@pytest.mark.parametrize("name", ["assistant", "assistant/slow"])
def test_what_is_stated_wins(name: str) -> None:
    stated = {"rules": {name: {"rate": 7}}, "pools": {"chat-large": {"replicas": 5}}, "lasts": "1h"}
    found = load(stated, chat_large=3.0, chat_small=0.2)

    assert found.rules[name].course()(400) == 7.0
    assert found.pools["chat-large"].replicas == 5
    assert found.pools["chat-small"].replicas == 1
    assert found.lasts == 3600.0


def test_a_fleet_that_nobody_remembers_is_said() -> None:
    with pytest.raises(UnfitError, match="no request to assistant/fast, assistant/slow of"):
        load({}, {RuleKey("default", "other", "slow"): (9.0,)})


def test_what_was_measured_is_told_and_no_cause(monkeypatch, capsys, tmp_path) -> None:
    async def ask(*_: object) -> tuple[Rates, dict[str, float]]:
        return RATES, {"chat-large": 2.2}

    monkeypatch.setattr(measured_load, "_ask", ask)
    plot = tmp_path / "fleet.svg"
    flags = ["--measured=10m", "--prometheus-url=http://x", "--output=json", f"--plot={plot}"]
    assert main(["simulate", "--seeds=1", *FILES, *flags]) == 0
    told = json.loads(capsys.readouterr().out)

    assert told["seconds"] == 600
    assert told["assumed"][:3] == [
        "assistant/fast: 0 requests/s as measured, 0 in the busiest 1 min",
        "assistant/slow: 3 requests/s as measured, 4 in the busiest 1 min",
        "chat-large: 2.2 ready replicas as measured",
    ]
    assert "cause" not in plot.read_text()


@pytest.mark.parametrize(
    ("flags", "said", "status"),
    [
        ([*FILES, "--measured=24h"], "--measured needs --prometheus-url", 2),
        ([*FILES, "--measured=10s"], "between 1m and 168h, not 10s", 2),
        ([*FILES, "--measured=soon"], "--measured: ", 2),
        (["--measured=24h"], "need the fleet", 2),
        ([*FILES, "--measured=24h", "--prometheus-url=http://x"], "it is out", 1),
    ],
)
def test_what_cannot_be_measured_is_said(flags, said, status, monkeypatch, capsys) -> None:
    async def fails(*_: object) -> None:
        raise PortError("it is out")  # noqa: EM101, TRY003 - what an adapter says

    monkeypatch.setattr(measured_load, "_ask", fails)
    monkeypatch.delenv("TOKENFLEET_PROMETHEUS_URL", raising=False)

    assert main(["simulate", *flags]) == status
    assert said in capsys.readouterr().err
