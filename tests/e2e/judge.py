"""A second release with `admission: policy`, which judges two namespaces of its own.

The first release's webhook is asked about them too, and admits. Its fixtures are in `conftest`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from tests.e2e.installation import CHANGE_SECONDS, CHART, RELEASE, Installation
from tests.e2e.objects import pipeline_run
from tests.rig.kubernetes_api import KubernetesApi, Object, RefusedError, Reply
from tests.rig.waiting import wait_until

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

    async def upgrade(self, changes: dict[str, Any]) -> None:
        """Run `helm upgrade` with a few values changed."""
        await self.shield.commands.helm(
            "upgrade", RELEASE, str(CHART), f"--namespace={PLACE}", "--reuse-values", given=changes
        )

    async def decide_once_defined(self, tiers: dict[str, bool]) -> None:
        """Write the Decision object as soon as the API server serves its kind."""

        async def written() -> bool:
            try:
                await self.decide(tiers)
            except RefusedError:
                return False
            return True

        await wait_until(written, within=CHANGE_SECONDS, what="the kind to be served", every=0.3)

    async def make_again(self) -> None:
        """Delete policy and binding, wait until nothing judges, and create them as they were."""
        things = [(await self.api.get(path)).body for path in (POLICY, BINDING)]
        for path in (BINDING, POLICY):
            assert HTTPStatus.OK == (await self.api.delete(path)).status
        await self.wait_for(CREATED)
        for thing in things:
            name, labels = thing["metadata"]["name"], thing["metadata"]["labels"]
            annotations = thing["metadata"]["annotations"]
            metadata = {"name": name, "labels": labels, "annotations": annotations}
            thing.pop("status", None)
            await self.api.apply({**thing, "metadata": metadata})

    async def wait_for(
        self, status: HTTPStatus, *, saying: str = "", within: float = CHANGE_SECONDS
    ) -> Reply:
        """Wait until a run of the standard tier gets a status and message."""
        replies: list[Reply] = []

        async def answered() -> bool:
            replies.append(await self.create())
            return status == replies[-1].status and saying in replies[-1].message

        what = f"{status} {saying}"
        await wait_until(answered, within=within, what=what, every=0.2)
        return replies[-1]
