"""The servers of the act on holding: those of the other act, an API server and two controllers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tests.demo.holding.installation import (
    CONTROLLER_USER,
    decision_definition,
    start_api_server,
    webhooks,
)
from tests.demo.plan import NAMESPACE
from tests.rig.apiserver import KubeApiServer
from tests.rig.balancer import Balancer
from tests.rig.etcd import MEBIBYTE, EtcdServer
from tests.rig.lifetime import Rig
from tests.rig.server import Server, start_all
from tests.rig.services import Config, Controller
from tests.rig.waiting import wait_until
from tests.soak.stack import CLUSTER, Plan, Stack, start

# About 90 runs fit below the target.
PLAN = Plan(
    quota_bytes=32 * MEBIBYTE,
    evaluators=1,
    admitters=2,
    evaluator={"hold": {"enabled": True, "max_runs": 1000}},
    admitter={"hold": {"enabled": True, "controllers": [CONTROLLER_USER]}},
)
CONTROLLERS = 2
# Longer than any fault here: a busy machine must not make creations fail. That an admitter is away
# for longer is in `tests/e2e`.
WEBHOOK_SECONDS = 10
DECISION_PATH = f"/apis/etcd-shield.dev/v1alpha1/namespaces/{NAMESPACE}/decisions/decision"
_SECONDS = 120.0  # for anything that an API server does at its start, on a busy machine


@dataclass(frozen=True, kw_only=True)
class HoldingStack:
    """Everything that runs.

    Attributes:
        shield: etcd that runs fill, and the shield in front of it.
        api_server: With an etcd of its own.
        controllers: Of which one leads.
        balancer: The admitters' Service.
    """

    shield: Stack
    api_server: KubeApiServer
    controllers: Sequence[Controller]
    balancer: Balancer

    @property
    def creating(self) -> Sequence[Server]:
        """The servers that a creation needs."""
        return [self.api_server, *self.shield.admitters]

    @property
    def releasing(self) -> Sequence[Server]:
        """The servers that a release, and the Decision object, need."""
        return [self.api_server, *self.controllers]


async def start_holding(rig: Rig) -> HoldingStack:
    """Start everything and wait until the decisions let runs be held.

    Raises:
        ProgramMissingError: Something is not installed.
        ServerFailedError: Something did not start.
        NotInTimeError: The decisions let no run be held.
    """
    storage = EtcdServer(rig, "kubernetes-etcd")
    await start_all(storage)
    api_server = await start_api_server(rig, storage)
    shield = await start(rig, PLAN)
    balancer = Balancer(rig, shield.admitters)
    await balancer.start()
    controllers = [
        Controller(rig, _controller_config(shield), api_server.kubeconfig, f"controller-{number}")
        for number in range(1, CONTROLLERS + 1)
    ]
    await api_server.api.create(await asyncio.to_thread(decision_definition))
    await start_all(*controllers)
    configurations = await asyncio.to_thread(
        webhooks, balancer.port, shield.authority.ca_file, timeout=WEBHOOK_SECONDS
    )
    for configuration in configurations:
        await api_server.api.create(configuration)
    stack = HoldingStack(
        shield=shield, api_server=api_server, controllers=controllers, balancer=balancer
    )
    await wait_until(lambda: _holds(stack), within=_SECONDS, what="slots for held runs", every=0.3)
    return stack


async def _holds(stack: HoldingStack) -> bool:
    decision = (await stack.shield.evaluators[0].status())["decision"]
    shown = await stack.api_server.api.get(DECISION_PATH)
    return bool((decision["tiers"]["standard"].get("hold") or {}).get("slots")) and (
        200 == shown.status
    )


def _controller_config(shield: Stack) -> Config:
    return {
        "cluster": CLUSTER,
        "interval": "1s",
        "refresh": "1s",
        "redis": {"url": shield.redis.url},
        "hold": {"enabled": True},
        "release": {"max_rate": "20/s"},
        "publish": {"kubernetes": True, "namespace": NAMESPACE},
        "leader_election": {"enabled": True, "namespace": NAMESPACE},
        "log": {"format": "json"},
    }
