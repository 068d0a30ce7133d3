"""What everything used in one span of time: one query."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tokenfleet.adapters.prometheus.queries import used_in
from tokenfleet.adapters.prometheus.usage import usage_of
from tokenfleet.domain.slo.observation.measurement import RuleKey, UsageCell
from tokenfleet.ports import MetricSource


async def used(
    source: MetricSource, end: datetime, span: timedelta
) -> dict[RuleKey, Sequence[UsageCell]]:
    """Ask what was used in the span that ends at `end`.

    Raises:
        PortError: the store failed.
    """
    return dict(usage_of(await source.query(used_in(span).text, at=end)))
