"""Measurements from Prometheus."""
