"""A real Kubernetes on a bare Linux machine, from package registries alone.

One node, one process tree: etcd, the control plane, a kubelet over Debian's containerd, kube-proxy
and cluster DNS live in their own process, mount and network namespaces. Ending process 1 of those
namespaces ends all of it: the kernel drops every process, mount, interface, route and packet rule.

    host                          | the node's namespaces
    ------------------------------+-----------------------------------------------
    python -m e2e.cluster up -----+-> supervisor (process 1)
    tokenfleet0  198.18.0.1 <-----+-> eth0 198.18.0.2   API server :6443, DNS :53
    routes to pods and Services   |   pods 198.18.1.0/24, Services 198.18.2.0/24

Nothing else may depend on this package's insides: demo and tests ask `ensure_cluster` for a
kubeconfig, and any other cluster's kubeconfig in `KUBECONFIG` takes its place.
"""
