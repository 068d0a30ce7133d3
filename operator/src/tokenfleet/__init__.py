"""Tokenfleet: a Kubernetes operator for fleets of language models."""

__version__ = "0.1.0"
