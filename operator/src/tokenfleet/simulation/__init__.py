"""A queueing model of a fleet that drives the same control loop."""
