"""OpenTelemetry: one span per request and one per attempt, by Envoy's own tracer.

W3C trace context passes with or without it. Attributes follow the semantic conventions for
generative AI (`gen_ai.*`); what they do not name is `tokenfleet.*`. Prompts and answers are never
in a span.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from tokenfleet.adapters.envoy.wire import NAMESPACE, Json, address, extension
from tokenfleet.domain.routing.ir import Tracing

COLLECTOR: Final = "collector.internal"
"""Envoy cluster of the collector. The dot keeps it apart from pools, whose names are DNS labels."""

SERVICE_NAME: Final = "tokenfleet-router"
EXPORT_SECONDS: Final = 1

TAGS: Final = {
    "gen_ai.request.model": "model",
    "gen_ai.usage.input_tokens": "prompt_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cached_prompt_tokens",
    "gen_ai.usage.output_tokens": "completion_tokens",
    "tokenfleet.route": "route",
    "tokenfleet.rule": "rule",
    "tokenfleet.pool": "pool",
    "tokenfleet.feature": "feature",
    "tokenfleet.request_type": "request_type",
    "tokenfleet.outcome": "outcome",
    "tokenfleet.attempts": "attempts",
    "tokenfleet.ttft_ms": "ttft_ms",
}
"""Attribute of a span -> what the module leaves in dynamic metadata."""

_PORTS: Final = {"http": 80, "https": 443}


def tracing(wanted: Tracing | None) -> Json:
    """Return the member `tracing` of the connection manager; empty where there is none."""
    if wanted is None:
        return {}
    exporter: Json = {
        "http_uri": {
            "uri": wanted.endpoint,
            "cluster": COLLECTOR,
            "timeout": f"{EXPORT_SECONDS}s",
        }
    }
    provider = extension(
        "envoy.tracers.opentelemetry",
        "envoy.config.trace.v3.OpenTelemetryConfig",
        http_service=exporter,
        service_name=SERVICE_NAME,
        sampler=_sampler(wanted.sampling),
    )
    return {
        "tracing": {
            "provider": provider,
            "random_sampling": {"value": 100},  # the sampler decides
            "spawn_upstream_span": True,
            "custom_tags": [_tag(name, key) for name, key in TAGS.items()],
        }
    }


def collector_clusters(wanted: Tracing | None) -> list[Json]:
    """Return the cluster that spans go to, if any."""
    if wanted is None:
        return []
    url = urlsplit(wanted.endpoint)
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    cluster: dict[str, Any] = {
        "name": COLLECTOR,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": COLLECTOR,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(host, port)}}]}],
        },
    }
    return [cluster]


def _sampler(sampling: int) -> Json:
    """Return a sampler that follows callers that have decided, and draws for the others."""
    prefix, messages = "envoy.tracers.opentelemetry.samplers", "envoy.extensions.tracers"
    drawn = extension(
        f"{prefix}.trace_id_ratio_based",
        f"{messages}.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig",
        sampling_percentage={"numerator": sampling, "denominator": "TEN_THOUSAND"},
    )
    return extension(
        f"{prefix}.parent_based",
        f"{messages}.opentelemetry.samplers.v3.ParentBasedSamplerConfig",
        wrapped_sampler=drawn,
    )


def _tag(name: str, key: str) -> Json:
    return {
        "tag": name,
        "metadata": {
            "kind": {"request": {}},
            "metadata_key": {"key": NAMESPACE, "path": [{"key": key}]},
        },
    }
