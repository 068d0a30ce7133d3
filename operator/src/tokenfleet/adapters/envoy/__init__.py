"""The neutral router configuration in Envoy's words; one feature per file. Pure."""
