"""A metrics adapter: Kubernetes' external metrics API, answered from Prometheus."""
