"""The programs of the node: their command lines, their configuration files, and when each is up.

Everything here runs inside the node's namespaces; `supervisor` starts it in this order.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from ssl import create_default_context
from typing import Final

from e2e.cluster import network, node_status, paths, pki_files
from e2e.cluster.pki_files import certificate, key, kubeconfig

ETCD_PORT: Final = 2379
ETCD_URL: Final = f"http://127.0.0.1:{ETCD_PORT}"
"""Loopback of the node's own network namespace: nothing on the host can reach it."""
PAUSE_IMAGE: Final = "registry.k8s.io/pause:3.10"
SERVER_CIPHER_MINIMUM: Final = "VersionTLS12"


@dataclass(frozen=True, slots=True)
class Component:
    """One program that the supervisor keeps running."""

    name: str
    command: list[str]
    is_up: Callable[[], bool] | None = None
    """Looked at before the next component starts; None when nothing has to wait for this one."""
    without: Callable[[], None] = lambda: None
    """Called whenever it does not run: before each start, and at once when it has ended."""


def components(binaries: Path) -> tuple[Component, ...]:
    """Write every configuration file and return the programs in the order of their start."""
    write_containerd_configuration()
    write_node_configuration()
    program = {name: str(binaries / name) for name in (
        "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet",
        "kube-proxy", "coredns")}  # fmt: skip
    return (
        Component(
            "containerd",
            ["containerd", "--config", str(paths.ETC / "containerd.toml"), "--log-level", "warn"],
        ),
        Component(
            "etcd",
            [program["etcd"], "--data-dir", str(paths.STATE / "etcd"), "--log-level", "error",
             "--listen-client-urls", ETCD_URL, "--advertise-client-urls", ETCD_URL,
             "--listen-peer-urls", "http://127.0.0.1:2380",
             # A development cluster does not have to survive a power cut, only kill -9.
             "--unsafe-no-fsync"],
            is_up=lambda: _listening(ETCD_PORT),
        ),
        Component("kube-apiserver", [program["kube-apiserver"], *_apiserver()], is_up=api_ready),
        Component(
            "kube-controller-manager",
            [program["kube-controller-manager"],
             f"--kubeconfig={kubeconfig('controller-manager')}",
             f"--service-account-private-key-file={key('service-account')}",
             f"--root-ca-file={certificate('ca')}",
             f"--cluster-signing-cert-file={certificate('ca')}",
             f"--cluster-signing-key-file={key('ca')}",
             "--use-service-account-credentials=true", "--leader-elect=false",
             "--bind-address=127.0.0.1"],
        ),
        Component(
            "kube-scheduler",
            [program["kube-scheduler"], f"--kubeconfig={kubeconfig('scheduler')}",
             "--leader-elect=false", "--bind-address=127.0.0.1"],
        ),
        Component(
            "kubelet",
            [program["kubelet"], f"--config={paths.ETC / 'kubelet.json'}",
             f"--kubeconfig={kubeconfig('kubelet')}", f"--root-dir={paths.STATE / 'kubelet'}",
             f"--cert-dir={paths.PKI}", f"--hostname-override={paths.NODE_NAME}",
             f"--node-ip={paths.NODE_ADDRESS}"],
            without=node_status.forget,
        ),
        Component("kube-proxy", [program["kube-proxy"], f"--config={paths.ETC / 'kube-proxy.json'}"]),
        Component("coredns", [program["coredns"], "-conf", str(paths.ETC / "Corefile")]),
        Component("caretaker", [sys.executable, "-u", "-m", "e2e.cluster.caretaker"]),
    )  # fmt: skip


def _apiserver() -> list[str]:
    return [
        f"--etcd-servers={ETCD_URL}",
        f"--secure-port={paths.API_PORT}",
        "--bind-address=0.0.0.0",
        f"--advertise-address={paths.NODE_ADDRESS}",
        f"--service-cluster-ip-range={paths.SERVICE_RANGE}",
        f"--client-ca-file={certificate('ca')}",
        f"--tls-cert-file={certificate('apiserver')}",
        f"--tls-private-key-file={key('apiserver')}",
        f"--tls-min-version={SERVER_CIPHER_MINIMUM}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={key('service-account')}",
        f"--service-account-signing-key-file={key('service-account')}",
        # To the kubelet, for logs, exec and port-forward.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={certificate('ca')}",
        f"--kubelet-client-certificate={certificate('apiserver-kubelet-client')}",
        f"--kubelet-client-key={key('apiserver-kubelet-client')}",
        # To aggregated API servers, for metrics adapters; straight to the endpoint's address.
        "--enable-aggregator-routing=true",
        f"--requestheader-client-ca-file={certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={certificate('front-proxy-client')}",
        f"--proxy-client-key-file={key('front-proxy-client')}",
    ]


def write_node_configuration() -> None:
    """Write what the kubelet, kube-proxy, CoreDNS and CNI read."""
    _json("kubelet.json", {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": paths.NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificate("kubelet-serving")),
        "tlsPrivateKeyFile": str(key("kubelet-serving")),
        "containerRuntimeEndpoint": f"unix://{paths.CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{paths.CGROUP}",
        # The kubelet refuses version 1 since 1.35 unless told otherwise; many machines have it.
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [paths.NODE_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "podLogsDir": str(paths.LOGS / "pods"),
        "registerNode": True,
        # A pod's Secret or ConfigMap is refreshed in seconds rather than a minute.
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "5s",
        "maxPods": 200,
        # The disk is the developer's own: the cluster neither tidies it nor gives up early.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%",
            "nodefs.inodesFree": "1%", "imagefs.inodesFree": "1%",
        },
        "serializeImagePulls": False,
    })  # fmt: skip
    _json("kube-proxy.json", {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig("kube-proxy"))},
        "mode": "iptables",
        "clusterCIDR": paths.POD_RANGE,
        "hostnameOverride": paths.NODE_NAME,
        # Connection tracking limits belong to the whole machine: leave them alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s",
                      "tcpCloseWaitTimeout": "0s"},
        "iptables": {"minSyncPeriod": "0s"},
    })  # fmt: skip
    paths.write_atomically(
        paths.ETC / "Corefile",
        # A name outside the cluster does not exist, and is told so at once.
        f"""cluster.local:53 in-addr.arpa:53 {{
    bind {paths.NODE_ADDRESS}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig("coredns")}
        ttl 5
    }}
    cache 5
    loadbalance
}}
.:53 {{
    bind {paths.NODE_ADDRESS}
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
""",
    )
    paths.write_atomically(paths.ETC / "cni" / "10-pods.conflist", network.pod_network())


def write_containerd_configuration() -> None:
    """Write containerd's configuration and the runtime it calls in place of runc."""
    runtime = paths.ETC / "runc"
    paths.write_atomically(
        runtime,
        # Only `create` needs more than runc: everything else goes straight to it.
        f"""#!/bin/sh
for argument; do
    [ "$argument" = create ] && exec {sys.executable} -I -S {paths.HERE / "runtime.py"} "$@"
done
exec runc "$@"
""",
        0o755,
    )
    paths.write_atomically(
        paths.ETC / "containerd.toml",
        f"""version = 2
root = "{paths.STATE / "containerd"}"
state = "{paths.RUN / "containerd"}"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.internal.v1.opt"]
[grpc]
  address = "{paths.CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  # Where the machine forbids lowering the score, runc ends with "can't get final child's PID".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_folder()}"
    conf_dir = "{paths.ETC / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{runtime}"
""",
    )


def cni_folder() -> Path:
    """Return the folder of the CNI plugins: Debian's, else the upstream default."""
    debian = Path("/usr/lib/cni")
    return debian if (debian / "ptp").exists() else Path("/opt/cni/bin")


def api_ready() -> bool:
    """Return whether the API server says it is ready; works on the host and on the node."""
    if not pki_files.certificate("ca").exists():
        return False
    context = create_default_context(cafile=str(certificate("ca")))
    context.load_cert_chain(certificate("admin"), key("admin"))
    try:
        with urllib.request.urlopen(
            f"{paths.API_URL}/readyz", timeout=10, context=context
        ) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def containerd_ready() -> bool:
    """Return whether containerd answers; inside the node's namespaces only."""
    command = ["ctr", "--address", str(paths.CONTAINERD_SOCKET), "version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _listening(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _json(name: str, content: object) -> None:
    paths.write_atomically(paths.ETC / name, json.dumps(content, indent=1))
