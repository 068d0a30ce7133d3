"""From weights to conversation buckets, and from one share to the next.

A conversation has one bucket, 0..999, for as long as it lasts; a rule says which pool each bucket
asks first. Changing a share must move only the difference, or prefix caches go cold for nothing.
Shares alone cannot promise that: with three pools there is no fixed map from shares to buckets that
is minimal for every pair of shares (the buckets of a pool would have to depend on its own share
only, and three pools with a half each of the others' buckets do not fit in one whole). So the next
ranges are computed from the ranges before.

    before  |aaaaaaaaa|f|      a=900 f=100
    after   |aaaaaa|ffff|      a=600 f=400: 300 buckets moved, 100 + 600 stayed
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from types import MappingProxyType

from tokenfleet.domain.routing.ir import BUCKETS, BucketRange, RouterConfig, Rule

RuleKey = tuple[str, str]
"""A route's name and a rule's name."""


def largest_remainder(weights: Mapping[str, int]) -> dict[str, int]:
    """Round weights to shares that sum to exactly `BUCKETS`, in the order given.

    Args:
        weights: 0 or more each, and at least one above 0.
    """
    # Each floor loses less than one bucket, so fewer than len(weights) are missing and one pass
    # hands them all out. Ties go by order: equal input, equal output.
    total = sum(weights.values())
    shares = {pool: weight * BUCKETS // total for pool, weight in weights.items()}
    missing = BUCKETS - sum(shares.values())
    most_lost = sorted(weights, key=lambda pool: -(weights[pool] * BUCKETS % total))[:missing]
    return {pool: share + (pool in most_lost) for pool, share in shares.items()}


def contiguous(shares: Mapping[str, int]) -> tuple[BucketRange, ...]:
    """Lay shares out one after the other."""
    return _ranges([pool for pool, share in shares.items() for _ in range(share)])


def reassign(before: Sequence[BucketRange], shares: Mapping[str, int]) -> tuple[BucketRange, ...]:
    """Lay shares out so that as few buckets as possible change their pool.

    Args:
        before: the ranges so far; pools that have no share any more give all of theirs up.
        shares: wanted buckets by pool; they sum to `BUCKETS`.
    """
    if _counts(before) == {pool: share for pool, share in shares.items() if share}:
        return tuple(before)
    # A pool keeps as many of its buckets as its new share allows: nothing smaller is possible. Of
    # those it gives up, the first go to whoever owns them in the contiguous layout, which keeps
    # ranges few; the rest are handed out in order.
    owners = _owners(before)
    wanted = _owners(contiguous(shares))
    held = {pool: owners.count(pool) for pool in shares}
    surplus = {pool: owners.count(pool) - shares.get(pool, 0) for pool in dict.fromkeys(owners)}
    lacking = {pool: share - held[pool] for pool, share in shares.items() if share > held[pool]}
    by_preference = sorted(range(BUCKETS), key=lambda bucket: wanted[bucket] not in lacking)
    freed = []
    for bucket in by_preference:
        if surplus[owners[bucket]] > 0:
            surplus[owners[bucket]] -= 1
            freed.append(bucket)
    left = []
    for bucket in freed:
        if lacking.get(wanted[bucket], 0) > 0:
            owners[bucket] = wanted[bucket]
            lacking[wanted[bucket]] -= 1
        else:
            left.append(bucket)
    heirs = [pool for pool, count in lacking.items() for _ in range(count)]
    for bucket, pool in zip(sorted(left), heirs, strict=True):
        owners[bucket] = pool
    return _ranges(owners)


def with_shares(
    config: RouterConfig,
    shares: Mapping[RuleKey, Mapping[str, int]],
    *,
    before: RouterConfig | None,
    heirs: Mapping[RuleKey, RuleKey] = MappingProxyType({}),
) -> RouterConfig:
    """Give rules their shares of now, moving no conversation without need.

    Args:
        config: freshly compiled, with the shares as written.
        shares: wanted buckets by pool, for the rules that differ from what is written. Pools that
            the rule does not have are ignored; where nothing is left, the written shares stay.
        before: what the router runs now; None where there is nothing to keep.
        heirs: rule -> the rule of `before` whose conversations are its own.
    """
    old = {
        (route.name, rule.name): rule
        for route in (before.routes if before else ())
        for rule in route.rules
    }
    routes = tuple(
        replace(
            route,
            rules=tuple(
                _rule_with_shares(
                    rule,
                    shares.get((route.name, rule.name)),
                    old.get(heirs.get((route.name, rule.name), (route.name, rule.name))),
                )
                for rule in route.rules
            ),
        )
        for route in config.routes
    )
    return replace(config, routes=routes)


def _rule_with_shares(rule: Rule, shares: Mapping[str, int] | None, old: Rule | None) -> Rule:
    wanted = {share.pool: share.share for share in rule.shares}
    if shares is not None:
        known = {pool: shares.get(pool, 0) for pool in rule.chain}
        if sum(known.values()) > 0:
            wanted = largest_remainder(known)
    if not rule.chain:
        return rule
    ranges = reassign(old.ranges, wanted) if old and old.ranges else contiguous(wanted)
    return replace(rule, ranges=ranges)


def _counts(ranges: Sequence[BucketRange]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in ranges:
        counts[part.pool] = counts.get(part.pool, 0) + part.end - part.first
    return counts


def _owners(ranges: Sequence[BucketRange]) -> list[str]:
    return [part.pool for part in ranges for _ in range(part.end - part.first)]


def _ranges(owners: Sequence[str]) -> tuple[BucketRange, ...]:
    ranges: list[BucketRange] = []
    first = 0
    for pool, run in groupby(owners):
        end = first + len(list(run))
        ranges.append(BucketRange(pool=pool, first=first, end=end))
        first = end
    return tuple(ranges)
