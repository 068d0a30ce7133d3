"""The Kubernetes API: list, watch, server-side apply, Events, Leases."""
