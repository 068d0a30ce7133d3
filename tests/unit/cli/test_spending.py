"""`top` and `costs`: who spent what, for people, spreadsheets and programs."""

import argparse
import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.unit.domain.fleet.builders import router
from tokenfleet.cli import costs, top
from tokenfleet.cli.main import main
from tokenfleet.cli.spending import Asked, NothingToShowError, labels, table, users, written
from tokenfleet.domain.slo.observation.measurement import PoolFacts, TokenPrices, Usage
from tokenfleet.domain.spending.ranking import NO_USER, ranked
from tokenfleet.domain.spending.summary import Spending, Summary
from tokenfleet.domain.spending.user_history import hour_of, write
from tokenfleet.ports import Sample

NOW = datetime(2026, 11, 26, 14, 20, tzinfo=UTC)
SPENT = Summary(
    {
        "ada": Spending(Usage(requests=4, prompt=1000, cached=200, completion=100), 3.0),
        "": Spending(Usage(requests=1, prompt=10, completion=5), 1.0, unseen=7, unseen_cost=0.5),
    }
)


def asked(**fields: object) -> Asked:
    known = {"by": "user", "namespace": "ns", "route": "", "start": NOW - timedelta(hours=2)}
    return Asked(**{**known, "end": NOW, **fields})  # type: ignore[arg-type]


def test_the_dearest_come_first_with_their_part_and_their_doubt() -> None:
    lines = list(table(ranked(SPENT), "user"))

    assert [line.split()[0] for line in lines] == ["USER", "ada", "(no"]
    assert lines[1].split() == [
        "ada",
        "4",
        "1000",
        "200",
        "100",
        "3",
        "75.0%",
        "0",
        "(0",
        "tokens)",
    ]
    assert "0.5 (7 tokens)" in lines[2]


def test_without_doubt_nothing_is_said_of_it() -> None:
    exact = Summary({"search": Spending(Usage(requests=1), 1.0)})

    assert "MORE" not in "\n".join(table(ranked(exact), "feature"))


def test_parts_are_of_tokens_where_nothing_has_a_price() -> None:
    free = {name: Spending(Usage(prompt=n)) for name, n in (("ada", 30), ("bob", 10))}

    assert [(row.name, row.part) for row in ranked(Summary(free))] == [("ada", 0.75), ("bob", 0.25)]


def test_csv_has_a_header_and_no_formulas() -> None:
    names = {'=HYPERLINK("http://x")': Spending(cost=2.0), "a,b": Spending(cost=1.0)}

    rows = list(csv.DictReader(io.StringIO(written(ranked(Summary(names)), "user", "csv"))))

    assert [row["user"] for row in rows] == ['\'=HYPERLINK("http://x")', "a,b"]
    assert rows[1]["cost"] == "1.0"


def test_json_holds_every_number() -> None:
    (first, nobody) = json.loads(written(ranked(SPENT), "user", "json"))

    assert (first["name"], first["cost"], first["completion_tokens"]) == ("ada", 3.0, 100)
    assert (nobody["name"], nobody["unseen_cost"]) == (NO_USER, 0.5)


async def test_users_are_read_from_what_the_operator_wrote() -> None:
    cluster = FakeCluster()
    await cluster.replace({**router(), "metadata": {"name": "default", "namespace": "ns"}})
    data = {"report": "Names", **write({hour_of(NOW): {"chat": SPENT, "code": SPENT}}, NOW)}
    metadata = {"name": "default-users", "namespace": "ns"}
    await cluster.replace(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    )

    assert (await users(cluster, asked())).names["ada"].cost == 6.0
    assert (await users(cluster, asked(route="chat"))).names["ada"].cost == 3.0


async def test_without_books_it_says_why_there_may_be_none() -> None:
    with pytest.raises(NothingToShowError, match=r"spec\.attribution\.user\.report"):
        await users(FakeCluster(), asked())


class Store:
    """A Prometheus that answers each piece with the same two label sets."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, datetime]] = []

    async def query(self, promql: str, *, at: datetime) -> list[Sample]:
        self.asked.append((promql, at))
        if "ready_replicas" in promql:
            return [Sample({"pool": "hourly"}, 4.0, at)]
        place = {"namespace": "ns", "route": "chat", "rule": "main", "request_type": "other"}
        pairs = (("large", "search"), ("hourly", "draft"))
        return [
            Sample({**place, "pool": pool, "feature": feature, "kind": kind}, 10.0, at)
            for pool, feature in pairs
            for kind in ("requests", "prompt", "completion")
        ]


FACTS = {
    "large": PoolFacts(ready=1, desired=1, tokens=TokenPrices(0.01, 0.01, 0.02, 0.01)),
    "hourly": PoolFacts(ready=1, desired=1, hourly=2.0),
}


async def test_labels_are_asked_in_pieces_and_priced() -> None:
    store = Store()

    found = await labels(store, FACTS, asked(by="feature", start=NOW - timedelta(hours=14)))

    assert [at for text, at in store.asked if "increase" in text] == [
        NOW - timedelta(hours=8), NOW - timedelta(hours=2), NOW,
    ]  # fmt: skip
    costs = {name: spent.cost for name, spent in found.names.items()}
    assert costs == {"search": pytest.approx(3 * 0.3), "draft": pytest.approx(14 * 4 * 2.0)}


def test_users_are_looked_at_by_whole_hours() -> None:
    start, end = top.span("user", NOW, timedelta(hours=1))

    assert (start, end) == (datetime(2026, 11, 26, 13, tzinfo=UTC), NOW)
    assert top.span("feature", NOW, timedelta(hours=1)) == (NOW - timedelta(hours=1), NOW)


def test_a_label_needs_prometheus(capsys: pytest.CaptureFixture[str]) -> None:
    config = "--kubeconfig=/nowhere"

    assert main(["costs", "--by=feature", "--from=1h", "--to=2h", config]) == 1
    assert "--to (" in capsys.readouterr().err


@pytest.mark.parametrize("command", [top, costs])
def test_prometheus_can_be_named_in_the_environment(
    command: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENFLEET_PROMETHEUS_URL", "http://prometheus:9090")
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())  # type: ignore[attr-defined]

    name = command.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    args = parser.parse_args([name, "--from=1h"] if name == "costs" else [name])

    assert args.prometheus_url == "http://prometheus:9090"
