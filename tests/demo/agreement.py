"""Whether the admitters agreed: a judgement over samples of their bits, without clock or I/O."""

from collections.abc import Sequence

# One admitter's answer to "do you admit?"; None if it gave none.
Bit = bool | None


class Agreement:
    """Judges rounds of samples, one bit per admitter in each.

    A round is *equal* if every admitter gave the same bit. Around a change rounds may be unequal,
    for a decision does not reach all at the same instant. The admitters *agree* if there was an
    equal round, and no two unequal rounds lie more than `window` seconds apart without an equal
    one between them.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self.rounds = 0
        self.unequal_rounds = 0
        self.longest_difference = 0.0
        self._differing_since: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the admitters agreed in every round so far."""
        return self.rounds > self.unequal_rounds and self.longest_difference <= self.window

    def add(self, at: float, bits: Sequence[Bit]) -> None:
        """Take one round.

        Args:
            at: When it was sampled, in seconds of any monotonic clock.
            bits: Of every admitter, in the same order in each round.
        """
        self.rounds += 1
        if None not in bits and len(set(bits)) == 1:
            self._differing_since = None
            return
        self.unequal_rounds += 1
        if self._differing_since is None:
            self._differing_since = at
        self.longest_difference = max(self.longest_difference, at - self._differing_since)
