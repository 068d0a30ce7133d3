"""NetworkPolicies enforced on the node, for as long as somebody wants them to be.

The judge is the controller of kubernetes-sigs/kube-network-policies. It would put packets into its
queue by a statement of nftables that some kernels are built without (NFT_QUEUE); the target of
iptables, which kube-proxy's kind of node has in any case, does the same.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from e2e.cluster import namespaces, paths, pki_files
from e2e.cluster.beside import ensure_program
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import wait_for

SOURCE: Final = "network_policies.go"
SUMS: Final = "network_policies.sum"
MODULES: Final = (
    # 0.8 wants to be a plug-in of containerd as well, which Debian's is too old for.
    "sigs.k8s.io/kube-network-policies v0.7.0",
    "sigs.k8s.io/network-policy-api v0.1.5",
    "github.com/florianl/go-nfqueue v1.3.2",
)
QUEUE: Final = 100
QUEUES: Final = "/proc/net/netfilter/nfnetlink_queue"
"""The kernel's list of queues that somebody listens to, each a line that begins with its number."""
CHAIN: Final = "TOKENFLEET-POLICIES"
_ASK: Final = ("-j", "NFQUEUE", "--queue-num", str(QUEUE), "--queue-bypass")
"""Nobody listens: let it pass. A killed run then leaves rules that do nothing."""
RULES: Final = (
    # The judge sees the first packet of a connection only.
    ("-A", CHAIN, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN"),
    ("-A", CHAIN, "-s", paths.POD_RANGE, *_ASK),
    ("-A", CHAIN, "-d", paths.POD_RANGE, *_ASK),
)
HOOKS: Final = "FORWARD", "INPUT"
"""From pod to pod, and from pods to the node: API server and DNS. Both are behind the translation of
Service addresses. What the node itself sends is not held back: probes come from it."""


@contextmanager
def enforced() -> Iterator[None]:
    """Enforce NetworkPolicies for connections that begin from here on."""
    modules = list(MODULES)
    sums = (paths.HERE / SUMS).read_text(encoding="utf-8")
    program = ensure_program("network-policies", SOURCE, modules, sums)
    command = [str(program), f"-kubeconfig={pki_files.kubeconfig('admin')}",
               f"-node={paths.NODE_NAME}", f"-queue={QUEUE}"]  # fmt: skip
    log = paths.LOGS / "network-policies.log"
    _let_go()
    with log.open("ab") as output, subprocess.Popen(
        namespaces.enter(*command), stdin=subprocess.PIPE, stdout=output, stderr=output
    ) as process:  # fmt: skip
        try:
            wait_for("the judge of NetworkPolicies", lambda: _listens(process, log), timeout=60)
            _take_hold()
            yield
        finally:
            _let_go()
            assert process.stdin
            process.stdin.close()


def _listens(process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise ClusterError(f"the judge of NetworkPolicies ended: see {log}")
    lines = _run("cat", QUEUES).splitlines()
    return any(line.split()[0] == str(QUEUE) for line in lines)


def _take_hold() -> None:
    _iptables("-N", CHAIN)
    for rule in RULES:
        _iptables(*rule)
    for hook in HOOKS:
        _iptables("-A", hook, "-j", CHAIN)


def _let_go() -> None:
    for hook in HOOKS:
        _iptables("-D", hook, "-j", CHAIN, check=False)
    _iptables("-F", CHAIN, check=False)
    _iptables("-X", CHAIN, check=False)


def _iptables(*arguments: str, check: bool = True) -> None:
    _run("iptables", "--wait", "--table", "mangle", *arguments, check=check)


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(namespaces.enter(*command), capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
