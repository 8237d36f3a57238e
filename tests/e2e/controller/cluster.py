"""A real API server with Tekton's and the shield's definitions, a Redis, and decisions by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shield_common.decision import Decision, TierDecision, encode_decision
from shield_common.held import HELD_LABEL, PENDING_STATUS, REASON_ANNOTATION
from shield_common.store.keys import Keys
from tests.rig.apiserver import KubeApiServer
from tests.rig.kubernetes_api import KubernetesApi, Object
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.services import Config, Controller
from tests.rig.waiting import wait_until

CLUSTER = "e2e"
KEYS = Keys(CLUSTER)
SECONDS = 60.0  # for anything that takes the controller a round or two on an idle machine
RUNS = "/apis/tekton.dev/v1/namespaces/{}/pipelineruns"
ALL_RUNS = "/apis/tekton.dev/v1/pipelineruns"
_SINCE = datetime(2026, 11, 21, 9, 58, 10, tzinfo=UTC)


def held(name: str, *, tier: str = "standard", **metadata: Any) -> Object:
    """Return a run as the admitters' webhook would hold it."""
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": name,
            "labels": {HELD_LABEL: tier, "app": "orders"},
            "annotations": {REASON_ANNOTATION: "etcd has no room", "note": "stays"},
            **metadata,
        },
        "spec": {"pipelineRef": {"name": "build"}, "status": PENDING_STATUS},
    }


def tier(*, allow: bool, **fields: Any) -> TierDecision:
    """Return a tier of a decision."""
    reason = "" if allow else "etcd is at 93.4% of its quota"
    return TierDecision(allow=allow, since=_SINCE, reason=reason, value=0.934, **fields)


@dataclass(kw_only=True)
class Cluster:
    """What the scenarios use."""

    rig: Rig
    apiserver: KubeApiServer
    redis: RedisServer
    sequence: int = 0
    controllers: list[Controller] = field(default_factory=list)

    @property
    def api(self) -> KubernetesApi:
        return self.apiserver.api

    @property
    def kubeconfig(self) -> Path:
        return self.apiserver.kubeconfig

    def config(self, **changes: Any) -> Config:
        """Return a controller's configuration with a short interval and no limit that matters."""
        return {
            "cluster": CLUSTER,
            "interval": "300ms",
            "refresh": "1s",
            "redis": {"url": self.redis.url},
            "hold": {"enabled": True},
            "release": {"max_rate": "100/s"},
            **changes,
        }

    async def start_controller(self, name: str = "controller", **changes: Any) -> Controller:
        """Start a controller and wait until it watches."""
        controller = Controller(self.rig, self.config(**changes), self.kubeconfig, name)
        self.controllers.append(controller)
        await controller.start()
        return controller

    async def decide(self, *, ttl_ms: int = 300_000, **tiers: TierDecision) -> None:
        """Publish a decision."""
        self.sequence += 1
        decision = Decision(
            cluster=CLUSTER,
            epoch=1,
            sequence=self.sequence,
            ttl_ms=ttl_ms,
            evaluated_at=datetime.now(UTC),
            allow=tiers["standard"].allow,
            tiers=tiers,
            signals={},
        )
        document = encode_decision(decision).decode()
        await self.redis.call("SET", KEYS.decision, document, "PX", ttl_ms)
        await self.redis.call("PUBLISH", KEYS.decision, document)

    async def hold(self, namespace: str, *names: str, **fields: Any) -> None:
        """Create held runs, one after the other."""
        for name in names:
            reply = await self.api.create(held(name, **fields), namespace=namespace)
            assert 201 == reply.status, reply.message

    async def run(self, namespace: str, name: str) -> Object:
        """Return a run as it is stored."""
        return (await self.api.get(f"{RUNS.format(namespace)}/{name}")).body

    async def waiting(self) -> list[str]:
        """Return the names of all runs that are held."""
        items = await self.api.items(ALL_RUNS)
        return [item["metadata"]["name"] for item in items if is_held(item)]

    async def wait_held(self, *names: str) -> None:
        """Wait until exactly these runs are held."""

        async def agree() -> bool:
            return sorted(names) == sorted(await self.waiting())

        await wait_until(agree, within=SECONDS, what=f"{names or 'no run'} to be held")


def is_held(run: Object) -> bool:
    """Return whether a run is pending and marked as held."""
    marked = HELD_LABEL in run["metadata"].get("labels", {})
    return marked and PENDING_STATUS == run["spec"].get("status")


async def wait_metric(controller: Controller, value: float, name: str, **labels: str) -> None:
    """Wait until a controller shows a value."""

    async def shows() -> bool:
        return value == await controller.metric(name, **labels)

    await wait_until(shows, within=SECONDS, what=f"{name} {labels} to be {value}")
