"""What `top` and `costs` share: where numbers come from, and how they are written.

Users come from the ConfigMaps `<router>-users` that the operator keeps, everything else from
Prometheus. Who may read what is up to the rights of whoever asks.
"""

import argparse
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Final

from tokenfleet.adapters.kubernetes import KubernetesCluster
from tokenfleet.adapters.prometheus.access import Access
from tokenfleet.adapters.prometheus.source import PrometheusSource
from tokenfleet.adapters.prometheus.spending import pieces
from tokenfleet.cli.faults import NothingThereError
from tokenfleet.cli.names import listed, route_of
from tokenfleet.cli.output import FORMS, add_output_flag, for_scripts
from tokenfleet.cli.prometheus import access, add_flags_of_people, must_know
from tokenfleet.cli.target import add_target_flags, namespace, opened
from tokenfleet.cli.terminal import harmless
from tokenfleet.domain.slo.observation.measurement import PoolFacts
from tokenfleet.domain.spending.prices import Place, priced
from tokenfleet.domain.spending.ranking import By, Row, by_label, by_user, ranked
from tokenfleet.domain.spending.summary import Spending, Summary, merged
from tokenfleet.domain.spending.user_history import between, read
from tokenfleet.ports import Cluster, MetricSource
from tokenfleet.reconcilers.resources import CONFIG_MAPS, POOLS, ROUTERS
from tokenfleet.reconcilers.user_ledger import facts_of, users_name

LABELS: Final = ("feature", "type", "route")


NOBODY: Final = "Nothing was spent in this time, as far as is known."


class NothingToShowError(NothingThereError):
    """Nobody has told; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person wants to know."""

    by: By
    namespace: str
    route: str
    """Empty: all routes."""
    start: datetime
    end: datetime


def add_common_flags(parser: argparse.ArgumentParser, *, everywhere: bool = False) -> None:
    """Add the flags that both commands have; `everywhere`: one can look at all namespaces."""
    add = parser.add_argument
    add("--by", choices=("user", *LABELS), default="user", help="what rows are about")
    add("--route", default="", help="one ModelRoute; default: all of the namespace")
    add_output_flag(parser, "csv")
    add_target_flags(parser, everywhere=everywhere)
    add_flags_of_people(parser)


async def rows(args: argparse.Namespace, start: datetime, end: datetime) -> tuple[Row, ...]:
    """Return who spent what in [start, end), the dearest first.

    Raises:
        NothingToShowError: nobody told.
        UnconfiguredError: there is no kubeconfig.
        PortError: the cluster or Prometheus does not answer, or refuses.
        ValueError: the flags contradict each other.
    """
    asked = Asked(
        by=args.by,
        namespace=namespace(args),
        route=args.route,
        start=start,
        end=end,
    )
    known = access(args)
    async with opened(args) as cluster:
        if asked.by == "user":
            return await _of_route(cluster, asked, ranked(await users(cluster, asked)))
        if known is None:
            msg = f"--by {asked.by} needs --prometheus-url; only users are known without it"
            raise NothingToShowError(msg)
        (pools,) = await listed(cluster, POOLS)
        facts = dict(facts_of(pools, at=asked.namespace))
        found = ranked(await _labels(known, facts, asked))
        if not found:
            await must_know(known, asked.end)
        return await _of_route(cluster, asked, found)


async def _of_route(
    cluster: KubernetesCluster, asked: Asked, found: tuple[Row, ...]
) -> tuple[Row, ...]:
    """Return what was found; nothing of a route that is not there is a wrong name."""
    if asked.route and not found:
        await route_of(cluster, asked.namespace, asked.route)
    return found


async def users(cluster: Cluster, asked: Asked) -> Summary:
    """Read what users spent, from what the operator has written down.

    Raises:
        NothingToShowError: there is nothing.
        PortError: the cluster does not answer, or refuses.
    """
    (bodies,) = await listed(cluster, ROUTERS)
    routers = [body["metadata"]["name"] for body in bodies]
    found = [
        read(stored.get("data", {}))
        for name in routers
        if (stored := await cluster.get(CONFIG_MAPS, asked.namespace, users_name(name)))
    ]
    if not found:
        msg = (
            f"no ModelRouter of namespace {asked.namespace} has told of its users yet: the operator"
            " asks every 2 min, unless spec.attribution.user.report is None"
        )
        raise NothingToShowError(msg)
    told = [between(windows, asked.start, asked.end) for windows in found]
    return merged(
        by_user({r: s for r, s in routes.items() if asked.route in ("", r)}) for routes in told
    )


async def labels(source: MetricSource, facts: dict[str, PoolFacts], asked: Asked) -> Summary:
    """Ask Prometheus what a label's values spent.

    Raises:
        PortError: it does not answer, or refuses.
    """
    spent: list[tuple[Place, Spending]] = []
    for piece in await pieces(source, asked.namespace, start=asked.start, end=asked.end):
        then = {pool: _then(fact, piece.ready.get(pool)) for pool, fact in facts.items()}
        places = {place: Summary({"": Spending(usage)}) for place, usage in piece.used.items()}
        spent += [
            (place, summary.names[""])
            for place, summary in priced(places, then, piece.hours).items()
            if asked.route in ("", place.route)
        ]
    return by_label(spent, asked.by)


def _then(fact: PoolFacts, ready: float | None) -> PoolFacts:
    """Return the facts of a pool as they were; where nobody told of its replicas, as they are."""
    if ready is None or fact.hourly is None:
        return fact
    return replace(fact, ready=1, hourly=fact.hourly * ready)


async def _labels(known: Access, facts: dict[str, PoolFacts], asked: Asked) -> Summary:
    source = PrometheusSource(known)
    try:
        return await labels(source, facts, asked)
    finally:
        source.close()


def written(found: Sequence[Row], by: By, output: str) -> str:
    """Write rows as text, CSV (RFC 4180), JSON or YAML."""
    if output in FORMS:
        return for_scripts([asdict(row) for row in found], output)
    if output == "csv":
        return _csv(found, by)
    return "\n".join(table(found, by) if found else [NOBODY]) + "\n"


def table(found: Sequence[Row], by: By) -> Iterator[str]:
    """Yield the lines of a table for people."""
    doubt = any(row.unseen_tokens for row in found)
    heads = [by.upper(), "REQUESTS", "PROMPT", "CACHED", "COMPLETION", "COST", "PART"]
    cells = [[*heads, *(["AT MOST MORE"] if doubt else [])]]
    cells += [_cells(row, doubt=doubt) for row in found]
    widths = [max(len(line[at]) for line in cells) for at in range(len(cells[0]))]
    for line in cells:
        first = line[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        yield "  ".join([first, *rest]).rstrip()


def _cells(row: Row, *, doubt: bool) -> list[str]:
    counts = (row.requests, row.prompt_tokens, row.cached_prompt_tokens, row.completion_tokens)
    more = [f"{row.unseen_cost:.4g} ({row.unseen_tokens} tokens)"] if doubt else []
    return [harmless(row.name), *map(str, counts), f"{row.cost:.4g}", f"{row.part:.1%}", *more]


def _csv(found: Iterable[Row], by: By) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    names = [field.name for field in fields(Row)]
    writer.writerow([by, *names[1:]])
    for row in found:
        values = asdict(row)
        writer.writerow([_inert(row.name), *(values[name] for name in names[1:])])
    return out.getvalue()


def _inert(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula: users choose their names."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name
