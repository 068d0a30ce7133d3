"""With every default of TokenSLO and of the chart's pace, a breach is acted upon as documented."""

import time

from e2e.stories import fleet as written
from e2e.stories.fleet import PRIMARY, RULE, SLO, Fleet, finished

LIMIT = 90.0
"""Seconds from breach to first action at a scrape and tick of 15 s; here both are shorter."""
JUDGED = 20
"""Attempts: more than a proof takes were sent."""


def test_the_default_windows_act_within_ninety_seconds(fleet: Fleet) -> None:
    objective = written.slo()
    objective["spec"] = {
        "targetRef": {"name": written.ROUTE, "sectionName": RULE},
        "objective": objective["spec"]["objective"],
        "onBreach": {"type": "ShiftTraffic"},
    }
    load = fleet.start_load(rate=5)
    fleet.apply(objective)
    fleet.wait("tokenslo", SLO, "Met", timeout=200)
    fleet.behave(PRIMARY, ttft=1.5)
    begun = time.monotonic()
    fleet.wait_share("the first action", lambda share: share < 1000, timeout=LIMIT)

    assert time.monotonic() - begun <= LIMIT
    finished(load, at_least=JUDGED)
