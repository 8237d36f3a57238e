"""How much memory the large bodies may take together.

Small bodies are bounded by the number of connections. A large one is read only after its whole
length was set aside, so that whoever has begun can always finish; the others wait in line.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL: Final = 256 * 1024  # bytes; nearly all reviews are below
BUDGET: Final = 64 * 1024 * 1024  # bytes; eight of the largest at once


class BodyBudget:
    """Sets memory aside, first come first served."""

    def __init__(self, size: int = BUDGET) -> None:
        self._size = size
        self._used = 0
        self._line: deque[Claim] = deque()

    @property
    def used(self) -> int:
        """How many bytes are set aside."""
        return self._used

    def claim(self, length: int, on_granted: Callable[[], None]) -> Claim:
        """Ask for so many bytes; `Claim.granted` says whether they are there at once.

        Args:
            length: bytes. More than the whole budget is granted when nobody else has any.
            on_granted: called later if they are not.
        """
        claim = Claim(self, length, on_granted)
        if not self._line and self._fits(claim):
            self._grant(claim)
        else:
            self._line.append(claim)
        return claim

    def release(self, claim: Claim) -> None:
        """Take a claim back, granted or not."""
        if claim.granted:
            self._used -= claim.length
            claim.granted = False
        else:
            claim.given_up = True
        while self._line and (self._line[0].given_up or self._fits(self._line[0])):
            first = self._line.popleft()
            if not first.given_up:
                self._grant(first)
                first.on_granted()

    def _fits(self, claim: Claim) -> bool:
        return self._used == 0 or self._used + claim.length <= self._size

    def _grant(self, claim: Claim) -> None:
        self._used += claim.length
        claim.granted = True


class Claim:
    """One body's share; its holder releases it exactly once.

    Attributes:
        granted: the memory may be used.
        given_up: released before it was granted.
    """

    __slots__ = ("_budget", "given_up", "granted", "length", "on_granted")

    def __init__(self, budget: BodyBudget, length: int, on_granted: Callable[[], None]) -> None:
        self._budget = budget
        self.length = length
        self.on_granted = on_granted
        self.granted = False
        self.given_up = False

    def release(self) -> None:
        """Give the memory back."""
        self._budget.release(self)
