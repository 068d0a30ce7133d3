"""From Envoy's stats to the metric contract."""

from collections.abc import Iterable

from tokenfleet.adapters.envoy.attempts import FLUSH_MS, FLUSHES, HISTOGRAM_BUCKETS, flush_after
from tokenfleet.adapters.envoy.exposition import translate
from tokenfleet.api.ladder import LADDER_MILLISECONDS

PLACE = "chat/slow|suggestions|other;large"
KEY = f'key="{PLACE}"'
LABELS = 'route="chat",rule="slow",pool="large",feature="suggestions",request_type="other"'


def histogram(name: str, values: Iterable[float], ending: str = "") -> list[str]:
    values, key = list(values), f'key="{PLACE}{ending}"'
    bounds = [*(str(b) for b in HISTOGRAM_BUCKETS), "+Inf"]
    lines = [
        f'envoy_tokenfleet_{name}_bucket{{{key},le="{b}"}} {sum(v < float(b) for v in values)}'
        for b in bounds
    ]
    return [*lines, f"envoy_tokenfleet_{name}_sum{{{key}}} {sum(values)}"]


def ended(code: str, flags: str, *durations: float) -> list[str]:
    return histogram("attempt", durations, f";{code};{flags}")


def overdue(flush: int, count: int) -> list[str]:
    return [f'envoy_tokenfleet_overdue{{{KEY},flush="{flush}"}} {count}']


def samples(*parts: list[str], early: bool = False) -> dict[str, float]:
    text = "\n".join(line for part in parts for line in part)
    lines = translate(text, early=frozenset({"large"} if early else ()))
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def good(found: dict[str, float], threshold: str) -> float:
    return found[f'tokenfleet_time_to_first_token_seconds_bucket{{{LABELS},le="{threshold}"}}']


def late(found: dict[str, float], threshold: str) -> float:
    return found[f'tokenfleet_late_attempts_total{{{LABELS},threshold="{threshold}"}}']


def test_milliseconds_become_seconds_under_the_contract_s_names() -> None:
    found = samples(histogram("ttft", [120, 480]), ended("200", "-", 2_000, 4_000))

    name = "tokenfleet_time_to_first_token_seconds"
    assert found[f"{name}_sum{{{LABELS}}}"] == 0.6
    assert found[f"{name}_count{{{LABELS}}}"] == 2
    assert found[f"tokenfleet_attempt_duration_seconds_sum{{{LABELS}}}"] == 6.0
    assert found[f'tokenfleet_attempts_total{{{LABELS},outcome="ok"}}'] == 2


def test_the_time_per_token_is_counted_in_microseconds() -> None:
    buckets = [
        f'envoy_tokenfleet_pace_bucket{{{KEY},le="{bound}"}} {count}'
        for bound, count in (("5000", 0), ("10000", 1), ("20000", 2), ("+Inf", 2))
    ]
    found = samples(buckets, [f"envoy_tokenfleet_pace_sum{{{KEY}}} 21500"])

    name = "tokenfleet_time_per_output_token_seconds"
    assert [found[f'{name}_bucket{{{LABELS},le="{le}"}}'] for le in ("0.005", "0.01")] == [0, 1]
    assert found[f"{name}_sum{{{LABELS}}}"] == 0.0215
    assert found[f"{name}_count{{{LABELS}}}"] == 2


def test_every_outcome_is_there_from_the_first_attempt_on() -> None:
    """Otherwise `increase` would not see the first failure."""
    found = samples(ended("200", "-", 10))

    assert found[f'tokenfleet_attempts_total{{{LABELS},outcome="server_error"}}'] == 0
    assert late(found, "0.5") == 0


def test_a_slow_first_token_is_late_for_smaller_thresholds_only() -> None:
    found = samples(histogram("ttft", [800]), ended("200", "-", 5_000))

    assert (good(found, "0.75"), late(found, "0.75")) == (0, 1)
    assert (good(found, "1.0"), late(found, "1.0")) == (1, 0)


def test_a_failed_attempt_is_late_for_every_threshold_at_once() -> None:
    found = samples(ended("503", "-", 3), ended("0", "UF", 1), ended("429", "-", 2))

    assert {late(found, str(b / 1000)) for b in LADDER_MILLISECONDS} == {3}


def test_an_attempt_cut_off_at_a_round_limit_is_counted_once() -> None:
    """A first-token timeout of 2 s ends attempts at 2.00 s: they were waiting at 1.1 s."""
    found = samples(ended("0", "UT", 2_001, 2_003), overdue(1, 2))

    assert late(found, "0.5") == 2
    assert late(found, "2.0") == 2
    assert late(found, "60.0") == 2


def test_an_attempt_still_waiting_is_late_before_it_ends() -> None:
    found = samples(overdue(1, 1), overdue(2, 1))

    assert late(found, "0.5") == 1
    assert late(found, "2.0") == 1
    assert late(found, "2.5") == 0


def test_a_first_token_after_the_flush_is_not_counted_twice() -> None:
    found = samples(
        overdue(1, 1), overdue(2, 1), histogram("ttft", [3_050]), ended("200", "-", 9_000)
    )

    assert late(found, "0.5") == 1
    assert (good(found, "3.0"), late(found, "3.0")) == (0, 1)
    assert (good(found, "4.0"), late(found, "4.0")) == (1, 0)


def test_a_client_that_leaves_before_the_threshold_says_nothing() -> None:
    found = samples(ended("0", "-", 700), ended("400", "-", 5))

    assert late(found, "0.5") == 1
    assert late(found, "0.75") == 0


def test_a_broken_stream_had_its_first_token() -> None:
    found = samples(histogram("ttft", [100]), ended("200", "UPE", 4_000))

    assert (good(found, "0.5"), late(found, "0.5")) == (1, 0)
    assert found[f'tokenfleet_attempts_total{{{LABELS},outcome="broken_stream"}}'] == 1


def test_pools_that_send_headers_early_are_late_when_the_first_token_comes() -> None:
    found = samples(histogram("ttft", [30_000]), ended("200", "-", 31_000), early=True)

    assert late(found, "2.0") == 1
    assert good(found, "45.0") == 1


def test_inflight_names_pools_only() -> None:
    found = samples(
        [
            'envoy_cluster_upstream_rq_active{envoy_cluster_name="large"} 3',
            'envoy_cluster_internal_upstream_rq_active{envoy_cluster_name="first-token"} 1',
        ]
    )

    assert found == {'tokenfleet_inflight{pool="large"}': 3}


def test_the_flush_of_a_boundary_lies_beyond_its_histogram_bin() -> None:
    """Envoy's bins hold two digits; whoever ended at the boundary must be wholly below the flush."""
    for boundary in LADDER_MILLISECONDS:
        step = 10 ** max(0, len(str(boundary)) - 2)
        assert flush_after(boundary) * FLUSH_MS >= boundary + step
        assert flush_after(boundary) in FLUSHES
