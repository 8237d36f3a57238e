"""Least squares of ``bytes = cost x runs + drift x seconds``, as sums that can be added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Line:
    """A solution.

    Attributes:
        cost: bytes per run.
        drift: bytes per second that no run explains.
        squares: what remains, squared and weighted.
    """

    cost: float
    drift: float
    squares: float

    def at(self, runs: float, seconds: float) -> float:
        """Return the growth that it expects, bytes."""
        return self.cost * runs + self.drift * seconds


@dataclass(slots=True)
class Sums:
    """All that least squares need of some points; weights are 1 / seconds.

    Noise adds up with time, so that a long stretch is less exact than a short one.
    """

    points: int = 0
    seconds: float = 0.0
    runs: float = 0.0
    runs_squared: float = 0.0
    bytes: float = 0.0
    product: float = 0.0
    bytes_squared: float = 0.0

    @classmethod
    def of(cls, points: Iterable[tuple[float, float, float]]) -> Sums:
        """Sum up points of (runs, seconds, bytes)."""
        sums = cls()
        for runs, seconds, size in points:
            sums.points += 1
            sums.seconds += seconds
            sums.runs += runs
            sums.runs_squared += runs * runs / seconds
            sums.bytes += size
            sums.product += runs * size / seconds
            sums.bytes_squared += size * size / seconds
        return sums

    def add(self, other: Sums) -> None:
        """Add the sums of further points."""
        self.points += other.points
        self.seconds += other.seconds
        self.runs += other.runs
        self.runs_squared += other.runs_squared
        self.bytes += other.bytes
        self.product += other.product
        self.bytes_squared += other.bytes_squared

    def solve(self) -> Line | None:
        """Return the solution; None if the rate of runs never changed, so that there is none."""
        determinant = self.seconds * self.runs_squared - self.runs * self.runs
        if self.seconds <= 0 or determinant <= 1e-9 * self.seconds * self.runs_squared:
            return None
        cost = (self.seconds * self.product - self.runs * self.bytes) / determinant
        drift = (self.bytes - cost * self.runs) / self.seconds
        squares = self.bytes_squared - cost * self.product - drift * self.bytes
        return Line(cost, drift, max(0.0, squares))

    @property
    def spread(self) -> float:
        """The squares that remain if runs explain nothing."""
        return 0.0 if self.seconds <= 0 else self.bytes_squared - self.bytes**2 / self.seconds
