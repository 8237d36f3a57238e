"""What counting, pacing and holding cost an admitter: `python -m tests.bench.answers`.

One admitter per kind of answer, all alike but for the decision that they follow, and the same load
on each in turn. A ratio compares the CPU time of a request with that of a plain admission.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from shield_common.decision import TierDecision, TierHold
from shield_common.store.settings import RedisSettings
from tests.bench import reviews
from tests.bench.__main__ import RULES, build
from tests.bench.contestants import PinnedAdmitter
from tests.bench.figures import Figure, show
from tests.bench.measuring import Run, drive
from tests.integration.admitter.publisher import Publisher, tier
from tests.integration.admitter.site import config
from tests.rig.certificates import Authority
from tests.rig.errors import RigError
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.waiting import wait_until

TYPICAL, SMALL = "19 KB", "1 KB"
HOLD_BAR = PACE_BAR = 1.2  # times the CPU time of an admission
COUNT_BAR = 1.03  # counting and pacing an admission costs at most 3%
ENDLESS = 1e9
MUTATE, VALIDATE = "/mutate?timeout=10s", "/validate?timeout=10s"
_HOLD = {"hold": {"enabled": True, "controllers": ["system:serviceaccount:shield:controller"]}}


@dataclass(frozen=True)
class Case:
    """One kind of answer.

    Attributes:
        path: the webhook that is asked.
        tier: what the decision says.
        settings: of the admitter.
    """

    path: str
    tier: TierDecision
    settings: Mapping[str, object]


def _room(share: float) -> TierDecision:
    return replace(tier(allow=True), share=share, room=share, run_cost=4 * 1024**2)


CASES: Mapping[str, Case] = {
    "admitted": Case(VALIDATE, tier(allow=True), {}),
    "admitted and paced": Case(VALIDATE, _room(ENDLESS), {}),
    "paced": Case(VALIDATE, _room(0.0), {}),
    "held": Case(
        MUTATE,
        replace(tier(allow=False), hold=TierHold(slots=ENDLESS, share=ENDLESS, held=0)),
        _HOLD,
    ),
    "admitted by /mutate": Case(
        MUTATE,
        replace(tier(allow=True), hold=TierHold(slots=ENDLESS, share=ENDLESS, held=0)),
        _HOLD,
    ),
}


class _Admitter(PinnedAdmitter):
    """An admitter whose load goes to a path of its own."""

    path = VALIDATE


async def measure(rig: Rig, *, rounds: int, seconds: float) -> dict[tuple[str, str], list[Run]]:
    """Drive every case with reviews of two sizes, in turns; return the runs of each."""
    load = build(rig.directory, "load")["load"]
    bodies = reviews.invented(rig.directory)
    runs: dict[tuple[str, str], list[Run]] = {}
    certificate = Authority(rig.directory / "certificates").server()
    servers: dict[str, _Admitter] = {}
    publishers = []
    for name, case in CASES.items():
        redis = RedisServer(rig, f"redis-{len(servers)}")
        await redis.start()
        publisher = Publisher(RedisSettings(url=redis.url))
        publisher.tiers = {"standard": case.tier}
        publisher.interval_ms = 5_000
        await publisher.publish(allow=case.tier.allow)
        publishers.append(publisher)
        label = f"admitter-{len(servers)}"
        server = _Admitter(rig, config(redis.url, **RULES, **case.settings), certificate, label)
        server.path = case.path
        await server.start()
        await wait_until(server.is_ready, within=30.0, what=f"{name}: the admitter to be ready")
        servers[name] = server
    for _ in range(rounds):
        for size in (SMALL, TYPICAL):
            for name, server in servers.items():
                run = await drive(load, server, Path(bodies[size]), seconds=seconds)
                if run.errors:
                    raise RigError(f"{name}: {run.errors} of {run.requests} requests failed")
                runs.setdefault((name, size), []).append(run)
    for publisher in publishers:
        await publisher.store.close()
    return runs


def figures(runs: Mapping[tuple[str, str], list[Run]]) -> list[Figure]:
    """Return the ratios that have a bar."""
    bars = {"admitted and paced": COUNT_BAR, "paced": PACE_BAR, "held": HOLD_BAR}
    return [
        Figure(
            what=f"{size}: CPU time of a request, {name} / admitted",
            value=_ratio(runs[name, size], runs["admitted", size]),
            bar=bar,
            unit="times",
        )
        for size in (TYPICAL,)
        for name, bar in bars.items()
    ]


def _ratio(runs: list[Run], others: list[Run]) -> float:
    """Return the median of the rounds' ratios: both sides of one ran beside the same other load."""
    return statistics.median(
        _cost([run]) / _cost([other]) for run, other in zip(runs, others, strict=True)
    )


def _cost(runs: list[Run]) -> float:
    """Return seconds of CPU time per request: the median of the rounds."""
    return statistics.median(run.cpu_seconds / run.requests for run in runs)


async def main() -> int:
    """Print a line per case, and the bars; return 1 if one is missed, 2 if nothing was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.answers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of measurements of each case")
    parser.add_argument("--seconds", type=float, default=2.0, help="duration of one measurement")
    chosen = parser.parse_args()
    try:
        async with Rig("etcd-shield-answers-") as rig:
            runs = await measure(rig, rounds=chosen.rounds, seconds=chosen.seconds)
    except RigError as error:
        print(error, file=sys.stderr)
        return 2
    for (name, size), measured in sorted(runs.items(), key=lambda item: item[0][1]):
        print(f"{size:>6}  {name:<20} {1e6 * _cost(measured):6.1f} µs of CPU per request")
    return show(Console(), figures(runs))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
