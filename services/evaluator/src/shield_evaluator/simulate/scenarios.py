"""Scenarios that a shield has to survive, with an etcd of 8 GiB, and the default configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shield_evaluator.core.plan import (
    FILE_SIGNAL,
    IN_USE_SIGNAL,
    OnBlind,
    Plan,
    SignalPlan,
    Unit,
)
from shield_evaluator.simulate.world import HOUR, MINUTE, Arrivals, EtcdModel, Watching, World
from shield_evaluator.threshold_settings import ThresholdSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

USUAL_RATE: Final = 0.2  # runs per second on a quiet day of the clusters this is made for
BURST_BEGINS: Final = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world with a name.

    Attributes:
        name: as ``--scenario`` takes it.
        story: what happens, in a sentence.
        world: the same as numbers.
    """

    name: str
    story: str
    world: World


def burst(rate: float, seconds: int, *, usual: float = USUAL_RATE) -> Arrivals:
    """Return arrivals that rise to a rate for some seconds, ten minutes after the start."""
    end = BURST_BEGINS + seconds
    return Arrivals([(0, usual), (BURST_BEGINS, rate), (end, usual)])


_BURST: Final = burst(3, 20 * MINUTE)

SCENARIOS: Final[Sequence[Scenario]] = (
    Scenario(
        "quiet-day",
        "0.2 runs a second for six hours",
        World(seconds=6 * HOUR, arrivals=Arrivals([(0, USUAL_RATE)])),
    ),
    Scenario(
        "burst-3-per-second",
        "3 runs a second for 20 minutes",
        World(seconds=3 * HOUR, arrivals=_BURST),
    ),
    Scenario(
        "burst-8-per-second",
        "8 runs a second for 10 minutes",
        World(seconds=3 * HOUR, arrivals=burst(8, 10 * MINUTE)),
    ),
    Scenario(
        "two-hours-1.2-per-second",
        "1.2 runs a second for 2 hours",
        World(seconds=4 * HOUR, arrivals=burst(1.2, 2 * HOUR)),
    ),
    Scenario(
        "twelve-hours-1-per-second",
        "1 run a second for 12 hours",
        World(seconds=12 * HOUR, arrivals=Arrivals([(0, 1.0)])),
    ),
    Scenario(
        "burst-without-defrag",
        "3 runs a second for 20 minutes, and the file is never defragmented",
        World(seconds=3 * HOUR, arrivals=_BURST, etcd=EtcdModel(defrag=None)),
    ),
    Scenario(
        "burst-without-metrics",
        "3 runs a second for 20 minutes; after 5 of them the metrics are gone for 15",
        World(
            seconds=3 * HOUR,
            arrivals=_BURST,
            watching=Watching(blind=((15 * MINUTE, 30 * MINUTE),)),
        ),
    ),
    Scenario(
        "burst-above-62-percent",
        "3 runs a second for 20 minutes on an etcd that is 62% full without them",
        World(seconds=3 * HOUR, arrivals=_BURST, etcd=EtcdModel(base=0.62)),
    ),
)


def default_plan() -> Plan:
    """Return the thresholds of the examples and the chart, without room."""
    signal = SignalPlan(
        members=None, blind_after_ms=120_000, on_blind=OnBlind.HOLD, unit=Unit.RATIO
    )
    return Plan(
        signals={FILE_SIGNAL: signal, IN_USE_SIGNAL: signal},
        tiers={
            "critical": {
                FILE_SIGNAL: ThresholdSettings(set=0.97, reset=0.93).threshold(),
                IN_USE_SIGNAL: ThresholdSettings(set=0.92, reset=0.87).threshold(),
            },
            "standard": {
                FILE_SIGNAL: ThresholdSettings(set=0.90, reset=0.80).threshold(),
                IN_USE_SIGNAL: ThresholdSettings(set=0.85, reset=0.75).threshold(),
            },
            "background": {
                FILE_SIGNAL: ThresholdSettings(set=0.85, reset=0.75).threshold(),
                IN_USE_SIGNAL: ThresholdSettings(set=0.75, reset=0.65).threshold(),
            },
        },
        default_tier="standard",
    )
