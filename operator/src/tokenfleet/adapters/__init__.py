"""The edges: each package talks to one outside system behind a protocol of `ports`."""
