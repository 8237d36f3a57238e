"""`make bench`: the admitter beside its yardsticks, as one table and a verdict on each bar."""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shield_common.store.connection import RedisSettings
from tests.bench import bodies
from tests.bench.contestants import (
    GO_SOURCES,
    Contestant,
    GoHandler,
    Nginx,
    PinnedAdmitter,
    Yardstick,
)
from tests.bench.measuring import Run, drive, rss
from tests.integration.admitter.publisher import Publisher
from tests.integration.admitter.site import config
from tests.rig.certificates import Authority
from tests.rig.errors import RigError
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.server import program

STEADY_RATE = 500.0
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Bar:
    """What DESIGN promises, and what was found."""

    name: str
    found: float
    bar: float
    at_most: bool = False

    def __str__(self) -> str:
        met = self.found <= self.bar if self.at_most else self.found >= self.bar
        sign = "≤" if self.at_most else "≥"
        return f"{'met   ' if met else 'MISSED'}  {self.name}: {self.found:.2f} ({sign} {self.bar:g})"


def build(name: str, target: Path) -> Path:
    """Compile one of the Go programs.

    Raises:
        RigError: Go is missing or does not like it.
    """
    binary = target / name
    command = [program("go", "install Go 1.22 or newer"), "build", "-o", str(binary), f"./{name}"]
    done = subprocess.run(command, cwd=GO_SOURCES, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RigError(f"go build ./{name}: {done.stderr}")
    return binary


Results = dict[tuple[str, str], list[Run]]


async def measure(
    load: Path,
    servers: Sequence[Contestant | PinnedAdmitter],
    files: dict[str, Path],
    *,
    rounds: int,
    seconds: float,
    rate: float = 0,
) -> Results:
    """Load every server with every body, in turn, several times."""
    results: Results = {}
    for round_ in range(rounds):
        for body, path in files.items():
            for server in servers:
                run = await drive(load, server, path, seconds=seconds, rate=rate)
                results.setdefault((server.name, body), []).append(run)
                print(f"round {round_ + 1}: {server.name} {body} {run.per_core_second:.0f}/s", file=sys.stderr)
    return results


def median(runs: Sequence[Run], what: str) -> float:
    return float(statistics.median(getattr(run, what) for run in runs))


def table(results: Results, *, saturated: bool) -> list[str]:
    """Return the results as a Markdown table."""
    rows = ["| review | server | requests/s | per s of CPU | p50 ms | p99 ms | RSS MiB | errors |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    for (server, body), runs in sorted(results.items(), key=lambda item: (int_of(item[0][1]), item[0][0])):
        rows.append(
            f"| {body} | {server} | {median(runs, 'rate'):.0f} | {median(runs, 'per_core_second'):.0f}"
            f" | {median(runs, 'p50_ms'):.1f} | {median(runs, 'p99_ms'):.1f}"
            f" | {median(runs, 'rss') / MEBIBYTE:.0f} | {sum(run.errors for run in runs)} |"
        )
    assert saturated or rows
    return rows


def int_of(body: str) -> float:
    number, unit = body.split()
    return float(number) * {"KB": 1e3, "MB": 1e6}[unit]


def ratio(results: Results, other: str, body: str) -> float:
    """Return the admitter's requests per CPU second as a multiple of another server's.

    Round by round, then the median: whatever else the machine did in a round, both had of it.
    """
    pairs = zip(results["admitter", body], results[other, body], strict=True)
    return float(statistics.median(a.per_core_second / b.per_core_second for a, b in pairs))


async def main() -> int:
    """Run it; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each load lasts")
    parser.add_argument("--reviews", type=Path, help="a directory of real reviews to send instead")
    options = parser.parse_args()
    async with Rig("etcd-shield-bench-") as rig:
        load, handler = build("load", rig.directory), build("handler", rig.directory)
        certificate = Authority(rig.directory / "certificates").server()
        redis = RedisServer(rig)
        await redis.start()
        publisher = Publisher(RedisSettings(url=redis.url))
        await publisher.publish(allow=True)
        rules = {
            "tiers": [
                {"tier": "critical", "namespaces": ["*-releng"]},
                {"tier": "background", "namespaces": ["mintmaker"]},
            ],
            "retry_after": [{"seconds": 30, "users": ["system:serviceaccount:*"]}],
        }
        admitter = PinnedAdmitter(rig, config(redis.url, **rules), certificate)
        started = time.perf_counter()
        await admitter.start()
        ready = time.perf_counter() - started
        idle = rss(admitter.pid)
        others = [Yardstick(rig, certificate), GoHandler(rig, certificate, handler), Nginx(rig, certificate)]
        for server in others:
            await server.start()
        servers = [admitter, *others]
        files = bodies.real(options.reviews) if options.reviews else bodies.invented(rig.directory)
        async with publisher.beating():
            full = await measure(load, servers, files, rounds=options.rounds, seconds=options.seconds)
            typical = {name: path for name, path in files.items() if int_of(name) < 100_000}
            steady = await measure(
                load, servers, typical, rounds=options.rounds, seconds=options.seconds, rate=STEADY_RATE
            )
        await publisher.store.close()
    print("\nAt saturation, 16 connections:\n")
    print("\n".join(table(full, saturated=True)))
    print(f"\nAt {STEADY_RATE:.0f} requests/s:\n")
    print("\n".join(table(steady, saturated=False)))
    names = sorted(files, key=int_of)
    middle, large = names[1], names[2]
    bars = [
        Bar(f"requests per CPU second, {middle}, admitter ÷ Go", ratio(full, "go", middle), 1.0),
        Bar(f"the same ÷ hand-written protocol, {middle}", ratio(full, "protocol", middle), 0.6),
        Bar(f"the same ÷ Go, {large}", ratio(full, "go", large), 2.0),
        Bar(
            f"p99 at {STEADY_RATE:.0f}/s above nginx's, {middle}, ms",
            median(steady["admitter", middle], "p99_ms") - median(steady["nginx", middle], "p99_ms"),
            10.0,
            at_most=True,
        ),
        Bar("memory before the first request, MiB", idle / MEBIBYTE, 64.0, at_most=True),
        Bar("start to ready, s", ready, 1.5, at_most=True),
    ]
    print()
    for bar in bars:
        print(bar)
    return 1 if any("MISSED" in str(bar) for bar in bars) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
