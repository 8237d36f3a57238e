"""The configurations that are compared: with room, with latches alone, with no shield."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from shield_common.config.types import Size
from shield_evaluator.core.plan import Plan, Unit
from shield_evaluator.settings import MAX_SLOTS
from shield_evaluator.simulate.loop import simulate
from shield_evaluator.threshold_settings import ThresholdSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from shield_evaluator.core.plan import Threshold
    from shield_evaluator.simulate.outcome import Simulated
    from shield_evaluator.simulate.readings import Reading
    from shield_evaluator.simulate.world import World

HOLDING: Final = "latches, room, holding"
ROOM: Final = "latches and room"
LATCHES: Final = "latches alone"
NOTHING: Final = "no shield"


def with_run_cost(plan: Plan, run_cost: int) -> Plan:
    """Return a plan in which a run costs this many bytes in every tier."""

    def priced(signal: str, threshold: Threshold) -> Threshold:
        if plan.signals[signal].unit is not Unit.RATIO:
            return threshold
        if threshold.room is not None:
            return replace(threshold, room=replace(threshold.room, run_cost=run_cost))
        settings = ThresholdSettings(
            set=threshold.set, reset=threshold.reset, run_cost=Size(run_cost)
        )
        return replace(threshold, room=settings.threshold().room)

    return _changed(plan, priced)


def without_room(plan: Plan) -> Plan:
    """Return a plan whose latches alone decide."""
    return _changed(plan, lambda _name, threshold: replace(threshold, room=None))


def with_holding(plan: Plan, max_held: int | None) -> Plan:
    """Return a plan in which at most ``max_held`` runs are held; None switches holding off."""
    return replace(plan, max_held=max_held)


def only(plan: Plan, tiers: Collection[str]) -> Plan:
    """Return a plan with some of its tiers. Those in which nothing is asked for change nothing."""
    kept = {tier: thresholds for tier, thresholds in plan.tiers.items() if tier in tiers}
    default = plan.default_tier if plan.default_tier in kept else next(iter(kept))
    return replace(plan, tiers=kept, default_tier=default)


def simulate_variants(
    world: World, plan: Plan, readings: Mapping[str, Reading]
) -> dict[str, Simulated]:
    """Simulate a plan, and the same world without holding, without room and without a shield."""
    asked = only(plan, world.tiers or (plan.default_tier,))
    variants = {}
    if asked.max_held is not None:
        variants[HOLDING] = simulate(world, asked, readings)
        asked = with_holding(asked, None)
    if asked.has_room:
        variants[ROOM] = simulate(world, asked, readings)
    variants[LATCHES] = simulate(world, without_room(asked), readings)
    variants[NOTHING] = simulate(world, asked, readings, shield=False)
    return variants


def slots_needed(world: World, plan: Plan, readings: Mapping[str, Reading]) -> int | None:
    """Return how many slots hold every run that has to wait.

    None if no number does: etcd gets so full that new runs are denied all the same.
    """
    asked = with_holding(only(plan, world.tiers or (plan.default_tier,)), MAX_SLOTS)
    outcome = simulate(world, asked, readings).outcome
    return None if outcome.lost else outcome.most_held


def _changed(plan: Plan, change: Callable[[str, Threshold], Threshold]) -> Plan:
    tiers = {
        tier: {name: change(name, threshold) for name, threshold in thresholds.items()}
        for tier, thresholds in plan.tiers.items()
    }
    return replace(plan, tiers=tiers)
