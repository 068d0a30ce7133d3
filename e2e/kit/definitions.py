"""Waiting until the API server serves custom resource definitions.

`kubectl wait` ends with an error where a definition is so new that it has no conditions at all.
"""

from e2e.kit.kubectl import Namespace
from e2e.kit.waiting import NotYet, condition, wait_for


def wait_established(namespace: Namespace, *names: str) -> None:
    """Wait until definitions are served.

    Args:
        namespace: any; it gives kubectl.
        names: such as `servingpools.tokenfleet.dev`.
    """

    def established() -> bool | NotYet:
        waiting = [
            name
            for name in names
            if condition(namespace.get("crd", name), "Established").get("status") != "True"
        ]
        return NotYet(f"not served: {', '.join(waiting)}") if waiting else True

    wait_for("definitions to be served", established, timeout=120, every=0.2)
