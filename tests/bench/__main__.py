"""Measure the admitter beside other servers in one run, and compare the ratios with their bars."""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from shield_common.store.settings import RedisSettings
from tests.bench import reviews
from tests.bench.contestants import (
    GO_SOURCES,
    Contestant,
    GoServer,
    Nginx,
    PinnedAdmitter,
    Yardstick,
)
from tests.bench.figures import Figure, show
from tests.bench.measuring import cpu_seconds, drive, rss
from tests.bench.results import MEBIBYTE, Results, added_p99_ms, bytes_of, markdown, ratio
from tests.integration.admitter.publisher import Publisher
from tests.integration.admitter.site import config
from tests.rig.certificates import Authority
from tests.rig.errors import RigError
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.server import program

STEADY_RATE = 500.0
# Larger reviews saturate the slower servers at the steady rate.
STEADY_BYTES = 100_000
RULES = {
    "tiers": [
        {"tier": "critical", "namespaces": ["*-releng"]},
        {"tier": "background", "namespaces": ["mintmaker"]},
    ],
    "retry_after": [{"seconds": 30, "users": ["system:serviceaccount:*"]}],
}
# Names in the tables. The first is the stack of the Go etcd-shield.
CONTROLLER_RUNTIME, NET_HTTP, PROTOCOL = "controller-runtime", "net-http", "protocol"
# (size of the review, other server, least multiple of its requests per CPU second)
RATIO_BARS = (
    ("small", CONTROLLER_RUNTIME, 1.3),
    ("typical", CONTROLLER_RUNTIME, 4.5),
    ("typical", NET_HTTP, 2.5),
    ("typical", PROTOCOL, 0.65),
    ("large", CONTROLLER_RUNTIME, 9.0),
    ("large", NET_HTTP, 5.0),
)


def build(target: Path, *names: str) -> Mapping[str, Path]:
    """Compile Go programs and return their binaries by name.

    Raises:
        RigError: Go is missing, too old, or could not fetch the pinned modules.
    """
    command = [program("go", "install Go 1.25 or newer"), "build", "-o", f"{target}/"]
    done = subprocess.run(
        [*command, *(f"./{name}" for name in names)],
        cwd=GO_SOURCES,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RigError(f"go build in {GO_SOURCES} failed:\n{done.stderr}")
    return {name: target / name for name in names}


class Bench:
    """All measurements of one run.

    Args:
        rig: Ends the servers.
        options: The parsed command line.
    """

    def __init__(self, rig: Rig, options: argparse.Namespace) -> None:
        self._rig = rig
        self._rounds: int = options.rounds
        self._seconds: float = options.seconds
        given: Path | None = options.reviews
        self._reviews = reviews.invented(rig.directory) if given is None else reviews.real(given)
        self._certificate = Authority(rig.directory / "certificates").server()
        self._redis = RedisServer(rig)

    async def run(self) -> tuple[Results, Results, list[Figure]]:
        """Measure every server at saturation and at the steady rate.

        Returns:
            The results at saturation, those at the steady rate, and the figures that have a bar.
        """
        binaries = build(self._rig.directory, "load", "handler", "webhook")
        await self._redis.start()
        publisher = Publisher(RedisSettings(url=self._redis.url))
        await publisher.publish(allow=True)
        admitter = PinnedAdmitter(self._rig, config(self._redis.url, **RULES), self._certificate)
        await admitter.start()
        start = _start_figures(admitter.pid)
        others: list[Contestant] = [
            Yardstick(self._rig, PROTOCOL, self._certificate),
            GoServer(self._rig, NET_HTTP, self._certificate, binaries["handler"]),
            GoServer(self._rig, CONTROLLER_RUNTIME, self._certificate, binaries["webhook"]),
            Nginx(self._rig, "nginx", self._certificate),
        ]
        for server in others:
            await server.start()
        servers: list[Contestant | PinnedAdmitter] = [admitter, *others]
        light = {
            name: path for name, path in self._reviews.items() if bytes_of(name) < STEADY_BYTES
        }
        async with publisher.beating():
            full = await self._measure(binaries["load"], servers, self._reviews)
            steady = await self._measure(binaries["load"], servers, light, rate=STEADY_RATE)
        await publisher.store.close()
        return full, steady, [*self._figures(full, steady), *start]

    async def _measure(
        self,
        load: Path,
        servers: Sequence[Contestant | PinnedAdmitter],
        files: Mapping[str, Path],
        *,
        rate: float = 0,
    ) -> Results:
        results: Results = {}
        for _ in range(self._rounds):
            for review, path in files.items():
                for server in servers:
                    run = await drive(load, server, path, seconds=self._seconds, rate=rate)
                    results.setdefault((server.name, review), []).append(run)
        return results

    def _figures(self, full: Results, steady: Results) -> list[Figure]:
        names = dict(
            zip(("small", "typical", "large"), sorted(self._reviews, key=bytes_of), strict=False)
        )
        ratios = [
            Figure(
                what=f"{names[size]}: requests per CPU second, admitter / {other}",
                value=ratio(full, other, names[size]),
                bar=bar,
                unit="times",
                at_least=True,
            )
            for size, other, bar in RATIO_BARS
        ]
        added = Figure(
            what=f"{names['typical']}: p99 at {STEADY_RATE:.0f} requests/s above nginx's",
            value=added_p99_ms(steady, names["typical"]),
            bar=10.0,
            unit="ms",
        )
        return [*ratios, added]


def _start_figures(pid: int) -> list[Figure]:
    return [
        Figure(what="CPU from start to ready", value=cpu_seconds(pid), bar=1.5, unit="s"),
        Figure(
            what="memory before the first request", value=rss(pid) / MEBIBYTE, bar=72.0, unit="MiB"
        ),
    ]


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of measurements of each pair")
    parser.add_argument("--seconds", type=float, default=2.0, help="duration of one measurement")
    parser.add_argument(
        "--reviews", type=Path, help="directory of AdmissionReviews (*.json), three sizes or more"
    )
    return parser.parse_args()


async def main() -> int:
    """Print tables and bars; return 1 if a bar is missed, 2 if nothing could be measured."""
    chosen = options()
    try:
        async with Rig("etcd-shield-bench-") as rig:
            full, steady, figures = await Bench(rig, chosen).run()
    except RigError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"\nAt saturation, 16 connections:\n\n{markdown(full)}")
    print(f"\nAt {STEADY_RATE:.0f} requests/s:\n\n{markdown(steady)}\n")
    return show(Console(), figures)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
