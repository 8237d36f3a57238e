"""The rights that a configuration needs in the cluster, and whether the API server grants them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from shield_controller.kubernetes.client import KubernetesError, decode_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shield_controller.kubernetes.client import KubernetesClient
    from shield_controller.settings import ControllerSettings, PublishSettings

_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Right(Struct, frozen=True, kw_only=True):
    """One verb on one resource.

    Attributes:
        namespace: empty for the whole cluster.
        name: empty for every object.
        version: the version of the API, by which `try_rights` sees whether the resource exists.
    """

    verb: str
    group: str
    version: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Write it as `kubectl auth can-i` takes it."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        name = f"/{self.name}" if self.name else ""
        place = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {resource}{name}{place}"


class _Status(Struct, frozen=True):
    allowed: bool = False
    reason: str = ""


class _Review(Struct, frozen=True):
    status: _Status = field(default_factory=_Status)


class _Resource(Struct, frozen=True):
    name: str


class _Resources(Struct, frozen=True):
    resources: tuple[_Resource, ...] = ()


def needed_rights(settings: ControllerSettings, *, namespace: str | None) -> Iterator[Right]:
    """Yield what a configuration needs.

    Args:
        settings: the file.
        namespace: the pod's, for objects whose namespace is not set; None if it is not known, and
            then their rights are left out.
    """
    if settings.hold.enabled:
        runs = Right(verb="", group="tekton.dev", version="v1", resource="pipelineruns")
        yield from _verbs(runs, "get", "list", "watch", "patch")
        yield Right(verb="create", group="events.k8s.io", version="v1", resource="events")
    yield from _publication(settings.publish, namespace)
    for name in settings.kueue.cluster_queues:
        queue = Right(
            verb="", group="kueue.x-k8s.io", version="", resource="clusterqueues", name=name
        )
        yield from _verbs(queue, "get", "patch")
    election = settings.leader_election
    place = election.namespace or namespace
    if election.enabled and place is not None:
        lease = Right(
            verb="",
            group="coordination.k8s.io",
            version="v1",
            resource="leases",
            namespace=place,
            name=election.name,
        )
        yield from _verbs(lease, "create", "get", "patch")


def _publication(publish: PublishSettings, namespace: str | None) -> Iterator[Right]:
    place = publish.namespace or namespace
    if place is None:
        return
    mirrors = []
    if publish.kubernetes:
        mirrors.append(("etcd-shield.dev", "v1alpha1", "decisions", publish.decision))
    if publish.config_map is not None:
        mirrors.append(("", "v1", "configmaps", publish.config_map))
    for group, version, resource, name in mirrors:
        for verb in ("create", "patch"):  # server-side apply names the object that it creates, too
            yield Right(
                verb=verb,
                group=group,
                version=version,
                resource=resource,
                namespace=place,
                name=name,
            )


def _verbs(right: Right, *verbs: str) -> Iterator[Right]:
    """Yield a right with each verb; a POST that creates an object is authorised without a name."""
    for verb in verbs:
        name = "" if verb == "create" else right.name
        yield msgspec.structs.replace(right, verb=verb, name=name)


async def try_rights(client: KubernetesClient, rights: Iterator[Right]) -> dict[str, str | None]:
    """Ask the API server about each right, and whether its resource exists.

    Returns:
        Right -> why it is lacking; None if it is granted.
    """
    results: dict[str, str | None] = {}
    served: dict[tuple[str, str], Sequence[str]] = {}
    for right in rights:
        try:
            group = (right.group, right.version)
            if group not in served and right.version:
                served[group] = await _served(client, right)
            if right.version and right.resource not in served[group]:
                results[str(right)] = "the API server has no such resource"
            else:
                results[str(right)] = await _problem(client, right)
        except KubernetesError as error:
            results[str(right)] = str(error)
    return results


async def _served(client: KubernetesClient, right: Right) -> Sequence[str]:
    root = f"/apis/{right.group}/{right.version}" if right.group else f"/api/{right.version}"
    try:
        answer = decode_answer(await client.request("GET", root), _Resources)
    except KubernetesError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return ()
        raise
    return tuple(resource.name for resource in answer.resources)


async def _problem(client: KubernetesClient, right: Right) -> str | None:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "namespace": right.namespace,
        "name": right.name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    status = decode_answer(await client.request("POST", _PATH, body=body), _Review).status
    return None if status.allowed else status.reason or "not allowed"
