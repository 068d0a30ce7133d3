"""promtool, of the same module as the cluster's Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from e2e.cluster.beside import ensure_program

PACKAGE: Final = "github.com/prometheus/prometheus/cmd/promtool"
_MODULE: Final = "github.com/nsf/jsondiff v0.0.0-20260207060731-8e8d90c4c0ac"
_SUMS: Final = (
    f"{_MODULE} h1:4YV96Dzy2csSnhzl14/Qk5YsSrKAQusGsIADDn/4/g8=\n"
    f"{_MODULE}/go.mod h1:mpRZBD8SJ55OIICQ3iWH0Yz3cjzA61JdqMLoWXeB2+8=\n"
)
"""As in go.sum of the Prometheus that go.mod names."""


def ensure_promtool() -> Path:
    """Build promtool if it is not there, and return it."""
    return ensure_program("promtool", PACKAGE, [_MODULE], _SUMS)
