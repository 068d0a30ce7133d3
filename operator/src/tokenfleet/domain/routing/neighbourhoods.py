"""The pools of each namespace, by which the rules of its routes are compiled.

A rule names pools of its route's namespace by their names alone; the router, which may carry routes
of many namespaces, calls them what `naming` says.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tokenfleet.api.v1alpha1.modelroute import RouteRule
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.routing import backing
from tokenfleet.domain.routing.backing import Backing, backing_of
from tokenfleet.domain.routing.ir import BucketRange, Credential, Pool, Rule
from tokenfleet.domain.routing.naming import local_name, place_of
from tokenfleet.domain.routing.rules import CompiledRule, References, compile_rule


@dataclass(slots=True)
class _Neighbourhood:
    """One namespace: its pools by name, and what stands behind them."""

    pools: dict[str, ServingPool] = field(default_factory=dict)
    backings: dict[str, Backing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Neighbourhoods:
    """All namespaces that one router carries routes of."""

    home: str
    """The router's own."""
    known: Mapping[str, _Neighbourhood]

    @classmethod
    def of(
        cls, home: str, pools: Mapping[str, ServingPool], backings: Mapping[str, Backing]
    ) -> "Neighbourhoods":
        """Sort pools and what stands behind them, both by what a router of `home` calls them."""
        known: dict[str, _Neighbourhood] = defaultdict(_Neighbourhood)
        for local, pool in pools.items():
            place = place_of(local, at=home)
            known[place.namespace].pools[place.name] = pool
        for local, stands in backings.items():
            place = place_of(local, at=home)
            known[place.namespace].backings[place.name] = stands
        return cls(home, dict(known))

    def pools_of(self, namespace: str) -> Mapping[str, ServingPool]:
        """Return the pools of a namespace by name."""
        return self.known.get(namespace, _Neighbourhood()).pools

    def compiled(self, rule: RouteRule, namespace: str) -> CompiledRule:
        """Compile a rule of a route in one namespace; its pools are called as the router does."""
        there = self.known.get(namespace, _Neighbourhood())
        one = compile_rule(rule, there.pools, there.backings)
        if namespace == self.home:
            return one
        return replace(
            one,
            rule=abroad(one.rule, namespace, at=self.home),
            references=_barred(one.references, namespace, at=self.home),
        )

    def destination(self, local: str) -> Pool:
        """Return a pool as the router knows it."""
        place = place_of(local, at=self.home)
        there = self.known[place.namespace]
        pool = there.pools[place.name]
        found = backing.destination(pool, backing_of(pool, there.backings))
        return replace(
            found,
            name=local,
            service=local_name(place.namespace, found.service, at=self.home),
            credential=self._known(found.credential, place.namespace),
        )

    def _known(self, credential: Credential | None, namespace: str) -> Credential | None:
        """Return a credential by what the router calls its Secret."""
        if credential is None:
            return None
        return replace(credential, secret=local_name(namespace, credential.secret, at=self.home))


def abroad(rule: Rule, namespace: str, *, at: str) -> Rule:
    """Return a rule of a namespace with its pools called as a router in namespace `at` does."""
    return _renamed(rule, {pool: local_name(namespace, pool, at=at) for pool in rule.chain})


def at_home(rule: Rule, *, at: str) -> Rule:
    """Return a rule of such a router with its pools called as in their own namespace."""
    return _renamed(rule, {pool: place_of(pool, at=at).name for pool in rule.chain})


def _renamed(rule: Rule, names: Mapping[str, str]) -> Rule:
    if all(name == new for name, new in names.items()):
        return rule
    return replace(
        rule,
        chain=tuple(names[pool] for pool in rule.chain),
        ranges=tuple(
            BucketRange(pool=names[part.pool], first=part.first, end=part.end)
            for part in rule.ranges
        ),
        adapters=tuple(replace(use, pool=names[use.pool]) for use in rule.adapters),
    )


def _barred(references: References, namespace: str, *, at: str) -> References:
    barred = frozenset(local_name(namespace, pool, at=at) for pool in references.barred)
    return replace(references, barred=barred)
