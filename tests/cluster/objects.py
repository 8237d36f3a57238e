"""The Kubernetes objects that the node itself needs, and those of the scenarios."""

from typing import Any

from tests.cluster.images import COREDNS
from tests.cluster.node_servers import DNS_ADDRESS
from tests.rig.kubernetes_api import Object

SYSTEM = "kube-system"
TEAM, RELENG = "team-a", "team-a-releng"
BALLAST_LABEL = "ballast"
_DNS = "kube-dns"
_COREFILE = """
.:53 {
    errors
    ready
    kubernetes cluster.local in-addr.arpa {
        ttl 5
    }
}
"""


def namespace(name: str, *, restricted: bool = False) -> Object:
    """Return a namespace, with the strictest of the pod security standards if asked."""
    level = {"pod-security.kubernetes.io/enforce": "restricted"} if restricted else {}
    return _thing("v1", "Namespace", name, None, labels=level)


def pipeline_run(place: str = TEAM, *, padding: int = 0) -> Object:
    """Return a PipelineRun whose name the API server chooses, larger by `padding` bytes."""
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"generateName": "run-", "namespace": place},
        "spec": {
            "pipelineRef": {"name": "build"},
            "params": [{"name": "padding", "value": "x" * padding}],
        },
    }


def ballast(size: int) -> Object:
    """Return a ConfigMap that fills etcd."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "generateName": "ballast-",
            "namespace": TEAM,
            "labels": {BALLAST_LABEL: "yes"},
        },
        "data": {"ballast": "x" * size},
    }


def cluster_dns() -> list[Object]:
    """Return CoreDNS, which may read Services and EndpointSlices, at the address that pods ask."""
    labels = {"k8s-app": _DNS}
    container = {
        "name": _DNS,
        "image": COREDNS,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": 53, "protocol": protocol} for protocol in ("UDP", "TCP")],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
    }
    pod = {
        "serviceAccountName": _DNS,
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": _DNS}}],
    }
    ports = [{"name": p.lower(), "port": 53, "protocol": p} for p in ("UDP", "TCP")]
    resources = {"": ["services", "namespaces"], "discovery.k8s.io": ["endpointslices"]}
    rules = [
        {"apiGroups": [group], "resources": names, "verbs": ["list", "watch"]}
        for group, names in resources.items()
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _DNS}
    account = {"kind": "ServiceAccount", "name": _DNS, "namespace": SYSTEM}
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        _thing("v1", "ServiceAccount", _DNS, SYSTEM),
        _thing(rbac, "ClusterRole", _DNS, None, rules=rules),
        _thing(rbac, "ClusterRoleBinding", _DNS, None, roleRef=role, subjects=[account]),
        _thing("v1", "ConfigMap", _DNS, SYSTEM, data={"Corefile": _COREFILE}),
        _thing(
            "apps/v1",
            "Deployment",
            _DNS,
            SYSTEM,
            spec={
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        ),
        _thing(
            "v1",
            "Service",
            _DNS,
            SYSTEM,
            spec={"clusterIP": DNS_ADDRESS, "selector": labels, "ports": ports},
        ),
    ]


def proxier_binding() -> Object:
    """Return what lets kube-proxy see Services; kubeadm makes the same."""
    return _thing(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "kube-proxy",
        None,
        roleRef={
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:node-proxier",
        },
        subjects=[
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:kube-proxy"}
        ],
    )


def _thing(
    version: str,
    kind: str,
    name: str,
    place: str | None,
    *,
    labels: dict[str, str] | None = None,
    **rest: Any,
) -> Object:
    metadata = {"name": name, "labels": labels or {}}
    if place is not None:
        metadata["namespace"] = place
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
