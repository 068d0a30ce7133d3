"""Documents of the schema version before: read as what they meant."""

from typing import Any, Final

EARLIER_VERSION: Final = 1
STALL_MS: Final = 60_000
"""Version 1 had no limit for silent streams; the default of version 2 holds for them too."""


def upgraded(config: Any) -> Any:
    """Return the configuration of a version 1 document in the words of version 2.

    Raises:
        KeyError: a part is missing.
        TypeError: a part is of another type.
        AttributeError: the same.
    """
    return {
        **config,
        "allow_origins": [],
        "explain": True,
        "access_log": "Off",
        "tracing": None,
        "pools": [_pool(pool) for pool in config["pools"]],
        "routes": [_route(route) for route in config["routes"]],
    }


def _pool(pool: Any) -> Any:
    # The name of the port was not recorded; that of managed pools is `http`, which most others have
    # too. The operator writes the right one as soon as it sees the Service.
    named = {"service_uid": None, "port_name": "http", "family": "IPv4"}
    kept = {key: pool[key] for key in ("name", "model_name", "service")}
    return {**kept, **named, "aliases": [], "window": None}


def _route(route: Any) -> Any:
    failover = dict(route["failover"])
    milliseconds = failover.pop("first_token_timeout_ms")
    # Version 1 took a limit only from users, so it holds for the last pool as well.
    limit = None if milliseconds is None else {"milliseconds": milliseconds, "always": True}
    return {
        **route,
        "failover": {**failover, "stall_ms": STALL_MS},
        "rules": [{**rule, "first_token": limit, "response": None} for rule in route["rules"]],
    }
