"""From ModelRoutes to the neutral configuration that a router runs."""
