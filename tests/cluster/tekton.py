"""Tekton's webhook and controller in pods, and PipelineRuns that they run to the end."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.images import REGISTRY, Builder
from tests.cluster.node import DEPLOYMENTS, Node, wait_rolled_out
from tests.cluster.objects import TEAM
from tests.rig.errors import RigError
from tests.rig.kubernetes_api import Object
from tests.rig.waiting import wait_until

RUNS = "/apis/tekton.dev/v1/namespaces/{}/pipelineruns"
_NAMESPACE = "tekton-pipelines"
_DEPLOYMENTS = DEPLOYMENTS.format(_NAMESPACE)
_DEFAULTS = f"/api/v1/namespaces/{_NAMESPACE}/configmaps/config-defaults"
_DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/pipelineruns.tekton.dev"
_PROGRAMS = ("controller", "webhook", "entrypoint", "true")
# What a controller and a webhook need of config/: neither events, nor resolvers, nor scaling.
_FILES = (
    "100-namespace/*.yaml", "200-*.yaml", "201-*.yaml", "300-crds/*.yaml", "500-webhooks.yaml",
    "config-*.yaml", "controller.yaml", "webhook.yaml",
)  # fmt: skip
_BUILT = "ko://github.com/tektoncd/pipeline/cmd/"
# The node's volumes are in memory, so that what this container copies there counts as its own.
_REQUIREMENTS = {"prepare": {"requests": {"memory": "64Mi"}, "limits": {"memory": "256Mi"}}}
_START_SECONDS = 180.0
# Several pods, one after the other, on a busy machine.
_RUN_SECONDS = 300.0


def image(program: str) -> str:
    """Return the name of the image of one of Tekton's programs."""
    return f"{REGISTRY}/tekton-{program}:local"


def real_run(place: str = TEAM) -> Object:
    """Return a PipelineRun of one task, whose only step succeeds at once."""
    step = {
        "name": "true",
        "image": image("true"),
        "imagePullPolicy": "Never",
        "command": ["/ko-app/true"],
    }
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"generateName": "real-", "namespace": place},
        "spec": {"pipelineSpec": {"tasks": [{"name": "only", "taskSpec": {"steps": [step]}}]}},
    }


async def install(node: Node, builder: Builder, directory: Path) -> None:
    """Install Tekton, in place of the resource that the other scenarios define themselves.

    Args:
        node: Where to.
        builder: Builds the images.
        directory: Of `tools/install-kubernetes tekton`.

    Raises:
        RigError: The API server refused a part, or it does not start.
    """
    for built in await builder.controllers({image(name): directory / name for name in _PROGRAMS}):
        await node.containerd.load(built)
    await node.api.delete(_DEFINITION)
    await node.api.wait_gone(_DEFINITION, within=_START_SECONDS)
    done = await node.commands.kubectl(
        "apply", "--server-side", "-f", "-",
        given={"apiVersion": "v1", "kind": "List", "items": _objects(directory / "config")},
    )  # fmt: skip
    if done.status:
        raise RigError(f"Tekton could not be installed: {done.err}")
    for name in ("webhook", "controller"):
        path = f"{_DEPLOYMENTS}/tekton-pipelines-{name}"
        await wait_rolled_out(node.api, path, within=_START_SECONDS)

    async def answers() -> bool:
        return HTTPStatus.CREATED == (await node.api.create(real_run(), dry_run=True)).status

    await wait_until(answers, within=_START_SECONDS, what="Tekton's webhook", every=0.5)


async def set_pod_template(node: Node, template: Object | None) -> None:
    """Change the template that Tekton's webhook writes into every run that it sees."""
    text = None if template is None else json.dumps(template)
    reply = await node.api.patch(_DEFAULTS, {"data": {"default-pod-template": text}})
    if HTTPStatus.OK != reply.status:
        raise RigError(f"Tekton's defaults could not be changed: {reply.message}")


async def wait_succeeded(node: Node, *names: str, place: str = TEAM) -> None:
    """Wait until Tekton has run some PipelineRuns to the end.

    Raises:
        RigError: One of them failed, or is not there any more.
    """

    async def succeeded() -> bool:
        found = {
            run["metadata"]["name"]: outcome(run)
            for run in await node.api.items(RUNS.format(place))
        }
        wanted = {name: found.get(name, "gone") for name in names}
        if {"False", "gone"} & set(wanted.values()):
            raise RigError(f"not all of them succeeded: {wanted}")
        return {"True"} == set(wanted.values())

    await wait_until(succeeded, within=_RUN_SECONDS, what="runs to succeed", every=0.5)


def outcome(run: Object) -> str:
    """Return `True` for a run that succeeded, `False` for one that failed, else `Unknown`."""
    conditions = run.get("status", {}).get("conditions", [])
    found = [c["status"] for c in conditions if "Succeeded" == c["type"]]
    return str(found[0]) if found else "Unknown"


def _objects(config: Path) -> list[Object]:
    files = [file for pattern in _FILES for file in sorted(config.glob(pattern))]
    things = [thing for file in files for thing in yaml.safe_load_all(file.read_text()) if thing]
    for thing in things:
        if "Deployment" == thing["kind"]:
            _use_built_images(thing["spec"]["template"]["spec"]["containers"][0])
        if "config-defaults" == thing["metadata"]["name"]:
            thing["data"]["default-container-resource-requirements"] = json.dumps(_REQUIREMENTS)
    return things


def _use_built_images(container: dict[str, Any]) -> None:
    """Replace what Tekton's release tool would replace in a container."""
    program = container["image"].removeprefix(_BUILT)
    container |= {
        "image": image(program),
        "imagePullPolicy": "Never",
        "command": [f"/ko-app/{program}"],
        "args": [
            image(argument.removeprefix(_BUILT)) if argument.startswith(_BUILT) else argument
            for argument in container.get("args", [])
        ],
    }
