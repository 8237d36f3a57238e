"""What the signals of a configuration read of a simulated etcd."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from shield_evaluator.core.plan import FILE_SIGNAL, IN_USE_SIGNAL, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.plan import Plan
    from shield_evaluator.simulate.etcd import Etcd

Reading = Callable[["Etcd", int], float]


def _file(etcd: Etcd, quota: int) -> float:
    return etcd.file / quota


def _in_use(etcd: Etcd, quota: int) -> float:
    return etcd.in_use / quota


# etcd's metrics (https://etcd.io/docs/latest/metrics/), the more telling part of their names first.
_METRICS: Final = (("in_use", _in_use), ("db_total_size", _file))
_NAMES: Final = {FILE_SIGNAL: _file, IN_USE_SIGNAL: _in_use}


def readings_of(plan: Plan, expressions: Mapping[str, str]) -> dict[str, Reading]:
    """Return what each signal reads; a signal that reads nothing of etcd's size is left out.

    Args:
        plan: its signals.
        expressions: signal -> PromQL.
    """
    found: dict[str, Reading] = {}
    for name, signal in plan.signals.items():
        expression = expressions.get(name, "")
        reading = _NAMES.get(name) or next(
            (reading for metric, reading in _METRICS if metric in expression), None
        )
        if reading is not None and signal.unit is Unit.RATIO:
            found[name] = reading
    return found
