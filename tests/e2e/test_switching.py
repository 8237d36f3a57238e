"""The commands of docs/admission.md in their order, on a real API server.

A closed tier is refused at every moment of a switch between webhook and policy, and an open one is
admitted after every command. There is no node, so `Node` starts and stops the services as their
Deployments come and go. Kyverno itself is in tests/kyverno.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from tests.e2e.installation import (
    CHANGE_SECONDS,
    CHART,
    CONFIG_MAP,
    DENYING,
    NAMESPACE,
    RELEASE,
    START_SECONDS,
    USUAL,
    Installation,
    config_map,
)
from tests.e2e.objects import TEAM, loopback_service, pipeline_run
from tests.e2e.pages import section, shell_commands, values_in
from tests.rig.kubernetes_api import Object, Reply
from tests.rig.server import start_all
from tests.rig.waiting import wait_until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "admission.md"
NAME = f"{NAMESPACE}-{RELEASE}"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
WEBHOOK = f"{REGISTRATION}/validatingwebhookconfigurations/{NAME}"
POLICY = f"{REGISTRATION}/validatingadmissionpolicies/{NAME}"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
SERVICE = f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}-admitter"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/decisions.etcd-shield.dev"
REFUSED = "PipelineRun admission currently not allowed: etcd is at"
BY_WEBHOOK, BY_POLICY = "admission webhook", "ValidatingAdmissionPolicy"


async def ask(shield: Installation) -> Reply:
    return await shield.api.create(pipeline_run(), namespace=TEAM, dry_run=True)


async def exists(shield: Installation, path: str) -> bool:
    return HTTPStatus.OK == (await shield.api.get(path)).status


@dataclass
class Node:
    """What the Deployment controller and the kubelet do."""

    shield: Installation

    async def follow(self) -> None:
        """Run the services that have a Deployment, and stop the others."""
        shield = self.shield
        if await exists(shield, f"{DEPLOYMENTS}/{RELEASE}-admitter"):
            if "ExternalName" != (await shield.api.get(SERVICE)).body["spec"]["type"]:
                await shield.api.delete(SERVICE)
                await shield.commands.apply(loopback_service(f"{RELEASE}-admitter", NAMESPACE))
            await shield.write_certificate()
            away = [admitter for admitter in shield.admitters if not admitter.alive]
            await start_all(*away, within=START_SECONDS)
            await self._report("admitter", len(shield.admitters))
        else:
            running = [admitter for admitter in shield.admitters if admitter.alive]
            await asyncio.gather(*(admitter.stop(within=START_SECONDS) for admitter in running))
        if await exists(shield, f"{DEPLOYMENTS}/{RELEASE}-controller"):
            if not shield.controller.alive:
                await shield.controller.start(within=START_SECONDS)
            await self._report("controller", 1)
        elif shield.controller.alive:
            await shield.controller.stop(within=START_SECONDS)

    async def _report(self, service: str, pods: int) -> None:
        """Say that all pods of a Deployment are ready."""
        path = f"{DEPLOYMENTS}/{RELEASE}-{service}"
        generation = (await self.shield.api.get(path)).body["metadata"]["generation"]
        counts = dict.fromkeys(
            ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), pods
        )
        status = {"status": {"observedGeneration": generation, **counts}}
        assert HTTPStatus.OK == (await self.shield.api.patch(f"{path}/status", status)).status


@dataclass
class Switching:
    """A release that is switched by the commands of the page."""

    shield: Installation
    node: Node
    directory: Path

    def commands(self, heading: str) -> list[list[str]]:
        """Return the commands of a section, with this release's names and files."""
        text = section(PAGE, heading)
        for name, values in values_in(text).items():
            (self.directory / name).write_text(yaml.safe_dump(values))
        return [self._here(words) for words in shell_commands(text)]

    def _here(self, words: list[str]) -> list[str]:
        """Put this release's namespace and files into a command of the page."""
        here = []
        for before, word in zip(["", *words], words, strict=False):
            if before in {"-n", "--namespace"}:
                here.append(NAMESPACE)
            elif before == "--values":
                here.append(str(self.directory / word))
            elif before == "--filename":
                here.append(str(ROOT / word))
            else:
                here.append(str(CHART) if word == "deploy/helm/etcd-shield" else word)
        return here

    async def run(self, command: list[str]) -> str:
        """Run a command, and let the node follow."""
        done = await self.shield.commands.run(*command)
        assert 0 == done.status, f"{command}: {done.said}"
        await self.node.follow()
        return done.out

    async def decide(self, *, deny: bool) -> None:
        """Close or open the tier, and wait until everything that judges agrees."""
        shield = self.shield
        for signal in shield.evaluator.config["tiers"]["standard"]:
            shield.evaluator.config["tiers"]["standard"][signal] = dict(DENYING if deny else USUAL)
        shield.evaluator.write()
        if await exists(shield, WEBHOOK):
            await shield.wait_decided(deny=deny)
        # The policy comes first, so where there is one its words are those of a refusal.
        words = BY_POLICY if await exists(shield, POLICY) else BY_WEBHOOK

        async def agreed() -> bool:
            reply = await ask(shield)
            if not deny:
                return HTTPStatus.CREATED == reply.status
            return REFUSED in reply.message and words in reply.message

        what = "a refusal by the " + words if deny else "an admission"
        await wait_until(agreed, within=2 * CHANGE_SECONDS, what=what, every=0.2)

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[list[Reply]]:
        """Ask all the time, and yield the list of the answers."""
        replies: list[Reply] = []
        over = asyncio.Event()

        async def stream() -> None:
            while not over.is_set():
                replies.append(await ask(self.shield))

        task = asyncio.create_task(stream())
        try:
            yield replies
        finally:
            over.set()
            await task


@pytest_asyncio.fixture(loop_scope="session")
async def switching(shield: Installation, tmp_path: Path) -> AsyncIterator[Switching]:
    """The first release without anything that the controller does, and as it was afterwards."""
    node = Node(shield)
    made = Switching(shield, node, tmp_path)
    own = {key: value for key, value in shield.values.items() if key != "publish"}
    mine = tmp_path / "my-values.yaml"
    mine.write_text(yaml.safe_dump(own))
    upgrade = ("helm", "upgrade", RELEASE, str(CHART), f"--namespace={NAMESPACE}")
    try:
        await made.run([*upgrade, f"--values={mine}"])
        assert not shield.controller.alive
        # As in a cluster that never had a policy.
        await shield.api.delete(DEFINITION)
        await shield.api.wait_gone(DEFINITION, within=CHANGE_SECONDS)
        yield made
    finally:
        mine.write_text(yaml.safe_dump(shield.values))
        await made.run([*upgrade, f"--values={mine}"])
        await made.decide(deny=True)
        await made.decide(deny=False)


async def judges(shield: Installation) -> set[str]:
    return {name for name, path in (("webhook", WEBHOOK), ("policy", POLICY))
            if await exists(shield, path)}  # fmt: skip


async def through(switching: Switching, heading: str) -> list[set[str]]:
    """Run a section's commands; return what judges after each `helm`.

    While the tier is closed no creation passes during a command, nor before the next one; after
    each command the tier can be opened and closed.
    """
    passed = []
    for command in switching.commands(heading):
        async with switching.asking() as replies:
            await switching.run(command)
            # The page's minute, or less: until what was added refuses.
            await switching.decide(deny=True)
        assert replies
        assert [] == [(reply.status, reply.message) for reply in replies
                      if REFUSED not in reply.message]  # fmt: skip
        if command[0] == "helm":
            await switching.decide(deny=False)
            await switching.decide(deny=True)
            passed.append(await judges(switching.shield))
    return passed


@pytest.mark.shows("K2")
async def test_no_switch_between_webhook_and_policy_leaves_a_gap(switching: Switching) -> None:
    await switching.decide(deny=True)
    assert [{"webhook", "policy"}, {"policy"}] == await through(
        switching, "Switch from the webhook to the policy"
    )
    assert [] == [admitter.name for admitter in switching.shield.admitters if admitter.alive]
    assert HTTPStatus.FORBIDDEN == (await ask(switching.shield)).status

    assert [{"webhook", "policy"}, {"webhook"}] == await through(
        switching, "Switch back to the webhook"
    )
    assert HTTPStatus.TOO_MANY_REQUESTS == (await ask(switching.shield)).status
    assert not switching.shield.controller.alive


def kyverno_s_definition() -> Object:
    """Return a CRD with the names of Kyverno's policies, and any content."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "validatingpolicies.policies.kyverno.io"},
        "spec": {
            "group": "policies.kyverno.io",
            "names": {"kind": "ValidatingPolicy", "plural": "validatingpolicies"},
            "scope": "Cluster",
            "versions": [{"name": "v1", "served": True, "storage": True,
                          "schema": {"openAPIV3Schema": schema}}],
        },
    }  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def kyverno(shield: Installation) -> AsyncIterator[None]:
    """Kyverno's policies can be stored; nothing judges by them."""
    definition = kyverno_s_definition()
    await shield.commands.apply(definition)
    path = "/apis/policies.kyverno.io/v1/validatingpolicies"

    async def served() -> bool:
        return await exists(shield, path)

    await wait_until(served, within=CHANGE_SECONDS, what="Kyverno's kind", every=0.3)
    yield
    await shield.commands.kubectl("delete", "crd", definition["metadata"]["name"])


@pytest.mark.usefixtures("kyverno")
async def test_the_webhook_refuses_until_kyverno_s_policy_is_there(switching: Switching) -> None:
    shield = switching.shield
    await switching.decide(deny=True)
    commands = switching.commands("Kyverno")
    to_kyverno, removal, to_webhook = commands[:3], commands[3], commands[4:]
    async with switching.asking() as replies:
        for command in to_kyverno:
            await switching.run(command)
    assert [] == [reply.message for reply in replies if REFUSED not in reply.message]
    assert await exists(shield, "/apis/policies.kyverno.io/v1/validatingpolicies/etcd-shield")
    data = await config_map(shield.api, CONFIG_MAP)
    assert ("0", "deny") == (data["allow"], data["standard"])

    # Nothing of the release refuses any more; the decision is where Kyverno reads it.
    await switching.run(removal)
    assert set() == await judges(shield)
    assert HTTPStatus.CREATED == (await ask(shield)).status
    assert "deny" == (await config_map(shield.api, CONFIG_MAP))["standard"]

    for number, command in enumerate(to_webhook):
        await switching.run(command)
        if number == 0:
            await switching.decide(deny=True)
        assert REFUSED in (await ask(shield)).message
    assert {"webhook"} == await judges(shield)
    assert not shield.controller.alive
