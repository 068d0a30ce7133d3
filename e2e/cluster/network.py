"""The cable between the host and the node, and the node's own end of it.

The node has no default route: what is neither a pod, a Service nor the host is unreachable, so a
Service address that kube-proxy has not programmed yet never leaves the machine.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from pathlib import Path

from e2e.cluster import paths
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import wait_for

OURS = tuple(
    ipaddress.ip_network(r) for r in (paths.LINK_RANGE, paths.POD_RANGE, paths.SERVICE_RANGE)
)


def ip(*arguments: str, check: bool = True) -> str:
    """Run `ip` and return its output."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise ClusterError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def refuse_if_taken() -> None:
    """Raise ClusterError when something else on the host already uses the node's addresses."""
    for route in json.loads(ip("-json", "route", "show", "table", "all") or "[]"):
        if route.get("dev") == paths.LINK or route.get("dst") in {"default", None}:
            continue
        try:
            destination = ipaddress.ip_network(route["dst"], strict=False)
        except ValueError:
            continue
        if any(destination.version == 4 and destination.overlaps(ours) for ours in OURS):
            raise ClusterError(
                f"the addresses {paths.LINK_RANGE}, {paths.POD_RANGE} and {paths.SERVICE_RANGE} are "
                f"needed, but {route['dst']} is in use on {route.get('dev', 'this host')}: stop what "
                f"uses it (another checkout's cluster? run 'python -m e2e.cluster down' there)"
            )


def plug_in(pid: int) -> None:
    """Connect the host with the network namespace of process `pid`; replaces an older cable."""
    unplug()
    ip("link", "add", paths.LINK, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    ip("address", "add", f"{paths.HOST_ADDRESS}/24", "dev", paths.LINK)
    ip("link", "set", paths.LINK, "up")
    for destination in (paths.POD_RANGE, paths.SERVICE_RANGE):
        ip("route", "replace", destination, "via", paths.NODE_ADDRESS, "dev", paths.LINK)


def unplug() -> None:
    """Take the cable and its routes away; idempotent."""
    if plugged_in():
        ip("link", "delete", paths.LINK, check=False)
        wait_for("the node's network interface to go", lambda: not plugged_in(), timeout=60)


def plugged_in() -> bool:
    """Return whether the host's end of the cable is there."""
    return Path("/sys/class/net", paths.LINK).exists()


def configure_node() -> None:
    """Configure the node's end; runs inside the node's namespaces, waits for the cable."""
    ip("link", "set", "lo", "up")
    wait_for("the cable to the host", lambda: ip("link", "show", "eth0", check=False), timeout=60)
    ip("address", "replace", f"{paths.NODE_ADDRESS}/24", "dev", "eth0")
    ip("link", "set", "eth0", "up")
    # For the node's own processes only: kube-proxy rewrites the destination before it matters.
    ip("route", "replace", paths.SERVICE_RANGE, "dev", "lo", "src", paths.NODE_ADDRESS)
    for setting, value in (
        ("ip_forward", "1"),
        ("conf/all/send_redirects", "0"),
        ("conf/default/send_redirects", "0"),
        ("conf/all/rp_filter", "0"),
        ("conf/default/rp_filter", "0"),
    ):
        Path("/proc/sys/net/ipv4", setting).write_text(value)


def pod_network() -> str:
    """Return the CNI configuration: a cable from each pod to the node, routed, never bridged.

    Routing makes every packet between pods pass the packet filter once, so Services work whether or
    not the kernel filters bridged traffic.
    """
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "ptp",
                    "ipam": {
                        "type": "host-local",
                        "dataDir": str(paths.RUN / "leases"),
                        "ranges": [[{"subnet": paths.POD_RANGE}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        },
        indent=1,
    )
