"""What a simulation came to, as types; their JSON form is what ``--output json`` prints.

Spans are seconds, sizes are shares of etcd's quota.
"""

from __future__ import annotations

from msgspec import Struct


class TierOutcome(Struct, frozen=True, kw_only=True):
    """What one tier's requesters met.

    Attributes:
        arrived: runs that were asked for.
        admitted: runs that were created.
        lost: runs whose client gave up.
        held: runs that were held before they started.
        waiting: runs that were held when the simulation ended, or whose client was going to come
            back.
        denied: answers "denied"; one run may get several.
        paced: answers "not yet", for want of room.
        late_median_seconds: how much later than asked for an admitted run was created, the median.
        late_95_seconds: the same, what 95 of 100 stay below.
        closed_by_latch_seconds: how long a latch kept the tier closed.
        closed_without_room_seconds: how long want of room alone did.
        closings: how often it was closed, for whatever reason.
        flaps: closings that began within ten minutes of the last one's end.
    """

    arrived: int
    admitted: int
    lost: int
    held: int
    waiting: int
    denied: int
    paced: int
    late_median_seconds: float
    late_95_seconds: float
    closed_by_latch_seconds: int
    closed_without_room_seconds: int
    closings: int
    flaps: int


class SimulationOutcome(Struct, frozen=True, kw_only=True):
    """What etcd did under one configuration.

    Attributes:
        outage_seconds: when etcd was full, from the start; None if it never was. The simulation
            ends there: no run can be created or go on.
        peak_file: the file's highest size.
        peak_in_use: the live data's highest size.
        most_held: the most runs that were held at the same time, in all tiers together.
        tiers: by name; those that runs were asked for in.
    """

    outage_seconds: int | None
    peak_file: float
    peak_in_use: float
    most_held: int
    tiers: dict[str, TierOutcome]

    @property
    def lost(self) -> int:
        """Runs of all tiers whose client gave up."""
        return sum(tier.lost for tier in self.tiers.values())


class Moment(Struct, frozen=True, gc=False):
    """One point of a simulation's course.

    Attributes:
        second: from the start.
        file: the file's size.
        in_use: the live data's size.
        reserved: what admitted runs are still going to write, as the shield counts it.
        arrived: runs asked for so far.
        admitted: runs created so far.
        waiting: runs that are held, or whose client will come back.
        closed: the default tier denies.
    """

    second: int
    file: float
    in_use: float
    reserved: float
    arrived: int
    admitted: int
    waiting: int
    closed: bool


class Simulated(Struct, frozen=True):
    """One configuration's outcome, and the course that led to it."""

    outcome: SimulationOutcome
    course: tuple[Moment, ...]
