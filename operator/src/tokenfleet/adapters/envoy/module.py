"""The native module: how Envoy's parts refer to it, and how Envoy says that it fits.

One shared object holds everything that a request meets: `router-image/module`. Envoy looks for
`lib<name>.so` in the folders of `ENVOY_DYNAMIC_MODULES_SEARCH_PATH`.
"""

import re
from typing import Any, Final

from tokenfleet.adapters.envoy.wire import Json, extension, typed

MODULE_NAME: Final = "tokenfleet"
SEARCH_PATH: Final = "ENVOY_DYNAMIC_MODULES_SEARCH_PATH"
METRICS_PATH: Final = "/tokenfleet/metrics"
"""On Envoy's admin interface: everything that the module counts, as Prometheus text."""
USERS_PATH: Final = "/tokenfleet/users"
"""On Envoy's admin interface: the heaviest users of this hour and the one before, as JSON."""

REQUEST_FILTER: Final = "tokenfleet.request"
"""Name of the filter that reads requests; the plan travels under it."""
ATTEMPT_FILTER: Final = "tokenfleet.attempt"

ABI_LOG_LEVEL: Final = "info"
"""At which Envoy says whether the module's ABI version is its own."""
_MATCHED: Final = re.compile(r"Dynamic module ABI version \S+ matched")
_OTHER: Final = re.compile(r"Dynamic module ABI version (\S+) is deprecated")


def module_extension(name: str, message: str, **fields: Any) -> Json:
    """Return an extension of Envoy that the module implements."""
    config: Json = {"name": MODULE_NAME, "do_not_close": True}
    return extension(name, message, dynamic_module_config=config, **fields)


def module_filter(name: str) -> Json:
    """Return one of the module's HTTP filters; its name in the module ends Envoy's name."""
    return module_extension(
        name,
        "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        filter_name=name.rpartition(".")[2],
    )


def text(value: str) -> Json:
    """Return a configuration that the module gets as these bytes."""
    return typed("google.protobuf.StringValue", value=value)


def abi_problem(log: str) -> str:
    """Return why Envoy's log says that the module is not for this Envoy; empty when it is.

    Args:
        log: everything that Envoy wrote at `ABI_LOG_LEVEL` while it read a bootstrap.
    """
    other = _OTHER.search(log)
    if other is not None:
        return f"the router's module is of ABI version {other[1]}, which is not this Envoy's"
    if _MATCHED.search(log) is None:
        return "envoy did not say that the module's ABI version is its own"
    return ""
