"""What judging a creation costs the API server: `python -m tests.bench.admission`.

PipelineRuns are created in three namespaces of one real API server: one that nothing judges, one
that the chart's ValidatingAdmissionPolicy judges by a Decision object, and one about which the API
server asks an admitter. Everything is admitted. The namespaces take turns, so that other load meets
all of them; the figures are medians over the rounds.

CPU time per creation is what means the same on another machine. Creations per second and
milliseconds depend on it, and on this Python, which sends them.
"""

import argparse
import asyncio
import base64
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from tests.bench.measuring import cpu_seconds
from tests.e2e.objects import namespace, pipeline_run, pipeline_run_definition
from tests.helm.chart import Chart
from tests.rig.apiserver import KubeApiServer
from tests.rig.certificates import Authority
from tests.rig.errors import RigError
from tests.rig.etcd import EtcdServer
from tests.rig.kubernetes import installed
from tests.rig.kubernetes_api import KubernetesApi, Object, RefusedError
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.server import start_all
from tests.rig.services import Admitter
from tests.rig.waiting import wait_until

NOTHING, POLICY, WEBHOOK = "nothing", "policy", "webhook"
JUDGES: Final = (NOTHING, POLICY, WEBHOOK)
CONCURRENT: Final = 16
SIZE: Final = 14_000  # bytes, as a PipelineRun of Pipelines-as-Code has
START_SECONDS: Final = 120.0
# Rules as an installation has them; none of them matches.
RULES: Final = [
    {"tier": "critical", "namespaces": ["*-releng"]},
    {"tier": "background", "users": ["system:serviceaccount:mintmaker:*"]},
]


@dataclass(frozen=True)
class Round:
    """The creations of one round in one namespace.

    Attributes:
        rate: creations per second.
        p50_ms: the median creation.
        server_ms: CPU time of the API server per creation.
        admitter_ms: CPU time of the admitter per creation.
    """

    rate: float
    p50_ms: float
    server_ms: float
    admitter_ms: float


def judged(place: str) -> Object:
    """Return a selector of one namespace."""
    rule = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [place]}
    return {"matchExpressions": [rule]}


def policy_objects() -> list[Object]:
    """Return the definition, the policy and its binding, as the chart renders them."""
    values: dict[str, Any] = {
        "admission": "policy",
        "admitter": {"config": {"denial": {"code": 403}, "retry_after": [], "tiers": RULES}},
        "webhook": {"namespaceSelector": judged(POLICY)},
    }
    rendered = Chart(installed("helm")).render(values, kubernetes="1.34.0")
    kinds = ("CustomResourceDefinition", "ValidatingAdmissionPolicy",
             "ValidatingAdmissionPolicyBinding")  # fmt: skip
    return [thing for kind in kinds for thing in rendered.of(kind)]


def decision() -> Object:
    """Return a Decision object that admits, in the namespace of the rendered release."""
    tiers = {name: {"allow": True} for name in ("critical", "standard", "background")}
    spec = {
        "evaluatedAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "ttlSeconds": 300,
        "allow": True,
        "tiers": tiers,
    }
    return {
        "apiVersion": "etcd-shield.dev/v1alpha1",
        "kind": "Decision",
        "metadata": {"name": "decision", "namespace": "shield"},
        "spec": spec,
    }


def webhook(admitter: Admitter) -> Object:
    """Return a configuration that asks one admitter about one namespace."""
    bundle = base64.b64encode(admitter.certificate.ca_file.read_bytes()).decode()
    rule = {
        "apiGroups": ["tekton.dev"], "apiVersions": ["v1", "v1beta1"],
        "resources": ["pipelineruns"], "operations": ["CREATE"], "scope": "Namespaced",
    }  # fmt: skip
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "bench"},
        "webhooks": [
            {
                "name": "pipelineruns.etcd-shield.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 10,
                "clientConfig": {"url": admitter.url, "caBundle": bundle},
                "rules": [rule],
                "namespaceSelector": judged(WEBHOOK),
            }
        ],
    }


class Bench:
    """The servers, and rounds of creations."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._etcd = EtcdServer(rig)
        self._server = KubeApiServer(rig, Path(installed("apiserver")), self._etcd)
        self._redis = RedisServer(rig)
        certificate = Authority(rig.directory / "admitter-certificates").server("admitter")
        self._admitter = Admitter(
            rig,
            {"cluster": "bench", "redis": {"url": self._redis.url}, "tiers": RULES,
             "startup_grace": "1s"},
            certificate,
        )  # fmt: skip

    @property
    def _api(self) -> KubernetesApi:
        return self._server.api

    async def prepare(self) -> None:
        """Start the servers, and wait until both judges are asked."""
        await self._etcd.start()
        await start_all(self._server, self._redis, within=START_SECONDS)
        # Redis holds no decision: the admitter admits, and does the same work.
        await self._admitter.start(within=START_SECONDS)
        places = [namespace(name) for name in (*JUDGES, "shield")]
        await self._api.apply(pipeline_run_definition(), *places, *policy_objects())
        await wait_until(self._mirrored, within=START_SECONDS, what="the definition", every=0.3)
        await self._api.apply(webhook(self._admitter))
        await wait_until(self._asked, within=START_SECONDS, what="the admitter", every=0.3)

    async def _mirrored(self) -> bool:
        try:
            await self._api.apply(decision())
        except RefusedError:
            return False
        return True

    async def _asked(self) -> bool:
        reply = await self._api.create(pipeline_run(), namespace=WEBHOOK, dry_run=True)
        total = await self._admitter.metric("etcd_shield_admission_duration_seconds_count")
        return HTTPStatus.CREATED == reply.status and bool(total)

    async def round(self, place: str, creations: int) -> Round:
        """Create runs in one namespace.

        Raises:
            RigError: one was refused.
        """
        await self._api.apply(decision())
        times: list[float] = []
        left = iter(range(creations))

        async def client() -> None:
            for _ in left:
                began = time.perf_counter()
                reply = await self._api.create(pipeline_run(padding=SIZE), namespace=place)
                times.append(time.perf_counter() - began)
                if reply.status != HTTPStatus.CREATED:
                    raise RigError(f"{place}: {reply.status} {reply.message}")

        pids = (self._server.pid, self._admitter.pid)
        before = [cpu_seconds(pid) for pid in pids]
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT):
                group.create_task(client())
        seconds = time.perf_counter() - began
        server, admitter = (
            1000 * (cpu_seconds(pid) - start) / creations
            for pid, start in zip(pids, before, strict=True)
        )
        return Round(creations / seconds, 1000 * statistics.median(times), server, admitter)


async def measure(rounds: int, creations: int) -> dict[str, list[Round]]:
    """Take all rounds, by what judges."""
    found: dict[str, list[Round]] = {judge: [] for judge in JUDGES}
    async with Rig() as rig:
        bench = Bench(rig)
        await bench.prepare()
        for judge in JUDGES:  # once, so that all are warm
            await bench.round(judge, creations // 4)
        for _ in range(rounds):
            for judge in JUDGES:
                found[judge].append(await bench.round(judge, creations))
    return found


def markdown(found: dict[str, list[Round]]) -> str:
    """Return the medians as a Markdown table."""
    rows = [
        "| judged by | creations/s | p50 ms | API server, ms of CPU | admitter, ms of CPU |",
        "|---|--:|--:|--:|--:|",
    ]
    for judge, rounds in found.items():
        cells = [
            judge,
            f"{_median(rounds, 'rate'):.0f}",
            f"{_median(rounds, 'p50_ms'):.1f}",
            f"{_median(rounds, 'server_ms'):.2f}",
            f"{_median(rounds, 'admitter_ms'):.2f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _median(rounds: Sequence[Round], what: str) -> float:
    return float(statistics.median(getattr(one, what) for one in rounds))


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--creations", type=int, default=400, help="per round and judge")
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.rounds, arguments.creations))
    Console(highlight=False, width=120).print(markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
