"""A first installation whose admitters never answer, and its removal: creations must go on.

Nothing runs the pods of this second release, as if its images were missing. The first release
admits everything.
"""

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.commands import CommandFailedError
from tests.e2e.installation import CHANGE_SECONDS, CHART, RELEASE, Installation
from tests.e2e.objects import TEAM, namespace, pipeline_run
from tests.e2e.pages import commands, first_values
from tests.helm.chart import nested, overlaid
from tests.rig.kubernetes_api import Object
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "first-hour"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
WEBHOOK = f"{WEBHOOKS}/{NAMESPACE}-{RELEASE}"
README = CHART / "README.md"
MIGRATION = ROOT / "docs" / "migration.md"
# The API server waits for a webhook as long as `webhook.timeoutSeconds` says.
SHORT = {"webhook": {"timeoutSeconds": 1}}


@pytest_asyncio.fixture(loop_scope="session")
async def place(shield: Installation) -> AsyncIterator[str]:
    """An empty namespace, and no webhook of it afterwards."""
    await shield.commands.apply(namespace(NAMESPACE))
    yield NAMESPACE
    await shield.commands.run("helm", "uninstall", RELEASE, f"--namespace={NAMESPACE}")
    await shield.api.delete(WEBHOOK)
    # Nothing empties namespaces here: there is no controller, so objects go one by one.
    for kind in ("pods", "deployments", "configmaps", "secrets"):
        await shield.commands.kubectl("delete", kind, "--all", f"--namespace={NAMESPACE}")
    await shield.commands.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    await shield.commands.kubectl(
        "replace", "--raw", f"/api/v1/namespaces/{NAMESPACE}/finalize", "-f", "-",
        given={**namespace(NAMESPACE), "spec": {"finalizers": []}},
    )  # fmt: skip

    async def gone() -> bool:
        path = f"/api/v1/namespaces/{NAMESPACE}"
        return HTTPStatus.NOT_FOUND == (await shield.api.get(path)).status

    await wait_until(gone, within=CHANGE_SECONDS, what="the namespace to go")


async def install(shield: Installation, *layers: Mapping[str, Any]) -> str:
    given: dict[str, Any] = {}
    for layer in layers:
        given = overlaid(given, layer)
    return await shield.commands.helm(
        "install", RELEASE, str(CHART), f"--namespace={NAMESPACE}", given=given
    )


async def asked(shield: Installation) -> str:
    """Return what a creation is told once the API server asks the second release's webhook.

    It takes a moment after the configuration is there; a copy with `Fail` shows when.
    """
    policy = (await shield.api.get(WEBHOOK)).body["webhooks"][0]["failurePolicy"]
    await _set_policy(shield, "Fail")

    async def refused() -> bool:
        reply = await shield.api.create(pipeline_run(), namespace=TEAM, dry_run=True)
        return HTTPStatus.INTERNAL_SERVER_ERROR == reply.status

    await wait_until(refused, within=CHANGE_SECONDS, what="the webhook to be called", every=0.3)
    if policy == "Fail":
        return "refused"
    await _set_policy(shield, policy)

    async def admitted() -> bool:
        reply = await shield.api.create(pipeline_run(), namespace=TEAM, dry_run=True)
        return HTTPStatus.CREATED == reply.status

    await wait_until(admitted, within=CHANGE_SECONDS, what="a creation to pass", every=0.3)
    return "admitted"


async def _set_policy(shield: Installation, policy: str) -> None:
    patch = f'[{{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "{policy}"}}]'
    done = await shield.commands.kubectl(
        "patch", "validatingwebhookconfiguration", f"{NAMESPACE}-{RELEASE}",
        "--type=json", f"--patch={patch}",
    )  # fmt: skip
    assert 0 == done.status, done.err


@pytest.mark.shows("trial T23")
async def test_the_readme_s_exact_values_block_nothing(shield: Installation, place: str) -> None:
    said = await install(shield, first_values(README), SHORT)
    assert "If no admitter answers, new PipelineRuns are admitted" in said
    assert "admitted" == await asked(shield)
    assert place in said


@pytest.mark.shows("trial T23")
async def test_denying_values_say_what_happens_and_the_way_out(
    shield: Installation, place: str
) -> None:
    values = first_values(README)
    del values["admitter"]["config"]["mode"]
    said = await install(shield, values, SHORT)
    assert "every new PipelineRun is refused (failurePolicy: Fail)" in said
    assert "refused" == await asked(shield)
    lines = [line.strip() for line in said.splitlines()]
    (way_out,) = (line for line in lines if line.startswith("kubectl delete"))
    assert f"{place}-{RELEASE}" in way_out
    done = await shield.commands.run(*way_out.split())
    assert 0 == done.status, done.err
    await _wait_created(shield)


async def _wait_created(shield: Installation) -> None:
    async def created() -> bool:
        reply = await shield.api.create(pipeline_run(), namespace=TEAM, dry_run=True)
        return HTTPStatus.CREATED == reply.status

    await wait_until(created, within=CHANGE_SECONDS, what="creations to pass", every=0.3)


@pytest.mark.shows("trial T23")
async def test_the_migration_guide_s_installation_blocks_nothing(
    shield: Installation, place: str, tmp_path: Path
) -> None:
    (install_command,) = commands(MIGRATION, "helm install")
    assert ["kubectl", "create", "namespace", "etcd-shield-v2"] in commands(MIGRATION, "kubectl")
    values = (CHART / "ci" / "openshift-values.yaml").read_text()
    (tmp_path / "my-values.yaml").write_text(values)
    words = [
        {"my-values.yaml": str(tmp_path / "my-values.yaml"), "etcd-shield-v2": place,
         "deploy/helm/etcd-shield": str(CHART)}.get(word, word)
        for word in install_command
    ]  # fmt: skip
    # OpenShift's own kinds are not served here.
    words += ["--set=metrics.serviceMonitor.enabled=false,alerts.enabled=false"]
    words += ["--set=dashboards.namespace=first-hour,webhook.timeoutSeconds=1"]
    # OpenShift puts the CA in; without one the API server takes the system's.
    done = await shield.commands.run(*words)
    assert 0 == done.status, done.err
    assert "admitted" == await asked(shield)


@pytest.mark.shows("trial T26")
async def test_uninstalling_removes_the_webhook_before_anything_else(
    shield: Installation, place: str
) -> None:
    await install(shield, first_values(README), SHORT)
    removed = await _removals(shield, place)
    webhook = removed.pop("ValidatingWebhookConfiguration")
    assert {"Deployment", "Service", "Secret"} <= removed.keys()
    assert [] == [kind for kind, revision in removed.items() if revision < webhook]
    assert HTTPStatus.NOT_FOUND == (await shield.api.get(WEBHOOK)).status


async def _removals(shield: Installation, place: str) -> dict[str, int]:
    """Uninstall, and return for each kind the revision of etcd at which its first object went."""
    since = int((await shield.api.get(WEBHOOKS)).body["metadata"]["resourceVersion"])
    done = await shield.commands.run("helm", "uninstall", RELEASE, f"--namespace={place}")
    assert 0 == done.status, done.err
    paths = (
        WEBHOOKS,
        f"/apis/apps/v1/namespaces/{place}/deployments",
        f"/api/v1/namespaces/{place}/services",
        f"/api/v1/namespaces/{place}/secrets",
    )
    first: dict[str, int] = {}
    for path in paths:
        for event in await shield.api.events(path, since=since):
            thing: Object = event["object"]
            if event["type"] == "DELETED" and "helm.sh/release" not in thing.get("type", ""):
                revision = int(thing["metadata"]["resourceVersion"])
                first[thing["kind"]] = min(revision, first.get(thing["kind"], revision))
    return first


@pytest.mark.shows("trial T26")
async def test_an_uninstallation_that_fails_has_removed_the_webhook(
    shield: Installation, place: str
) -> None:
    await install(shield, first_values(README), SHORT)
    policy, binding = _forbidding_deletion(place)
    await shield.commands.apply(policy, binding)
    try:
        await _wait_forbidden(shield, place)
        done = await shield.commands.run("helm", "uninstall", RELEASE, f"--namespace={place}")
        assert 0 != done.status
        assert HTTPStatus.NOT_FOUND == (await shield.api.get(WEBHOOK)).status
    finally:
        for thing in (policy, binding):
            await shield.commands.kubectl("delete", thing["kind"], thing["metadata"]["name"])


async def _wait_forbidden(shield: Installation, place: str) -> None:
    async def forbidden() -> bool:
        done = await shield.commands.kubectl(
            "delete", "deployment", f"{RELEASE}-evaluator", f"--namespace={place}",
            "--dry-run=server",
        )  # fmt: skip
        return done.status != 0

    await wait_until(forbidden, within=CHANGE_SECONDS, what="the policy to be in force", every=0.3)


def _forbidding_deletion(place: str) -> tuple[Object, Object]:
    version = "admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
        "operations": ["DELETE"],
    }  # fmt: skip
    selector = {"matchLabels": {"kubernetes.io/metadata.name": place}}
    policy = {
        "apiVersion": version,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "keep-deployments"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
            "validations": [{"expression": "false"}],
        },
    }
    binding = {
        "apiVersion": version,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "keep-deployments"},
        "spec": {"policyName": "keep-deployments", "validationActions": ["Deny"]},
    }
    return policy, binding


@pytest.mark.shows("N1")
async def test_the_webhook_belongs_to_its_namespace(shield: Installation, place: str) -> None:
    await install(shield, first_values(README), SHORT)
    uid = (await shield.api.get(f"/api/v1/namespaces/{place}")).body["metadata"]["uid"]
    metadata = (await shield.api.get(WEBHOOK)).body["metadata"]
    assert [("Namespace", place, uid)] == [
        (owner["kind"], owner["name"], owner["uid"]) for owner in metadata["ownerReferences"]
    ]


async def test_an_upgrade_changes_neither_passwords_nor_certificate(
    shield: Installation, place: str
) -> None:
    path = f"/api/v1/namespaces/{place}/secrets"
    await install(shield, first_values(README), SHORT)
    names = (f"{RELEASE}-redis", f"{RELEASE}-admitter-tls")
    before = [(await shield.api.get(f"{path}/{name}")).body["data"] for name in names]
    options = ("--reset-then-reuse-values", f"--namespace={place}")
    await shield.commands.helm("upgrade", RELEASE, str(CHART), *options, given={})
    after = [(await shield.api.get(f"{path}/{name}")).body["data"] for name in names]
    assert before == after


@pytest.mark.shows("N3")
async def test_thresholds_that_a_service_would_refuse_end_an_upgrade(
    shield: Installation, place: str
) -> None:
    await install(shield, first_values(README), SHORT)
    values = nested("evaluator.config.tiers.standard.db-file", {"set": 0.7, "reset": 0.6})
    with pytest.raises(CommandFailedError, match=r"warn \(0\.8\) must not be above set \(0\.7\)"):
        await shield.commands.helm(
            "upgrade", RELEASE, str(CHART), "--reuse-values", f"--namespace={place}", given=values
        )


async def test_while_pods_change_their_port_the_policy_admits_both(
    shield: Installation, place: str
) -> None:
    older = {"admitter": {"port": 8443}}
    await install(shield, first_values(README), SHORT, older)
    options = ("--reset-then-reuse-values", f"--namespace={place}")
    newer = {"admitter": {"port": 10250}}
    await shield.commands.helm("upgrade", RELEASE, str(CHART), *options, given=newer)
    policies = f"/apis/networking.k8s.io/v1/namespaces/{place}/networkpolicies"

    async def opened() -> set[int]:
        spec = (await shield.api.get(f"{policies}/{RELEASE}-admitter")).body["spec"]
        return {port["port"] for port in spec["ingress"][0]["ports"]}

    assert {8443, 10250} == await opened()
    await shield.commands.helm("upgrade", RELEASE, str(CHART), *options, given={})
    assert {10250} == await opened()
