"""Which answers a correct shield may give, derived from etcd's true usage alone.

Theory of operation
===================

A correct shield is somewhere between two extremes: it may see every change at once, and it may see
nothing for as long as something is broken. So the model does not predict one answer; it
keeps the *set* of bits that a correct shield may show.

- Usage at or above `set`: it may deny from now on.
- All usage below `reset`: it may admit from now on.
- Usage at or above `set` for `settle` seconds while nothing was disturbed: it must deny.
- All usage below `reset` for `settle` seconds while nothing was disturbed: it must admit.
- In between, and while something is disturbed: whatever was possible stays possible, and
  nothing else becomes so.

So an admission after a denial is wrong unless usage has been below `reset` meanwhile, however many
processes died in between. The one thing that makes everything possible is `lost`: the latches were
lost together with every process that remembered them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

ADMIT = True
DENY = False
Bits = frozenset[bool]
EVERYTHING: Bits = frozenset({ADMIT, DENY})


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Parameters of the model.

    Attributes:
        set: The threshold from which the shield denies, as a share of the quota.
        reset: The threshold below which it admits.
        tolerance: How much usage may move between two looks, as a share of the quota.
        settle: Seconds that a healthy shield may take to show what etcd's usage demands.
    """

    set: float
    reset: float
    tolerance: float
    settle: float


@dataclass
class Model:
    """Follows etcd's usage; times are seconds of one monotonic clock and never go back."""

    bounds: Bounds
    _times: list[float] = field(default_factory=lambda: [float("-inf")])
    _possible: list[Bits] = field(default_factory=lambda: [frozenset({ADMIT})])
    _calm_since: float = float("-inf")
    _disturbances: int = 0
    _high_since: float | None = None
    _low_since: float | None = None

    def disturb(self) -> None:
        """Something is broken from now on."""
        self._disturbances += 1

    def calm(self, at: float) -> None:
        """It works again from now on."""
        self._disturbances -= 1
        self._calm_since = max(self._calm_since, at)

    def is_disturbed(self, at: float) -> bool:
        """Whether something is broken, or was within `settle` seconds before `at`."""
        return self._disturbances > 0 or at - self._calm_since < self.bounds.settle

    def lost(self, at: float) -> None:
        """All memory of the latches may be gone."""
        self._remember(at, EVERYTHING)

    def look(self, at: float, usage: Sequence[float]) -> None:
        """Take one look at etcd.

        Args:
            at: When.
            usage: Each signal's value, as a share of the quota.
        """
        bounds, highest = self.bounds, max(usage)
        possible = self._possible[-1]
        if highest >= bounds.set - bounds.tolerance:
            possible |= {DENY}
        if highest < bounds.reset + bounds.tolerance:
            possible |= {ADMIT}
        high = highest >= bounds.set + bounds.tolerance
        low = highest < bounds.reset - bounds.tolerance
        self._high_since = _since(self._high_since, at, holds=high)
        self._low_since = _since(self._low_since, at, holds=low)
        if self._settled(at, self._high_since):
            possible = frozenset({DENY})
        if self._settled(at, self._low_since):
            possible = frozenset({ADMIT})
        self._remember(at, possible)

    def possible(self, since: float, until: float) -> Bits:
        """Return the bits that were possible at any time of a span."""
        first = bisect_right(self._times, since) - 1
        last = bisect_right(self._times, until)
        return frozenset().union(*self._possible[max(first, 0) : last])

    def _settled(self, at: float, condition_since: float | None) -> bool:
        if condition_since is None or self._disturbances:
            return False
        return at - max(condition_since, self._calm_since) >= self.bounds.settle

    def _remember(self, at: float, possible: Bits) -> None:
        if possible != self._possible[-1]:
            self._times.append(at)
            self._possible.append(possible)


def _since(since: float | None, at: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return at if since is None else since
