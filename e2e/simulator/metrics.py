"""The part of vLLM's metrics that dashboards and guards read, under vLLM's names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LABELS = ("model_name", "engine")
TTFT_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5,
                10, 20, 40, 80)  # fmt: skip
E2E_BUCKETS = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60)


class Metrics:
    """The metrics of one engine."""

    def __init__(self, model: str) -> None:
        self.registry = CollectorRegistry()

        def made(kind, name, text, **options):
            return kind(f"vllm:{name}", text, LABELS, registry=self.registry, **options).labels(
                model, "0"
            )

        self.running = made(Gauge, "num_requests_running", "Requests being worked on.")
        self.waiting = made(Gauge, "num_requests_waiting", "Requests waiting.")
        made(Gauge, "kv_cache_usage_perc", "Fraction of the KV cache in use.")
        self.prompt_tokens = made(Counter, "prompt_tokens", "Prompt tokens.")
        self.generated_tokens = made(Counter, "generation_tokens", "Generated tokens.")
        self.cache_queries = made(Counter, "prefix_cache_queries", "Prompt tokens looked up.")
        self.cache_hits = made(Counter, "prefix_cache_hits", "Prompt tokens found.")
        self.first_token = made(
            Histogram, "time_to_first_token_seconds", "Time to first token.", buckets=TTFT_BUCKETS
        )
        self.whole = made(
            Histogram, "e2e_request_latency_seconds", "Time of a request.", buckets=E2E_BUCKETS
        )
        success = Counter(
            "vllm:request_success", "Finished requests.", (*LABELS, "finished_reason"),
            registry=self.registry,
        )  # fmt: skip
        self.finished = success.labels(model, "0", "length")

    def render(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)
