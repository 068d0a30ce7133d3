"""Observe, plan, apply: the fleet visits and the SLO tick."""
