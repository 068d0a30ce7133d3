"""What people on call look at: the fleet at a glance, decisions over time. Pure."""
