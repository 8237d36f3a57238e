"""What fills etcd and what empties it again, and looks at how full it is."""

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass, field

from tests.demo.writing import Writing
from tests.rig.errors import NoAnswerError, RigError
from tests.rig.etcd_client import NoSpaceError
from tests.rig.reviews import ReviewRequest, admission_review, stored_object
from tests.soak.model import Model
from tests.soak.room_model import RoomModel
from tests.soak.stack import WRITE_EVERY, WRITES_PER_RUN, Stack
from tests.soak.timeline import Timeline

REVIEW_BYTES = 19_000
LOOK_SECONDS = 0.1
OBSERVE_SECONDS = 1.0
PREFIX = "/registry/tekton.dev/pipelineruns/soak/"
# What else fills etcd, once runs are held off: 256 KiB ten times a second.
OTHERS_PREFIX = "/registry/events/soak/"
OTHERS_BYTES = 256 * 1024


def review_of(number: int, uid: str = "step") -> bytes:
    """Return the AdmissionReview that creates the run of that number."""
    return admission_review(
        ReviewRequest(uid=uid, name=f"run-{number:07}", namespace="soak", size=REVIEW_BYTES)
    )


@dataclass
class Filling:
    """Writes to etcd, empties it, looks at it, and informs the models.

    Attributes:
        usage: The fullest signal's value at the last look.
        rounds: How often the operator made room.
    """

    stack: Stack
    model: Model
    room: RoomModel
    timeline: Timeline
    usage: float = 0.0
    rounds: int = 0
    _over_target: float = 0.0
    _is_full: bool = False
    _writing: Writing = field(init=False)

    def __post_init__(self) -> None:
        self._writing = Writing(self._write_step, writes=WRITES_PER_RUN, every=WRITE_EVERY)

    async def look(self) -> None:
        """Look at etcd itself, until cancelled."""
        quota = self.stack.etcd.quota_bytes
        while True:
            try:
                status = await self.stack.etcd.client.status()
            except RigError:
                # etcd blocks while it defragments; the next look shows what came of it.
                await asyncio.sleep(LOOK_SECONDS)
                continue
            usage = (status.db_size / quota, status.db_size_in_use / quota)
            self.model.look(self.timeline.now, usage)
            self.usage = max(usage)
            self._look_above_target()
            await asyncio.sleep(LOOK_SECONDS)

    async def observe(self) -> None:
        """Hold what the evaluators reserve against what runs still write, until cancelled."""
        while True:
            await asyncio.sleep(OBSERVE_SECONDS)
            for evaluator in self.stack.evaluators:
                with suppress(NoAnswerError):
                    runs = await evaluator.metric("etcd_shield_reserved_runs", tier="standard")
                    if runs is None or math.isnan(runs):  # another evaluator decides
                        continue
                    if not self.room.may_reserve(self.timeline.now, runs):
                        self.timeline.blame(f"{evaluator.name} reserves for {runs:g} runs")

    async def write_on(self) -> None:
        """Write what started runs go on to write, until cancelled."""
        await self._writing.run()

    async def begin(self, number: int) -> None:
        """Let the run of that number begin to write."""
        self.room.begin(self.timeline.now, 1 + WRITES_PER_RUN)
        await self._store(f"{number:07}", number)
        self._writing.begin(number)

    @property
    def is_below_latch(self) -> bool:
        """Whether others have to write more until a latch must close.

        It must close a little above `set`, so nothing fills etcd further: no fault of the shield
        keeps others from writing.
        """
        bounds = self.model.bounds
        return self.usage < bounds.set + 2 * bounds.tolerance

    async def write_others(self, number: int) -> None:
        """Write something that no run wrote.

        Raises:
            RigError: etcd did not take it.
        """
        await self.stack.etcd.client.put(f"{OTHERS_PREFIX}{number:07}", bytes(OTHERS_BYTES))
        self.room.others += OTHERS_BYTES

    async def make_room(self) -> None:
        """Delete everything, compact and defragment.

        Raises:
            RigError: etcd did not do it.
        """
        client = self.stack.etcd.client
        deleted = await client.delete_prefix(PREFIX) + await client.delete_prefix(OTHERS_PREFIX)
        if not deleted:  # the shield has not seen yet that there is room
            return
        await client.compact()
        await client.defragment()
        self.room.others = 0
        self.rounds += 1
        self.timeline.tell(f"operator deleted {deleted} objects, compacted and defragmented")

    def _look_above_target(self) -> None:
        excess = self.room.look(self.timeline.now, self.usage) or 0.0
        if excess > 0 and self._over_target == 0:
            others = self.room.others / self.stack.etcd.quota_bytes
            self.timeline.blame(
                f"runs filled etcd to {self.usage - others:.1%}, {excess:.1%} above what is allowed"
            )
        self._over_target = excess

    async def _write_step(self, number: int, step: int) -> None:
        await self._store(f"{number:07}-step-{step}", number)

    async def _store(self, name: str, number: int) -> None:
        run = stored_object(review_of(number))
        try:
            await self.stack.etcd.client.put(PREFIX + name, run)
        except NoSpaceError as error:
            if not self._is_full:
                self._is_full = True
                self.timeline.blame(f"etcd is full: {error}")
        except RigError:
            self.timeline.answers["lost writes"] += 1
        finally:
            self.room.left -= 1
