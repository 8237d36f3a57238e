"""The last hour of a signal, and when it will reach its end at the present slope."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

# An hour shows a compaction's saw-tooth and a burst; a point every 5 s is finer than any scrape
# that matters and keeps the fit below a millisecond.
SPAN_MS: Final = 3_600_000
SPACING_MS: Final = 5_000

# A fall by half a percent of the quota is a compaction or a defrag; less is noise.
DROP: Final = 0.005

# Fewer points or a shorter stretch make a slope out of one scrape's jitter.
MIN_POINTS: Final = 3

# Beyond this a forecast says nothing; shown as null.
HORIZON_SECONDS: Final = 30 * 24 * 3600


@dataclass(slots=True)
class History:
    """One signal's values over the last hour.

    Attributes:
        points: (milliseconds, value), oldest first, about `SPACING_MS` apart but for the last.
    """

    points: deque[tuple[int, float]] = field(default_factory=deque)

    def add(self, now_ms: int, value: float) -> None:
        """Remember a value; ``now_ms`` never goes back."""
        points = self.points
        if len(points) > 1 and now_ms - points[-2][0] < SPACING_MS:
            points.pop()
        points.append((now_ms, value))
        while points[0][0] < now_ms - SPAN_MS:
            points.popleft()

    def seconds_to(self, limit: float) -> float | None:
        """Forecast when the value reaches a limit.

        Fits a line through the values since the last drop (least squares).

        Args:
            limit: in the signal's unit.

        Returns:
            Seconds from the last value; 0 if it is there already; None when there is too little
            to see, or the value is flat or falling, or the forecast is beyond `HORIZON_SECONDS`.
        """
        if not self.points:
            return None
        _, last = self.points[-1]
        if last >= limit:
            return 0.0
        slope = _slope(self._since_last_drop())
        if slope is None or slope <= 0:
            return None
        seconds = (limit - last) / slope
        return seconds if seconds <= HORIZON_SECONDS else None

    def _since_last_drop(self) -> list[tuple[int, float]]:
        run: list[tuple[int, float]] = []
        for point in reversed(self.points):
            if run and point[1] - run[-1][1] > DROP:
                break
            run.append(point)
        return run


def _slope(points: list[tuple[int, float]]) -> float | None:
    """Return the least-squares slope per second."""
    if len(points) < MIN_POINTS:
        return None
    count = len(points)
    mean_t = sum(t for t, _ in points) / count
    mean_v = sum(v for _, v in points) / count
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    if spread == 0:
        return None
    return 1000 * sum((t - mean_t) * (v - mean_v) for t, v in points) / spread
