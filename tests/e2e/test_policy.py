"""Row K2: a ValidatingAdmissionPolicy judges by the Decision object, on a real API server.

A second release with `admission: policy` judges two namespaces of its own; the first release's
webhook is asked about them too, and admits. Most scenarios write the Decision object themselves, so
that they choose its age; the last ones leave that to the real controller.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.installation import (
    CHANGE_SECONDS,
    CHART,
    CONFIG_MAP,
    DENYING,
    RELEASE,
    START_SECONDS,
    USUAL,
    Installation,
)
from tests.e2e.installation import NAMESPACE as FIRST_NAMESPACE
from tests.e2e.objects import namespace, pipeline_run
from tests.rig.kubernetes_api import KubernetesApi, Object, Reply
from tests.rig.services import Controller
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACE = "policy-shield"  # of the second release
TEAM, RELENG = "policed", "policed-releng"
DECISIONS = "/apis/etcd-shield.dev/v1alpha1"
DECISION = f"{DECISIONS}/namespaces/{PLACE}/decisions/decision"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/decisions.etcd-shield.dev"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICY = f"{ADMISSION}/validatingadmissionpolicies/{PLACE}-{RELEASE}"
BINDING = f"{ADMISSION}/validatingadmissionpolicybindings/{PLACE}-{RELEASE}"
DENIED, CREATED = HTTPStatus.FORBIDDEN, HTTPStatus.CREATED
MINTMAKER = "system:serviceaccount:mintmaker:bot"
VALUES: dict[str, Any] = {
    "cluster": "e2e",
    "image": {"registry": "registry.example.com"},
    "admission": "policy",
    # The definition belongs to the first release.
    "publish": {"crd": False},
    "admitter": {
        "config": {
            "tier_modes": {"background": "warn"},
            "tiers": [
                {"tier": "critical", "namespaces": ["*-releng"]},
                {"tier": "critical", "groups": ["release-*"], "users": ["alice", "bob"]},
                {"tier": "critical", "labels": {"shield/tier": "critical"}},
                {"tier": "background", "users": ["system:serviceaccount:mintmaker:*"]},
            ],
            "exemptions": [
                {"users": ["rescuer"], "reason": "drill", "expires": "2099-01-01T00:00:00Z"},
                {"users": ["late"], "reason": "over", "expires": "2020-01-01T00:00:00Z"},
            ],
            "denial": {"code": 403, "url": "https://wiki.example.com/shield"},
            "retry_after": [],
        }
    },
    "webhook": {
        "namespaceSelector": {
            "matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [TEAM, RELENG]}
            ]
        }
    },
}
CLOSED = {"critical": True, "standard": False, "background": False}
OPEN = dict.fromkeys(CLOSED, True)


@dataclass(frozen=True)
class Judge:
    """The second release."""

    shield: Installation

    @property
    def api(self) -> KubernetesApi:
        """The API server that judges."""
        return self.shield.api

    async def decide(
        self, tiers: dict[str, bool], *, age: float = 0.0, ttl: int = 300, reason: str = "full"
    ) -> None:
        """Write the Decision object, as the controller does."""
        allow = tiers["standard"]
        moment = datetime.now(UTC) - timedelta(seconds=age)
        spec = {
            "evaluatedAt": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "ttlSeconds": ttl,
            "allow": allow,
            "reason": "" if allow else reason,
            "usage": "93.4%",
            "tiers": {
                name: {"allow": bit, "reason": "" if bit else f"{name} is {reason}"}
                for name, bit in tiers.items()
            },
        }
        await self.api.apply(
            {
                "apiVersion": "etcd-shield.dev/v1alpha1",
                "kind": "Decision",
                "metadata": {"name": "decision", "namespace": PLACE},
                "spec": spec,
            }
        )

    async def create(
        self, run: Object | None = None, *, place: str = TEAM, **options: Any
    ) -> Reply:
        """Create a PipelineRun as a dry run, which is judged like any other."""
        thing = pipeline_run() if run is None else run
        return await self.api.create(thing, namespace=place, dry_run=True, **options)

    async def wait_for(self, status: HTTPStatus, *, saying: str = "") -> Reply:
        """Wait until a run of the standard tier gets a status and message."""
        replies: list[Reply] = []

        async def answered() -> bool:
            replies.append(await self.create())
            return status == replies[-1].status and saying in replies[-1].message

        what = f"{status} {saying}"
        await wait_until(answered, within=CHANGE_SECONDS, what=what, every=0.2)
        return replies[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def release(installation: Installation) -> AsyncIterator[Judge]:
    await installation.commands.apply(*(namespace(name) for name in (PLACE, TEAM, RELENG)))
    await installation.commands.helm(
        "install", RELEASE, str(CHART), f"--namespace={PLACE}", given=VALUES
    )
    yield Judge(installation)
    done = await installation.commands.helm_uninstall(RELEASE, f"--namespace={PLACE}")
    assert 0 == done.status, done.err
    assert HTTPStatus.NOT_FOUND == (await installation.api.get(POLICY)).status


@pytest_asyncio.fixture(loop_scope="session")
async def judge(release: Judge, shield: Installation) -> Judge:
    """The second release, denying all tiers but the critical one."""
    assert release.shield is shield
    await release.decide(CLOSED)
    await release.wait_for(DENIED, saying="standard is full")
    return release


async def test_k2_a_run_is_denied_with_the_whole_reason(judge: Judge) -> None:
    reply = await judge.create()
    assert (DENIED, "Forbidden") == (reply.status, reply.body["reason"])
    _, _, said = reply.message.partition("denied request: ")
    assert (
        "PipelineRun admission currently not allowed: standard is full. Tier: standard."
        " See https://wiki.example.com/shield"
    ) == said


async def test_k2_kubectl_shows_the_denial_and_fails(judge: Judge) -> None:
    done = await judge.shield.commands.kubectl(
        "create", "-n", TEAM, "-f", "-", given=pipeline_run()
    )
    assert 1 == done.status
    assert "PipelineRun admission currently not allowed: standard is full" in done.err


async def test_k2_a_run_is_created_once_the_decision_admits(judge: Judge) -> None:
    await judge.decide(OPEN)
    await judge.wait_for(CREATED)
    reply = await judge.api.create(pipeline_run(), namespace=TEAM)
    assert (CREATED, ()) == (reply.status, reply.warnings)


async def test_k2_a_run_of_the_older_version_is_denied_too(judge: Judge) -> None:
    assert DENIED == (await judge.create(pipeline_run("v1beta1"))).status


async def test_k2_other_namespaces_are_not_judged(judge: Judge) -> None:
    assert CREATED == (await judge.create(place=PLACE)).status


def labelled(**labels: str) -> Object:
    run = pipeline_run()
    run["metadata"]["labels"] = {key.replace("_", "/"): value for key, value in labels.items()}
    return run


@pytest.mark.parametrize(
    ("run", "options", "status"),
    [
        (pipeline_run(), {"place": RELENG}, CREATED),
        (pipeline_run(), {"user": "alice", "group": "release-team"}, CREATED),
        (pipeline_run(), {"user": "alice", "group": "others"}, DENIED),
        (pipeline_run(), {"user": "carol", "group": "release-team"}, DENIED),
        (labelled(shield_tier="critical"), {}, CREATED),
        (labelled(shield_tier="low"), {}, DENIED),
    ],
    ids=["namespace", "user and group", "other group", "other user", "label", "other label"],
)
async def test_k2_the_first_rule_that_matches_names_the_tier(
    judge: Judge, run: Object, options: dict[str, str], status: HTTPStatus
) -> None:
    assert status == (await judge.create(run, **options)).status


async def test_k2_a_tier_that_the_decision_lacks_uses_the_default_bit(judge: Judge) -> None:
    await judge.decide({"standard": True, "critical": False}, reason="other")
    await judge.wait_for(CREATED)
    assert () == (await judge.create(user=MINTMAKER)).warnings
    await judge.decide({"standard": False}, reason="everywhere")
    reply = await judge.wait_for(DENIED, saying="everywhere")
    reply = await judge.create(place=RELENG)
    assert DENIED == reply.status
    assert "not allowed: everywhere. Tier: critical." in reply.message


async def test_k2_a_tier_in_mode_warn_is_admitted_with_the_reason(judge: Judge) -> None:
    reply = await judge.create(user=MINTMAKER)
    assert CREATED == reply.status
    (warning,) = reply.warnings
    assert "PipelineRun admission currently not allowed: background is full" in warning


@pytest.mark.parametrize(("user", "status"), [("rescuer", CREATED), ("late", DENIED)])
async def test_k2_an_exemption_admits_until_it_expires(
    judge: Judge, user: str, status: HTTPStatus
) -> None:
    assert status == (await judge.create(user=user)).status


@pytest.mark.parametrize("age", [600, -600], ids=["stale", "from the future"])
async def test_k2_a_decision_from_another_time_denies_nobody(judge: Judge, age: float) -> None:
    await judge.decide(CLOSED, age=age)
    await judge.wait_for(CREATED)
    await judge.decide(CLOSED, age=age / 6)
    await judge.wait_for(DENIED)


async def test_k2_while_the_evaluator_is_away_the_decision_expires(judge: Judge) -> None:
    # Nobody writes a newer one.
    await judge.decide(CLOSED, ttl=10, reason="the last word")
    await judge.wait_for(DENIED, saying="the last word")
    await judge.wait_for(CREATED)


async def test_k2_a_client_cannot_choose_the_time_at_which_it_is_judged(judge: Judge) -> None:
    run = pipeline_run()
    run["metadata"]["creationTimestamp"] = "1999-01-01T00:00:00Z"
    assert DENIED == (await judge.create(run)).status

    decided = datetime.now(UTC) - timedelta(seconds=600)
    await judge.decide(CLOSED, age=600)
    await judge.wait_for(CREATED)
    run["metadata"]["creationTimestamp"] = f"{decided:%Y-%m-%dT%H:%M:%SZ}"
    reply = await judge.api.create(run, namespace=TEAM)
    assert CREATED == reply.status
    stored = datetime.fromisoformat(reply.body["metadata"]["creationTimestamp"])
    assert timedelta(minutes=5) < stored - decided


async def test_k2_a_policy_that_is_made_again_follows_the_decision(judge: Judge) -> None:
    # With a ConfigMap as its parameter it would not (kubernetes/kubernetes#130887).
    things = [(await judge.api.get(path)).body for path in (POLICY, BINDING)]
    for path in (BINDING, POLICY):
        assert HTTPStatus.OK == (await judge.api.delete(path)).status
    await judge.wait_for(CREATED)
    for thing in things:
        name, labels = thing["metadata"]["name"], thing["metadata"]["labels"]
        annotations = thing["metadata"]["annotations"]
        metadata = {"name": name, "labels": labels, "annotations": annotations}
        thing.pop("status", None)
        await judge.api.apply({**thing, "metadata": metadata})
    await judge.wait_for(DENIED, saying="standard is full")
    await judge.decide(OPEN)
    await judge.wait_for(CREATED)
    await judge.decide(CLOSED, reason="full again")
    await judge.wait_for(DENIED, saying="standard is full again")


async def test_k2_without_the_object_everything_is_admitted(judge: Judge) -> None:
    assert HTTPStatus.OK == (await judge.api.delete(DECISION)).status
    await judge.wait_for(CREATED)
    await judge.decide(CLOSED, reason="back")
    await judge.wait_for(DENIED, saying="standard is back")


async def test_k2_a_newer_definition_does_not_disturb_the_policy(judge: Judge) -> None:
    definition = (await judge.api.get(DEFINITION)).body["spec"]
    (version,) = definition["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["later"] = {"type": "string"}
    newer = {**version, "name": "v1beta1", "storage": False}
    change = {"spec": {"versions": [version, newer]}}
    assert HTTPStatus.OK == (await judge.api.patch(DEFINITION, change)).status
    try:
        await judge.decide(CLOSED, reason="newer")
        await judge.wait_for(DENIED, saying="standard is newer")
        await judge.decide(OPEN)
        await judge.wait_for(CREATED)
    finally:
        # The chart puts its own back.
        await judge.shield.upgrade({})
    versions = (await judge.api.get(DEFINITION)).body["spec"]["versions"]
    assert ["v1alpha1"] == [found["name"] for found in versions]
    await judge.decide(CLOSED, reason="older")
    await judge.wait_for(DENIED, saying="standard is older")


async def test_k2_kubectl_get_decisions_shows_what_matters(judge: Judge, tmp_path: Path) -> None:
    await judge.decide(CLOSED, age=120)
    # kubectl remembers versions for ten minutes, the one of another scenario too.
    done = await judge.shield.commands.kubectl(
        "get", "decisions", "-n", PLACE, f"--cache-dir={tmp_path}"
    )
    assert 0 == done.status, done.err
    heads, row = (line.split() for line in done.out.splitlines())
    assert ["NAME", "ALLOW", "REASON", "USAGE", "AGE"] == heads
    assert ["decision", "false", "full", "93.4%"] == row[:4]
    assert row[4].startswith("2m"), row


@pytest_asyncio.fixture(loop_scope="session")
async def controller(judge: Judge, tmp_path: Path) -> AsyncIterator[Controller]:
    """A controller that mirrors the first release's decision for this one."""
    config = judge.shield.controller.config
    publish = {"kubernetes": True, "namespace": PLACE, "decision": "decision"}
    made = Controller(
        judge.shield.rig, {**config, "publish": publish},
        judge.shield.controller.kubeconfig, name=f"controller-{tmp_path.name}",
    )  # fmt: skip
    await made.start(within=START_SECONDS)
    yield made
    await made.stop(within=START_SECONDS)
    await judge.shield.decide(USUAL, deny=False)


@pytest.mark.usefixtures("controller")
async def test_k2_the_real_controller_writes_what_the_policy_reads(judge: Judge) -> None:
    await judge.wait_for(CREATED)
    await judge.shield.decide(DENYING, deny=True)
    reply = await judge.wait_for(DENIED, saying="etcd is at")
    assert "% of its quota" in reply.message
    await judge.shield.decide(USUAL, deny=False)
    await judge.wait_for(CREATED)


@pytest.mark.usefixtures("controller")
async def test_k2_an_object_that_was_deleted_is_written_again(judge: Judge) -> None:
    await judge.shield.decide(DENYING, deny=True)
    await judge.wait_for(DENIED, saying="etcd is at")
    assert HTTPStatus.OK == (await judge.api.delete(DECISION)).status
    # At the next change, or once a minute.
    await judge.shield.decide(USUAL, deny=False)

    async def written() -> bool:
        return HTTPStatus.OK == (await judge.api.get(DECISION)).status

    await wait_until(written, within=CHANGE_SECONDS, what="the object to be there", every=0.3)


async def test_the_first_release_mirrors_its_decision_twice(shield: Installation) -> None:
    await shield.decide(DENYING, deny=True)
    place = f"namespaces/{FIRST_NAMESPACE}"

    async def mirrored() -> bool:
        thing = (await shield.api.get(f"{DECISIONS}/{place}/decisions/decision")).body
        data = (await shield.api.get(f"/api/v1/{place}/configmaps/{CONFIG_MAP}")).body.get("data")
        return thing.get("spec", {}).get("allow") is False and (data or {}).get("allow") == "0"

    await wait_until(mirrored, within=CHANGE_SECONDS, what="both mirrors to deny", every=0.3)
