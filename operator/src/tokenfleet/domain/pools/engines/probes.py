"""Probes: generous, because slowness is the router's and the objectives' business.

A probe that fails because an engine is slow would take away the capacity that is missing.
"""

from typing import Any

from tokenfleet.api.v1alpha1.servingpool import Managed
from tokenfleet.domain.pools import rollout


def http(managed: Managed, *, path: str) -> dict[str, Any]:
    """Return all three probes of an engine that answers one address cheaply.

    Args:
        managed: whose start may take as long as it says.
        path: answered with 200 while the engine can serve, and with an error once it cannot.
    """
    return {
        "startupProbe": {
            **_asked(path),
            "periodSeconds": int(rollout.STARTUP_PERIOD.total_seconds()),
            "timeoutSeconds": 5,
            "failureThreshold": rollout.startup_failures(managed),
        },
        "readinessProbe": {
            **_asked(path),
            "periodSeconds": 5,
            "timeoutSeconds": 10,
            "failureThreshold": 3,
        },
        # Loading the weights again is the price.
        "livenessProbe": {
            **_asked(path),
            "periodSeconds": 10,
            "timeoutSeconds": 30,
            "failureThreshold": 6,
        },
    }


def _asked(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}}
