"""Decisions: pure functions over frozen values. No I/O, clock, logging, async or randomness."""
