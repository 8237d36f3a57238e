"""What an installation of a given size costs: `python -m tests.bench.planning`.

The figures of docs/architecture.md, "Figures to plan with". Real services and a real Redis with the
default intervals; in place of Prometheus a server answers for as many members as are asked for.
Everything idles, so that only what runs all the time is counted.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from rich.console import Console
from rich.table import Table

from tests.bench.measuring import cpu_seconds, rss
from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisServer
from tests.rig.server import start_all
from tests.rig.services import Admitter, Evaluator, Service

CLUSTER: Final = "planning"
SECONDS: Final = 40  # eight intervals
SETTLING: Final = 10  # the first cycles are not like the others
_MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large an installation is."""

    tiers: int = 3
    signals: int = 2
    members: int = 3
    admitters: int = 1


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What it took, per second where nothing else is said.

    Attributes:
        document: Bytes of the decision.
        to_admitter: Bytes that Redis sends to each admitter.
        from_admitter: Bytes that each admitter sends to Redis.
        evaluator_cpu: Seconds of CPU.
        admitter_cpu: Seconds of CPU, of each.
        evaluator_memory: Bytes.
        admitter_memory: Bytes, of each.
    """

    document: int
    to_admitter: float
    from_admitter: float
    evaluator_cpu: float
    admitter_cpu: float
    evaluator_memory: int
    admitter_memory: int


# One dimension at a time, from the default.
SIZES: Final = (
    Size(),
    Size(admitters=10),
    Size(members=9),
    Size(signals=8),
    Size(tiers=12),
)


async def measure(size: Size) -> Cost:
    """Run an installation: first the evaluator alone, then with admitters."""
    async with Rig() as rig:
        application = web.Application()
        application.router.add_post("/api/v1/query", _answering(size.members))
        runner = web.AppRunner(application)
        await runner.setup()
        port = rig.ports.reserve()
        try:
            await web.TCPSite(runner, LOOPBACK, port).start()
            redis = RedisServer(rig)
            await redis.start()
            config = {"cluster": CLUSTER, "redis": {"url": redis.url}}
            evaluator = Evaluator(rig, config | _evaluator(f"http://{LOOPBACK}:{port}", size))
            authority = Authority(rig.directory / "certificates")
            admitters = [
                Admitter(rig, dict(config), authority.server(name), name)
                for name in (f"admitter-{n}" for n in range(size.admitters))
            ]
            await evaluator.start()
            alone = await _per_second(redis, [evaluator])
            await start_all(*admitters)
            together = await _per_second(redis, [evaluator, *admitters])
            document = await redis.call("GET", f"etcd-shield:{{{CLUSTER}}}:decision")
        finally:
            await runner.cleanup()
        count = size.admitters
        return Cost(
            document=len(document.encode()),
            to_admitter=(together["sent"] - alone["sent"]) / count,
            from_admitter=(together["received"] - alone["received"]) / count,
            evaluator_cpu=together[evaluator.name],
            admitter_cpu=sum(together[admitter.name] for admitter in admitters) / count,
            evaluator_memory=rss(evaluator.pid),
            admitter_memory=max(rss(admitter.pid) for admitter in admitters),
        )


async def _per_second(redis: RedisServer, services: Sequence[Service]) -> dict[str, float]:
    """Return bytes that Redis sent and received, and each service's CPU time, per second."""
    await asyncio.sleep(SETTLING)
    before, began = await _counts(redis, services), time.monotonic()
    await asyncio.sleep(SECONDS)
    after, seconds = await _counts(redis, services), time.monotonic() - began
    return {key: (after[key] - before[key]) / seconds for key in before}


async def _counts(redis: RedisServer, services: Sequence[Service]) -> dict[str, float]:
    stats = await redis.call("INFO", "stats")
    return {
        "sent": float(stats["total_net_output_bytes"]),
        "received": float(stats["total_net_input_bytes"]),
        **{service.name: cpu_seconds(service.pid) for service in services},
    }


def _answering(members: int) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        result = [
            {"metric": {"instance": f"10.0.0.{n}:2379"}, "value": [time.time(), "0.5"]}
            for n in range(members)
        ]
        data = {"resultType": "vector", "result": result}
        return web.Response(
            text=json.dumps({"status": "success", "data": data}), content_type="application/json"
        )

    return answer


def _evaluator(prometheus: str, size: Size) -> dict[str, Any]:
    signals = [f"signal-{n}" for n in range(size.signals)]
    threshold = {"warn": 0.8, "set": 0.9, "reset": 0.8}
    tiers = ["standard", *(f"tier-{n}" for n in range(size.tiers - 1))]
    return {
        "prometheus": {"urls": [prometheus]},
        "signals": [{"name": n, "query": n, "members": size.members} for n in signals],
        "tiers": {tier: dict.fromkeys(signals, threshold) for tier in tiers},
    }


async def _measured() -> list[Cost]:
    # At the same time: what is counted is each process's own.
    return await asyncio.gather(*(measure(size) for size in SIZES))


def main() -> int:
    """Print a line for each size."""
    table = Table(
        "tiers", "signals", "members", "admitters", "decision, bytes", "Redis to an admitter, B/s",
        "and from it, B/s", "evaluator CPU, %", "admitter CPU, %", "evaluator MiB", "admitter MiB",
    )  # fmt: skip
    for size, cost in zip(SIZES, asyncio.run(_measured()), strict=True):
        table.add_row(
            *(str(n) for n in (size.tiers, size.signals, size.members, size.admitters)),
            str(cost.document),
            *(f"{rate:.0f}" for rate in (cost.to_admitter, cost.from_admitter)),
            *(f"{100 * share:.1f}" for share in (cost.evaluator_cpu, cost.admitter_cpu)),
            *(f"{b / _MEBIBYTE:.0f}" for b in (cost.evaluator_memory, cost.admitter_memory)),
        )
    Console(highlight=False, width=160).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
