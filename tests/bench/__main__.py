"""`make bench`: the admitter beside its yardsticks, as one table and a verdict on each bar."""

import argparse
import asyncio
import statistics
import subprocess
import sys
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
from tests.bench.measuring import Run, cpu_seconds, drive, rss
from tests.integration.admitter.publisher import Publisher
from tests.integration.admitter.site import config
from tests.rig.certificates import Authority
from tests.rig.errors import RigError
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.server import program

STEADY_RATE = 500.0
MEBIBYTE = 1024 * 1024
RULES = {
    "tiers": [
        {"tier": "critical", "namespaces": ["*-releng"]},
        {"tier": "background", "namespaces": ["mintmaker"]},
    ],
    "retry_after": [{"seconds": 30, "users": ["system:serviceaccount:*"]}],
}


@dataclass(frozen=True)
class Bar:
    """What DESIGN promises, and what was found."""

    name: str
    found: float
    bar: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.found <= self.bar if self.at_most else self.found >= self.bar

    def __str__(self) -> str:
        """Write it on one line."""
        word = "met   " if self.met else "MISSED"
        sign = "at most" if self.at_most else "at least"
        return f"{word}  {self.name}: {self.found:.2f}, {sign} {self.bar:g}"


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


def median(runs: Sequence[Run], what: str) -> float:
    return float(statistics.median(getattr(run, what) for run in runs))


def table(results: Results) -> list[str]:
    """Return the results as a Markdown table."""
    rows = [
        "| review | server | requests/s | per second of CPU | p50 ms | p99 ms | RSS MiB | errors |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (server, body), runs in sorted(
        results.items(), key=lambda item: (bytes_of(item[0][1]), item[0][0])
    ):
        cells = [
            body,
            server,
            f"{median(runs, 'rate'):.0f}",
            f"{median(runs, 'per_core_second'):.0f}",
            f"{median(runs, 'p50_ms'):.1f}",
            f"{median(runs, 'p99_ms'):.1f}",
            f"{median(runs, 'rss') / MEBIBYTE:.0f}",
            str(sum(run.errors for run in runs)),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def bytes_of(body: str) -> float:
    """Return the size that a review's name tells."""
    number, unit = body.split()
    return float(number) * {"KB": 1e3, "MB": 1e6}[unit]


def ratio(results: Results, other: str, body: str) -> float:
    """Return the admitter's requests per CPU second as a multiple of another server's.

    Round by round, then the median: whatever else the machine did in a round, both had of it.
    """
    pairs = zip(results["admitter", body], results[other, body], strict=True)
    return float(statistics.median(a.per_core_second / b.per_core_second for a, b in pairs))


class Bench:
    """Everything that is measured, in one run."""

    def __init__(self, rig: Rig, options: argparse.Namespace) -> None:
        self._rig = rig
        self._rounds: int = options.rounds
        self._seconds: float = options.seconds
        given: Path | None = options.reviews
        self._files = bodies.invented(rig.directory) if given is None else bodies.real(given)
        self._certificate = Authority(rig.directory / "certificates").server()
        self._redis = RedisServer(rig)

    async def run(self) -> tuple[Results, Results, list[Bar]]:
        """Start everybody, measure at saturation and at a steady rate, and look at the bars."""
        load, handler = build("load", self._rig.directory), build("handler", self._rig.directory)
        await self._redis.start()
        publisher = Publisher(RedisSettings(url=self._redis.url))
        await publisher.publish(allow=True)
        admitter = PinnedAdmitter(self._rig, config(self._redis.url, **RULES), self._certificate)
        await admitter.start()
        bars = [
            Bar("CPU from start to ready, s", cpu_seconds(admitter.pid), 1.5, at_most=True),
            Bar(
                "memory before the first request, MiB",
                rss(admitter.pid) / MEBIBYTE,
                64.0,
                at_most=True,
            ),
        ]
        others: list[Contestant] = [
            Yardstick(self._rig, self._certificate),
            GoHandler(self._rig, self._certificate, handler),
            Nginx(self._rig, self._certificate),
        ]
        for server in others:
            await server.start()
        servers: list[Contestant | PinnedAdmitter] = [admitter, *others]
        usual = {name: path for name, path in self._files.items() if bytes_of(name) < 100_000}
        async with publisher.beating():
            full = await self._measure(load, servers, self._files)
            steady = await self._measure(load, servers, usual, rate=STEADY_RATE)
        await publisher.store.close()
        return full, steady, [*self._bars(full, steady), *bars]

    async def _measure(
        self,
        load: Path,
        servers: Sequence[Contestant | PinnedAdmitter],
        files: dict[str, Path],
        *,
        rate: float = 0,
    ) -> Results:
        results: Results = {}
        for _ in range(self._rounds):
            for body, path in files.items():
                for server in servers:
                    run = await drive(load, server, path, seconds=self._seconds, rate=rate)
                    results.setdefault((server.name, body), []).append(run)
        return results

    def _bars(self, full: Results, steady: Results) -> list[Bar]:
        _, typical, large, *_ = sorted(self._files, key=bytes_of)
        pairs = zip(steady["admitter", typical], steady["nginx", typical], strict=True)
        added = statistics.median(ours.p99_ms - nginx.p99_ms for ours, nginx in pairs)
        return [
            Bar(f"{typical}: admitter / Go", ratio(full, "go", typical), 1.0),
            Bar(
                f"{typical}: admitter / hand-written protocol",
                ratio(full, "protocol", typical),
                0.6,
            ),
            Bar(f"{large}: admitter / Go", ratio(full, "go", large), 2.0),
            Bar(
                f"{typical}: p99 at {STEADY_RATE:.0f}/s above nginx's, ms",
                added,
                10.0,
                at_most=True,
            ),
        ]


async def main() -> int:
    """Run it; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each load lasts")
    parser.add_argument("--reviews", type=Path, help="a directory of three or more reviews to send")
    async with Rig("etcd-shield-bench-") as rig:
        full, steady, bars = await Bench(rig, parser.parse_args()).run()
    print("\n".join(["", "At saturation, 16 connections:", "", *table(full)]))
    print("\n".join(["", f"At {STEADY_RATE:.0f} requests/s:", "", *table(steady), ""]))
    print("\n".join(map(str, bars)))
    return 0 if all(bar.met for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
