"""Events on newly held runs: who writes them, what they say, and that a burst does not pile up."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest

from shield_common.decision import Override
from shield_common.decision_age import CachedDecision
from shield_controller.announcer import Announcer
from shield_controller.core.runs import HeldRun
from shield_controller.kubernetes.events import BURST
from tests.unit.shield_controller.builders import decision, feed, run, settings

OF_THE_FILE = "https://shield.example.com/file"
OF_THE_DECISION = "https://shield.example.com/decision"


class World:
    """An announcer, and what it wrote.

    Attributes:
        written: Name, reason and note of each event.
        dropped: How many events were dropped.
    """

    def __init__(self) -> None:
        self.written: list[tuple[str, str, str]] = []
        self.dropped = 0
        self.is_leader = True
        self.feed = feed(lambda: 0)
        self.announcer = Announcer(
            settings(),
            events=self,  # type: ignore[arg-type]  # the part that it needs
            feed=self.feed,
            is_leader=lambda: self.is_leader,
        )

    async def write(self, held: HeldRun, reason: str, note: str) -> None:
        """Take the place of `Events`."""
        self.written.append((held.name, reason, note))

    def drop(self) -> None:
        """Take the place of `Events`."""
        self.dropped += 1

    async def announce(self, *runs: HeldRun) -> None:
        for each in runs:
            self.announcer.offer(each)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await self.announcer.run()


async def test_a_newly_held_run_is_announced() -> None:
    world = World()

    await world.announce(run("one"))

    assert [
        ("one", "EtcdShieldHeld", "held in tier standard: it starts when etcd has room")
    ] == world.written


@pytest.mark.parametrize(
    ("tiers", "note"),
    [
        (None, "it starts when an operator's override has ended and etcd has room"),
        (("critical",), "it starts when etcd has room"),
    ],
    ids=["of all tiers", "of another tier"],
)
async def test_an_event_says_whether_an_override_has_to_end_first(
    tiers: tuple[str, ...] | None, note: str
) -> None:
    world = World()
    now = datetime(2026, 11, 26, tzinfo=UTC)
    denied = Override(allow=False, tiers=tiers, reason="x", by="me", since=now, until=now)
    made = msgspec.structs.replace(decision(), override=denied)
    world.feed.cached = CachedDecision(made, 0)

    await world.announce(run("one"))

    assert [("one", "EtcdShieldHeld", f"held in tier standard: {note}")] == world.written


async def test_a_standby_announces_nothing() -> None:
    world = World()
    world.is_leader = False

    await world.announce(run("one"))

    assert [] == world.written


async def test_a_burst_beyond_the_rate_of_events_is_dropped_and_counted() -> None:
    world = World()

    await world.announce(*(run(f"run-{number}") for number in range(BURST + 5)))

    assert (BURST, 5) == (len(world.written), world.dropped)


@pytest.mark.parametrize(
    ("own", "decided", "linked"),
    [
        (OF_THE_FILE, OF_THE_DECISION, OF_THE_FILE),
        (None, OF_THE_DECISION, OF_THE_DECISION),
    ],
    ids=["of the file", "of the decision"],
)
async def test_an_event_links_to_the_page_for_people(
    own: str | None, decided: str, linked: str
) -> None:
    world = World()
    made = msgspec.structs.replace(decision(), status_url=decided)
    world.feed.cached = CachedDecision(made, 0)
    world.announcer.apply_settings(settings(status_url=own))

    await world.announce(run("one"))

    assert world.written[0][2].endswith(f". See {linked}")
