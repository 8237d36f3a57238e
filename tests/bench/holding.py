"""What held runs cost: `python -m tests.bench.holding`.

The figures of docs/architecture.md, "Figures to plan with". A real etcd, kube-apiserver and Redis,
and one controller with its default intervals. Runs are created as the admitters' webhook leaves
them; Tekton's definition is a stand-in, and nothing runs them. The largest number is the default
of `max_runs`. Runs are released faster than by default, at which 5,000 take a quarter of an hour.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench.measuring import cpu_seconds, rss
from tests.e2e.controller.cluster import ALL_RUNS, KEYS, Cluster, held, tier
from tests.e2e.controller.conftest import define
from tests.e2e.objects import namespace, pipeline_run_definition
from tests.rig.apiserver import KubeApiServer
from tests.rig.etcd import EtcdServer
from tests.rig.kubernetes import installed
from tests.rig.kubernetes_api import KubernetesApi
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.services import Controller
from tests.rig.waiting import wait_until

SIZES: Final = (0, 100, 1_000, 5_000)
PLACE: Final = "team-a"
RUN_BYTES: Final = 14 * 1024  # a PipelineRun of Konflux before it starts
SECONDS: Final = 30  # six rounds of the controller
_WAIT_SECONDS: Final = 600.0
_AT_A_TIME: Final = 20
_EVENTS: Final = "/apis/events.k8s.io/v1/events"
_REQUESTS: Final = "etcd_shield_api_requests_total"
_MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a number of held runs took.

    Attributes:
        held: How many.
        stored: Bytes of etcd in use, for all of them.
        memory: Bytes of the controller.
        cpu: Seconds of CPU of the controller per second, while all of them wait.
        requests: To the API server per second, while all of them wait.
        report: Bytes of the report in Redis.
        releases: Requests to the API server while all of them were released.
        events: Events that were written for all of them.
    """

    held: int
    stored: int
    memory: int
    cpu: float
    requests: float
    report: int
    releases: float
    events: int


async def measure(count: int) -> Cost:
    """Hold runs, look on while they wait, and release them."""
    async with Rig() as rig:
        etcd, redis = EtcdServer(rig), RedisServer(rig)
        await etcd.start()
        server = KubeApiServer(rig, Path(installed("apiserver")), etcd)
        await asyncio.gather(server.start(), redis.start())
        await server.api.create(namespace(PLACE))
        await define(server, pipeline_run_definition(), ALL_RUNS)
        cluster = Cluster(rig=rig, apiserver=server, redis=redis)
        before = await _in_use(etcd)
        await _hold(server.api, count)
        stored = await _in_use(etcd) - before
        await cluster.decide(standard=tier(allow=False))
        controller = await cluster.start_controller(interval="5s", refresh="5s")
        await _wait_metric(controller, "etcd_shield_held_runs", count, tier="standard")
        asked = await _requests(controller)
        cpu, began = cpu_seconds(controller.pid), time.monotonic()
        await asyncio.sleep(SECONDS)
        seconds = time.monotonic() - began
        waiting = await _requests(controller)
        cpu = cpu_seconds(controller.pid) - cpu
        report = await redis.call("GET", KEYS.held)
        memory = rss(controller.pid)
        await cluster.decide(standard=tier(allow=True))
        await _wait_metric(controller, "etcd_shield_held_runs", 0, tier="standard")
        return Cost(
            held=count,
            stored=stored,
            memory=memory,
            cpu=cpu / seconds,
            requests=(waiting - asked) / seconds,
            report=len(report.encode()),
            releases=await _requests(controller) - waiting,
            events=len(await server.api.items(_EVENTS)),
        )


async def _hold(api: KubernetesApi, count: int) -> None:
    for first in range(0, count, _AT_A_TIME):
        runs = [held(f"run-{n}") for n in range(first, min(count, first + _AT_A_TIME))]
        for run in runs:
            run["spec"]["params"] = [{"name": "padding", "value": "x" * RUN_BYTES}]
        replies = await asyncio.gather(*(api.create(run, namespace=PLACE) for run in runs))
        assert {201} == {reply.status for reply in replies}


async def _in_use(etcd: EtcdServer) -> int:
    """Return the bytes of etcd's file after compaction and defragmentation."""
    await etcd.client.put("measured", b"now")  # a revision that can be compacted
    await etcd.client.compact()
    await etcd.client.defragment()
    return (await etcd.client.status()).db_size


async def _requests(controller: Controller) -> float:
    """Return how many requests a controller has sent to the API server."""
    async with controller.rig.http.get(f"{controller.metrics_url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{_REQUESTS}{{"))


async def _wait_metric(controller: Controller, name: str, value: float, **labels: str) -> None:
    async def shows() -> bool:
        # A tier that never held a run has no sample.
        return value == (await controller.metric(name, **labels) or 0)

    await wait_until(shows, within=_WAIT_SECONDS, what=f"{name} to be {value}", every=0.5)


async def _measured() -> list[Cost]:
    return [await measure(count) for count in SIZES]


def main() -> int:
    """Print a line for each number of held runs."""
    table = Table(
        "held", "in etcd, KiB each", "controller MiB", "its CPU, %", "requests/s while they wait",
        "report, bytes", "requests to release, each", "events, each",
    )  # fmt: skip
    for cost in asyncio.run(_measured()):
        each = max(1, cost.held)
        table.add_row(
            f"{cost.held:,}",
            f"{cost.stored / each / 1024:.0f}",
            f"{cost.memory / _MEBIBYTE:.0f}",
            f"{100 * cost.cpu:.1f}",
            f"{cost.requests:.2f}",
            str(cost.report),
            f"{cost.releases / each:.1f}",
            f"{cost.events / each:.1f}",
        )
    Console(highlight=False, width=140).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
