"""Run the faults, and tell the model what is broken at present."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.rig.server import Server
from tests.soak.faults import Draws, Fault
from tests.soak.model import Model
from tests.soak.room_model import RoomModel
from tests.soak.timeline import Timeline

# Unseen, the flood fills half of etcd in half a minute; two blind faults in a row could last that.
BLIND_APART_SECONDS = 20.0
# A fault that could not run (its victim is broken already) is drawn again after so long.
REDRAW_SECONDS = 0.05


@dataclass
class Chaos:
    """Breaks things, by several streams of faults at once, none of which shares a victim.

    Attributes:
        recovery: Seconds after a fault's end during which its victims may still be slow.
    """

    faults: Sequence[Fault]
    model: Model
    room: RoomModel
    timeline: Timeline
    recovery: float
    _active: list[Fault] = field(default_factory=list)
    _broken_at: dict[str, float] = field(default_factory=dict)
    _broken_until: dict[str, float] = field(default_factory=dict)
    _forgot_at: float = float("-inf")
    _hurt_at: float = float("-inf")
    _blinded_at: float = float("-inf")

    def excused(self, server: Server, since: float) -> bool:
        """Whether a server was broken, or just mended, at any time from `since` on."""
        if any(server in fault.victims for fault in self._active):
            return True
        return self._broken_until.get(server.name, float("-inf")) + self.recovery >= since

    def broken_since(self, servers: Sequence[Server], since: float) -> float:
        """Return the earliest of `since` and the times at which the excused servers broke.

        What one of them was asked before it broke may come about when it is mended.
        """
        broke = [self._broken_at[s.name] for s in servers if self.excused(s, since)]
        return min([since, *broke])

    async def run(self, plan: Draws, *, until: float) -> None:
        """Run one stream of faults; none begins after `until`, and each is mended."""
        while True:
            draw = plan.next()
            await asyncio.sleep(draw.pause)
            if self.timeline.now >= until:
                return
            fault = self.faults[draw.number]
            while not self._may_run(fault):
                await asyncio.sleep(REDRAW_SECONDS)
                fault = self.faults[plan.next().number]
            await self._run(fault, draw.lasts)

    def _may_run(self, fault: Fault) -> bool:
        busy = {victim.name for other in self._active for victim in other.victims}
        if busy & {victim.name for victim in fault.victims}:
            return False
        if any(fault.name == other.name for other in self._active):
            return False
        return not fault.blinds or self.timeline.now - self._blinded_at >= BLIND_APART_SECONDS

    async def _run(self, fault: Fault, seconds: float) -> None:
        self._active.append(fault)
        for victim in fault.victims:
            self._broken_at[victim.name] = self.timeline.now
        self.model.disturb()
        self.room.disturb()
        self.timeline.tell(f"{fault.name}, for {seconds:.1f} s")
        self._note(fault)
        try:
            await fault.act(seconds)
        finally:
            self._note(fault)
            self._active.remove(fault)
            now = self.timeline.now
            for victim in fault.victims:
                self._broken_until[victim.name] = now
            self.model.calm(now)
            self.room.calm(now)

    def _note(self, fault: Fault) -> None:
        now = self.timeline.now
        if fault.blinds:
            self._blinded_at = now
        if fault.forgets or any(other.forgets for other in self._active):
            self._forgot_at = now
        if fault.hurts_evaluator or any(other.hurts_evaluator for other in self._active):
            self._hurt_at = now
        if abs(self._forgot_at - self._hurt_at) <= self.recovery:
            self.model.lost(now)
            self.room.lost(now)
