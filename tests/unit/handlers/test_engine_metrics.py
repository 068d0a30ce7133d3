"""What engines say is told under one name."""

from prometheus_client import CollectorRegistry

from tokenfleet.handlers.engine_metrics import EngineCollector


def test_what_speculation_is_worth_is_told_for_each_pool() -> None:
    registry = CollectorRegistry()
    registry.register(EngineCollector(lambda: {("team-a", "large"): 0.62}))
    labels = {"namespace": "team-a", "pool": "large"}

    assert registry.get_sample_value("tokenfleet_speculation_acceptance", labels) == 0.62
