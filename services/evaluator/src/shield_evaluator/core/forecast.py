"""The last hour of each signal, and when etcd will be full at the present slope."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from operator import mul
from typing import TYPE_CHECKING, Final

from shield_evaluator.core.latch import blind_signals
from shield_evaluator.core.plan import HORIZON_SECONDS, Unit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan

# An hour shows a compaction's saw-tooth and a burst. A point every 5 s is finer than any usual
# scrape interval and keeps the fit below a millisecond.
SPAN_MS: Final = 3_600_000
SPACING_MS: Final = 5_000

# A fall by half a percent of the quota is a compaction or a defrag; less is noise.
DROP: Final = 0.005

# With fewer points the slope is that of one scrape's jitter.
MIN_POINTS: Final = 3

FULL_RATIO: Final = 1.0  # a ratio signal's value when etcd is full


@dataclass(slots=True)
class History:
    """One signal's values over the last hour.

    Attributes:
        points: (milliseconds, value), oldest first, about `SPACING_MS` apart but for the last.
    """

    points: deque[tuple[int, float]] = field(default_factory=deque)
    _since_drop: deque[tuple[int, float]] = field(default_factory=deque)

    def add(self, now_ms: int, value: float) -> None:
        """Append a value; ``now_ms`` must not be before the last one's."""
        points, since_drop = self.points, self._since_drop
        if len(points) > 1 and now_ms - points[-2][0] < SPACING_MS:
            points.pop()
            since_drop.pop()
        if points and points[-1][1] - value > DROP:
            since_drop.clear()
        for series in (points, since_drop):
            series.append((now_ms, value))
            while series[0][0] < now_ms - SPAN_MS:
                series.popleft()

    def seconds_to(self, limit: float, *, now_ms: int) -> float | None:
        """Forecast when the value reaches a limit, by a least-squares line since the last drop.

        Args:
            limit: in the signal's unit.
            now_ms: the present instant, not before the last value's.

        Returns:
            Seconds from now, 0 if the limit is reached; None with fewer than `MIN_POINTS` values,
            with a flat or falling line, or if the forecast is beyond `HORIZON_SECONDS`.
        """
        if not self.points:
            return None
        at_ms, last = self.points[-1]
        if last >= limit:
            return 0.0
        slope = _slope(self._since_drop)
        if slope is None or slope <= 0:
            return None
        seconds = max((limit - last) / slope - (now_ms - at_ms) / 1000, 0.0)
        return seconds if seconds <= HORIZON_SECONDS else None


@dataclass(slots=True)
class Histories:
    """The histories of all signals.

    Attributes:
        by_signal: the signals that have had a complete observation.
    """

    by_signal: dict[str, History] = field(default_factory=dict)

    def add(self, plan: Plan, observations: Mapping[str, Observation], *, now_ms: int) -> None:
        """Append the complete observations, and drop the signals that the plan lacks."""
        for name in self.by_signal.keys() - plan.signals.keys():
            del self.by_signal[name]
        for name, observation in observations.items():
            if observation.value is not None and not observation.partial:
                self.by_signal.setdefault(name, History()).add(now_ms, observation.value)

    def seconds_to_full(
        self, plan: Plan, last_usable_ms: Mapping[str, int], *, now_ms: int
    ) -> float | None:
        """Forecast when the first signal reaches etcd's quota.

        Args:
            plan: the configuration; its ratio signals count unless they are blind.
            last_usable_ms: by signal, the time of its last usable observation.
            now_ms: the present instant.

        Returns:
            As `History.seconds_to`.
        """
        blind = blind_signals(plan, last_usable_ms, now_ms=now_ms)
        forecasts = [
            seconds
            for name, signal in plan.signals.items()
            if signal.unit is Unit.RATIO
            and name not in blind
            and (history := self.by_signal.get(name)) is not None
            and (seconds := history.seconds_to(FULL_RATIO, now_ms=now_ms)) is not None
        ]
        return min(forecasts, default=None)


def _slope(points: Collection[tuple[int, float]]) -> float | None:
    """Return the least-squares slope per second.

    Of an hour's points it takes half the time that `statistics.linear_regression` does, in every
    cycle and for each signal.
    """
    if len(points) < MIN_POINTS:
        return None
    times = [t for t, _ in points]
    mean_t, mean_v = sum(times) / len(times), sum([v for _, v in points]) / len(times)
    from_mean = [t - mean_t for t in times]
    spread: float = sum(map(mul, from_mean, from_mean))
    if spread == 0:
        return None
    covariance: float = sum(map(mul, from_mean, [v - mean_v for _, v in points]))
    return 1000 * covariance / spread
