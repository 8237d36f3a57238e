"""An etcd that runs fill, with what a run costs known: what a calibration has to find again."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shield_evaluator.backtest.runs import CREATED, QUOTA
from shield_evaluator.backtest.samples import QuerySamples, Samples, Series
from shield_evaluator.prometheus.range_query import Grid
from tests.histories.etcd import GIB, MEMBERS, STEP_SECONDS
from tests.histories.samples import BEGIN_MS

MIB = 1024**2
HOUR_STEPS = 3600 // STEP_SECONDS
COMPACTION_STEPS = 300 // STEP_SECONDS
# The name under which Prometheus scrapes an API server.
API_SERVER = "10.0.0.9:6443"


def daily(hours: float) -> float:
    """Return runs a second: quiet nights, busy days, and a burst at eleven."""
    wave = 0.25 + 0.2 * math.sin((hours - 8) / 24 * 2 * math.pi)
    return wave + (1.0 if 11 <= hours % 24 < 11.4 else 0.0)


def steady(_hours: float) -> float:
    """Return the same rate at all times."""
    return 0.3


def none(_hours: float) -> float:
    """Return that nothing is created."""
    return 0.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """An etcd with runs.

    Attributes:
        hours: How long.
        cost: Bytes that a run writes.
        lasts: Over how many seconds.
        spread: By what share of it one run may take longer or shorter than another.
        leaves: Share of the cost that stays until the run is pruned, half an hour after its end.
        rate: Runs a second, by hours since the begin.
        other: Bytes a second that everything else writes.
        noise: Spread of a reading, bytes.
        scrape: Every how many steps there is a new reading.
        quota: Of etcd, bytes.
        seed: For all chance.
    """

    hours: float
    cost: float = 4.6 * MIB
    lasts: float = 900
    spread: float = 0.0
    leaves: float = 0.13
    rate: Callable[[float], float] = daily
    other: float = 20 * 1024
    noise: float = 0.3 * MIB
    scrape: int = 1
    quota: int = 8 * GIB
    seed: int = 1

    @property
    def steps(self) -> int:
        """How many samples each member gives."""
        return round(self.hours * HOUR_STEPS) + 1


# What `calibrate` finds again: runs of different lengths, and readings that are not exact.
CALIBRATED = Load(hours=36, spread=0.5, noise=3 * MIB, other=60 * 1024)


@dataclass(frozen=True, kw_only=True)
class LoadReadings:
    """What is scraped.

    Attributes:
        in_use: Each member's live data, bytes, one per step.
        created: Runs created, since the API server's start.
    """

    in_use: Sequence[Sequence[float]]
    created: Sequence[int]


@lru_cache(maxsize=4)
def load_readings(load: Load) -> LoadReadings:
    """Return the readings of a load."""
    chance = random.Random(load.seed)
    # Per run: seconds left, bytes per second, and what a whole step adds to objects and revisions.
    writing: list[list[float]] = []
    pruned: dict[int, float] = {}
    objects = revisions = compactable = 0.0
    total = 4711
    created: list[int] = []
    sizes: list[float] = []
    for step in range(load.steps):
        for run in writing:
            if run[0] > STEP_SECONDS:
                run[0] -= STEP_SECONDS
                objects += run[2]
                revisions += run[3]
            else:
                objects += run[0] * run[1] * load.leaves
                revisions += run[0] * run[1] * (1 - load.leaves)
                run[0] = 0.0
        writing = [run for run in writing if run[0]]
        gone = pruned.pop(step, 0.0)
        objects -= gone
        revisions += gone + load.other * STEP_SECONDS
        for _ in range(_poisson(chance, load.rate(step / HOUR_STEPS) * STEP_SECONDS)):
            lasts = load.lasts * chance.uniform(1 - load.spread, 1 + load.spread)
            speed = load.cost / lasts
            step_bytes = STEP_SECONDS * speed
            writing.append([lasts, speed, step_bytes * load.leaves, step_bytes * (1 - load.leaves)])
            end = step + math.ceil((lasts + 1800) / STEP_SECONDS)
            pruned[end] = pruned.get(end, 0.0) + load.cost * load.leaves
            total += 1
        if step % COMPACTION_STEPS == COMPACTION_STEPS - 1:
            revisions -= compactable
            compactable = revisions
        scraped = step % load.scrape == 0 or not sizes
        sizes.append(load.quota * 0.15 + objects + revisions if scraped else sizes[-1])
        created.append(total if scraped else created[-1])
    members = []
    for _ in MEMBERS:
        offset = chance.uniform(-20, 20) * MIB
        noisy = [size + offset + chance.gauss(0, load.noise) for size in sizes]
        held = [noisy[step - step % load.scrape] for step in range(load.steps)]
        members.append(held)
    return LoadReadings(in_use=members, created=created)


def samples_with_runs(load: Load, expressions: dict[str, str]) -> Samples:
    """Return what range queries would give.

    Args:
        load: An etcd with runs.
        expressions: Of the signals `db-file` and `db-in-use`.
    """
    readings = load_readings(load)
    grid = Grid(BEGIN_MS, STEP_SECONDS * 1000, load.steps)
    shares = [
        _series(member, [size / load.quota for size in sizes])
        for member, sizes in zip(MEMBERS, readings.in_use, strict=True)
    ]
    quotas = [_series(member, [load.quota] * load.steps) for member in MEMBERS]
    created = _series(API_SERVER, readings.created)
    return Samples(
        grid,
        [
            *(QuerySamples(expressions[name], (name,), shares) for name in expressions),
            QuerySamples("created", (CREATED,), [created]),
            QuerySamples("quota", (QUOTA,), quotas),
        ],
    )


def openmetrics_with_runs(load: Load, begin_seconds: int) -> Iterator[str]:
    """Yield the lines that `promtool tsdb create-blocks-from openmetrics` makes a past of."""
    readings = load_readings(load)
    for metric in ("etcd_mvcc_db_total_size_in_bytes", "etcd_mvcc_db_total_size_in_use_in_bytes"):
        yield f"# TYPE {metric} gauge\n"
        for member, sizes in zip(MEMBERS, readings.in_use, strict=True):
            labels = f'instance="{member}"'
            yield from _lines(metric, labels, [round(size) for size in sizes], begin_seconds)
    yield "# TYPE etcd_server_quota_backend_bytes gauge\n"
    for member in MEMBERS:
        labels = f'instance="{member}"'
        yield from _lines(
            "etcd_server_quota_backend_bytes", labels, [load.quota] * load.steps, begin_seconds
        )
    yield "# TYPE apiserver_request counter\n"
    labels = f'instance="{API_SERVER}",resource="pipelineruns",verb="POST",code="201"'
    yield from _lines("apiserver_request_total", labels, readings.created, begin_seconds)
    yield "# EOF\n"


def _lines(metric: str, labels: str, values: Sequence[float], begin_seconds: int) -> Iterator[str]:
    for step, value in enumerate(values):
        yield f"{metric}{{{labels}}} {value} {begin_seconds + step * STEP_SECONDS}\n"


def _series(member: str, values: Sequence[float]) -> Series:
    series = Series(member, len(values))
    for step, value in enumerate(values):
        series.put(step, value)
    return series


def _poisson(chance: random.Random, mean: float) -> int:
    """Return how many of many rare things happen (Knuth's way; means here are small)."""
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count
