"""The dynamic module that does nothing, built for a router's configuration."""

import subprocess
from pathlib import Path

from e2e.cluster import rust
from tests.bench.router_subjects import everything
from tokenfleet.adapters.envoy.failover import whole_policies

CRATE = Path(__file__).with_name("empty_module")


def empty_module(folder: Path) -> Path:
    """Build the module into a folder; return where Envoy finds it."""
    (route,) = everything().routes
    *_, rule = route.rules
    policy = whole_policies(route.failover, rule, {})[len(rule.chain) - 1]
    subprocess.run(
        rust.cargo(CRATE, "build", "--release", "--locked", "--offline", "--quiet"),
        env={
            **rust.environment(folder / "target"),
            "EMPTY_MODULE_POOL": rule.chain[0],
            "EMPTY_MODULE_ACTION": policy.name,
        },
        check=True,
    )
    return folder / "target" / "release"
