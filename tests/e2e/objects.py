"""The Kubernetes objects that the scenarios need."""

from typing import Any

from tests.rig.kubernetes_api import Object

TEAM, RELENG = "team-a", "team-a-releng"
PIPELINES_AS_CODE = "system:serviceaccount:pipelines:pipelines-as-code-controller"
RELEASE_SERVICE = "system:serviceaccount:releases:release-service"
BREAK_GLASS = "break-glass"


def namespace(name: str) -> Object:
    """Return a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def pipeline_run(version: str = "v1", padding: int = 0) -> Object:
    """Return a PipelineRun whose name the API server chooses, larger by `padding` bytes."""
    spec: dict[str, Any] = {"pipelineRef": {"name": "build"}}
    if padding:
        spec["params"] = [{"name": "padding", "value": "x" * padding}]
    return {
        "apiVersion": f"tekton.dev/{version}",
        "kind": "PipelineRun",
        "metadata": {"generateName": "run-"},
        "spec": spec,
    }


def pipeline_run_definition() -> Object:
    """Return a CRD with Tekton's names and versions, and any content."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [
        {
            "name": version,
            "served": True,
            "storage": "v1" == version,
            "schema": {"openAPIV3Schema": schema},
        }
        for version in ("v1", "v1beta1")
    ]
    names = {"kind": "PipelineRun", "plural": "pipelineruns", "singular": "pipelinerun"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "pipelineruns.tekton.dev"},
        "spec": {
            "group": "tekton.dev",
            "names": names,
            "scope": "Namespaced",
            "versions": versions,
        },
    }


def loopback_service(name: str, namespace: str) -> Object:
    """Return the Service by which the API server reaches a port of this machine."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }


def ballast(size: int) -> Object:
    """Return a ConfigMap that fills etcd."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"generateName": "ballast-", "labels": {"ballast": "yes"}},
        "data": {"ballast": "x" * size},
    }
