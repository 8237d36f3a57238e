"""The latches as one evaluator remembers them from cycle to cycle.

What moves a latch is in ``core.latch``. Here is decided whose latches count: the evaluator's own,
or those that a writer has stored. A standby follows the writer's in memory, so that it can take
over even when the store loses its data at the same moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from shield_common import logs
from shield_common.decision import DocumentError, decode_decision
from shield_evaluator.core import holding, latches_document, room
from shield_evaluator.core.latch import advance, after_pause
from shield_evaluator.core.state import Instant, ShieldState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.room_inputs import RoomInputs


class LatchMemory:
    """The current state, its order among all decisions, and pauses of the process.

    Attributes:
        state: the state after the last cycle.
        pause_ms: without a cycle for longer than this the process was paused, milliseconds.
    """

    def __init__(self, *, pause_ms: int) -> None:
        self.state = ShieldState()
        self.pause_ms = pause_ms
        # The order of the newest decision whose latches are part of the state.
        self._order = (0, 0)
        # Whether the state is exactly what the writer of that decision stored.
        self._inherited = False
        # When the next observations are due at the latest; None before the first ones.
        self._due_ms: int | None = None
        self._undecodable: bytes | None = None
        self._log = logs.get(__name__)

    def apply_settings(self, old: Plan, new: Plan, *, pause_ms: int) -> None:
        """Prepare for another configuration; latches that it still names are kept.

        A new tier starts with the bit that admitters have given it until now: the default tier's.
        """
        default = self.state.bits.get(old.default_tier)
        if default is not None:
            added = {tier: default for tier in new.tiers if tier not in self.state.bits}
            self.state = replace(self.state, bits={**self.state.bits, **added})
        if self._due_ms is not None:
            self._due_ms += max(0, pause_ms - self.pause_ms)
        self.pause_ms = pause_ms
        removed = self.removed_latches(new)
        kept = len(self.state.latches) - len(removed)
        self._log.info("configuration in force", latches_kept=kept, latches_removed=removed)

    def removed_latches(self, plan: Plan) -> list[str]:
        """Return the latches, as tier/signal, that the next cycle with this plan removes."""
        return sorted(
            f"{tier}/{signal}"
            for tier, signal in self.state.latches
            if signal not in plan.tiers.get(tier, ())
        )

    @property
    def blank(self) -> bool:
        """Whether the state is part of no decision, of this evaluator or of another."""
        return self._order == (0, 0)

    def recover(self, document: bytes | None, plan: Plan) -> None:
        """Take bits and latches from the stored decision; for a blank memory.

        Args:
            document: the decision document; None if the store has none.
            plan: the configuration.
        """
        if document is None:
            return
        try:
            decision = decode_decision(document)
        except DocumentError as error:
            self._log.warning("the stored decision cannot be decoded", problem=str(error))
            return
        self.state, self._order = latches_document.recover(decision, plan), decision.order
        self._log.warning(
            "no latches in the store, using those of the stored decision",
            tiers={tier: bit.allow for tier, bit in self.state.bits.items()},
        )

    def advance(
        self,
        plan: Plan,
        observations: Mapping[str, Observation],
        inputs: RoomInputs,
        at: Instant,
    ) -> None:
        """Advance the state by one cycle."""
        before = self._without_pause(at)
        room_state = room.advance(
            plan,
            before.room,
            observations,
            quotas=inputs.quotas,
            totals=inputs.totals,
            now_ms=at.ms,
        )
        held = holding.advance(plan, before.holding, observations, inputs.held)
        self.state = advance(plan, before, observations, at, room=room_state, holding=held)
        self._inherited = False
        self._due_ms = at.ms + self.pause_ms

    def mark_published(self, order: tuple[int, int]) -> None:
        """Note that the state is stored with the decision of this order, or may be."""
        self._order = order

    def adopt(self, document: bytes | None, *, now_ms: int) -> None:
        """Replace the state by the stored latches if these are newer.

        A document that was adopted before is decoded again, because its ages count from the moment
        of decoding: the time since the writer stored it must count for no timer.

        Args:
            document: the latches document; None if the store has none.
            now_ms: the present instant.
        """
        if document is None:
            return
        try:
            stored = latches_document.decode(document, now_ms=now_ms)
        except latches_document.LatchesDocumentError as error:
            if document != self._undecodable:
                self._log.error(
                    "stored latches cannot be decoded, keeping our own", problem=str(error)
                )
            self._undecodable = document
            return
        if stored.order > self._order or (self._inherited and stored.order == self._order):
            self.state, self._order, self._inherited = stored.state, stored.order, True
            # A pause interrupts this process's own cycles, and a new writer has had none yet.
            self._due_ms = now_ms + self.pause_ms

    def _without_pause(self, at: Instant) -> ShieldState:
        """Return the state; after a pause without its running `reset_for` timers."""
        if self._due_ms is None or at.ms <= self._due_ms:
            return self.state
        remaining = after_pause(self.state)
        if remaining != self.state:
            self._log.warning("no observation for too long, reset_for starts again")
        return remaining
