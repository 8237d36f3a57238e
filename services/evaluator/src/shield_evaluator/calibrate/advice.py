"""From a calibration to the settings that an operator pastes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from shield_common.config.types import Duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.calibrate.fit import Calibration
    from shield_evaluator.threshold_settings import ThresholdSettings

_KIB: Final = 1024
_ROUND: Final = 128  # KiB: a finer figure would promise more than any history holds


def run_cost_of(calibration: Calibration) -> str:
    """Return the ``run_cost`` to set: the upper end of the interval, since too low is worse."""
    kib = math.ceil(calibration.run_cost_interval.high / _KIB / _ROUND) * _ROUND
    return f"{kib // _KIB}Mi" if kib % _KIB == 0 else f"{kib}Ki"


def grows_over_of(calibration: Calibration) -> str | None:
    """Return the ``grows_over`` to set; None to keep what is there."""
    seconds = calibration.grows_over_seconds
    return None if seconds is None else str(Duration(seconds))


def settings_text(
    calibration: Calibration,
    tiers: Mapping[str, Mapping[str, ThresholdSettings]],
    signals: tuple[str, ...],
) -> str:
    """Return the ``tiers:`` of a configuration with what was found.

    Args:
        calibration: what was found.
        tiers: as they are configured.
        signals: those that are a share of etcd's quota.
    """
    found: dict[str, Any] = {"run_cost": run_cost_of(calibration)}
    grows_over = grows_over_of(calibration)
    if grows_over is not None:
        found["grows_over"] = grows_over
    lines = ["tiers:"]
    for tier, thresholds in tiers.items():
        lines.append(f"  {tier}:")
        for signal, threshold in thresholds.items():
            values = _stated(threshold)
            if signal in signals:
                values.update(found)
            lines.append(f"    {signal}: {_flow(values)}")
    return "\n".join(lines)


def _stated(threshold: ThresholdSettings) -> dict[str, Any]:
    """Return what differs from the defaults, as a file would have it."""
    values = {
        field.name: getattr(threshold, field.name)
        for field in msgspec.structs.fields(threshold)
        if getattr(threshold, field.name) != field.default
    }
    return {name: str(v) if isinstance(v, Duration) else v for name, v in values.items()}


def _flow(values: Mapping[str, Any]) -> str:
    plain = {name: int(v) if isinstance(v, int) else v for name, v in values.items()}
    text: str = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=math.inf)
    return text.strip()
