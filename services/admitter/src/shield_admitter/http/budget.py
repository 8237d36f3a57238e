"""How much memory the large bodies may take together.

A body's first bytes, up to `SMALL`, are bounded by the number of connections. What goes beyond is
set aside in steps, as the bytes before it have arrived: a length that is only declared costs
nothing. When nothing is left, bodies wait in line, and the first in line becomes the *favourite*:
it alone may go beyond the pool, so somebody can always finish. All together stay below the pool
and one body.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL: Final = 32 * 1024  # bytes; a typical review has 19 KB
STEP: Final = 256 * 1024  # bytes; nearly all reviews need one at most
POOL: Final = 56 * 1024 * 1024  # bytes; with the favourite's 8 MiB it makes 64


class BodyBudget:
    """Sets memory aside, first come first served."""

    def __init__(self, pool: int = POOL, *, step: int = STEP) -> None:
        self._pool = pool
        self._step = step
        self._used = 0
        self._line: deque[Share] = deque()
        self._favourite: Share | None = None

    @property
    def used(self) -> int:
        """How many bytes are set aside."""
        return self._used

    def enlarge(self, share: Share, length: int) -> bool:
        """Make a share so large; say whether it is at once.

        If it is not, the share stands in line, and its `on_granted` is called later.

        Args:
            share: does not stand in line.
            length: bytes, rounded up to whole steps.
        """
        share.wanted = max(share.held, -(-length // self._step) * self._step)
        if share.wanted == share.held:
            return True
        if share is self._favourite or (not self._line and self._may_have(share)):
            self._grant(share)
            return True
        self._line.append(share)
        return False

    def release(self, share: Share) -> None:
        """Take a share back, whether it has anything, stands in line, or neither."""
        self._used -= share.held
        share.held = 0
        if share is self._favourite:
            self._favourite = None
        if share in self._line:
            self._line.remove(share)
        while self._line and self._may_have(self._line[0]):
            first = self._line.popleft()
            self._grant(first)
            first.on_granted()

    def _may_have(self, share: Share) -> bool:
        if self._used - share.held + share.wanted <= self._pool:
            return True
        if self._favourite is None:
            self._favourite = share
        return share is self._favourite

    def _grant(self, share: Share) -> None:
        self._used += share.wanted - share.held
        share.held = share.wanted


class Share:
    """One body's part of the memory; its holder releases it.

    Attributes:
        held: bytes that may be used.
        wanted: bytes that were asked for; more than `held` while it stands in line.
        on_granted: called when a share that stood in line has what it wanted.
    """

    __slots__ = ("_budget", "held", "on_granted", "wanted")

    def __init__(self, budget: BodyBudget, on_granted: Callable[[], None]) -> None:
        self._budget = budget
        self.on_granted = on_granted
        self.held = 0
        self.wanted = 0

    def enlarge(self, length: int) -> bool:
        """Ask for so many bytes in all; say whether they are there at once."""
        return self._budget.enlarge(self, length)

    def release(self) -> None:
        """Give everything back."""
        self._budget.release(self)
