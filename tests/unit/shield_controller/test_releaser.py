"""Rounds of releases against an API server in memory, with a clock that is stepped."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from shield_common.config.types import Duration, Rate
from shield_common.decision import Decision
from shield_common.decision_age import CachedDecision
from shield_controller.core.runs import HeldRun, NotARunError
from shield_controller.held_runs import HeldRuns
from shield_controller.kubernetes.client import KubernetesError
from shield_controller.patching import RunPatches
from shield_controller.releaser import Releaser
from shield_controller.settings import HoldSettings, ReleaseSettings
from tests.unit.shield_controller.builders import NOON, decision, feed, run, settings, tier
from tests.unit.shield_controller.fakes import FakeRuns

REFUSED = KubernetesError(400, "admission webhook denied the request: validation failed")
OPEN = decision(standard=tier(room=100.0))
FAST = ReleaseSettings(max_rate=Rate(100.0))


class World:
    """A controller's queue, its clock and its API server."""

    def __init__(self, *runs: HeldRun, **fields: Any) -> None:
        self.now_ms = 1_000_000
        self.api = FakeRuns()
        self.api.add(*runs)
        self.events: list[tuple[str, str]] = []
        self.results: list[tuple[str, str]] = []
        self.feed = feed(lambda: self.now_ms)
        self.is_leader = True
        self.server_clock = self.own_clock = NOON
        self.held = HeldRuns(self.api, time=lambda: 0.0, random=lambda: 0.0)  # type: ignore[arg-type]  # the part that it needs
        self.releaser = Releaser(
            settings(**({"release": FAST} | fields)),
            held=self.held,
            patches=RunPatches(self.api),  # type: ignore[arg-type]  # as above
            feed=self.feed,
            events=self,  # type: ignore[arg-type]  # as above
            now_ms=lambda: self.now_ms,
            server_now=lambda: self.server_clock,
            own_now=lambda: self.own_clock,
            random=lambda: 0.0,
            is_leader=lambda: self.is_leader,
            on_result=lambda tier, result: self.results.append((tier, result)),
        )

    async def write(self, held: HeldRun, reason: str, note: str, *, warning: bool = False) -> None:
        """Take the place of `Events`."""
        assert note
        assert warning == ("EtcdShieldStuck" == reason)
        self.events.append((held.name, reason))

    def decide(self, made: Decision | None) -> None:
        self.feed.cached = None if made is None else CachedDecision(made, self.now_ms)

    async def list(self) -> None:
        """See what the API server has, once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await self.held.follow()

    async def round(self, *, seconds: float = 0) -> None:
        self.now_ms += round(seconds * 1000)
        await self.list()
        await self.releaser.round()


async def test_runs_start_in_order_while_the_tier_is_open() -> None:
    world = World(run("new", age=1), run("old", age=9))
    world.decide(OPEN)

    await world.round()

    assert ["old", "new"] == world.api.patched
    assert [("old", "EtcdShieldReleased"), ("new", "EtcdShieldReleased")] == world.events


@pytest.mark.parametrize(
    "made", [None, decision(standard=tier(allow=False))], ids=["no decision", "denying"]
)
async def test_nothing_starts_while_the_tier_is_not_open(made: Decision | None) -> None:
    world = World(run())
    world.decide(made)

    await world.round()

    assert [] == world.api.patched


async def test_nothing_starts_on_an_expired_decision() -> None:
    world = World(run())
    world.decide(OPEN)

    await world.round(seconds=301)

    assert [] == world.api.patched


async def test_a_decision_that_expires_is_said_once() -> None:
    world = World(run())
    world.decide(decision(standard=tier(allow=False)))
    with capture_logs() as lines:
        for seconds in (0, 301, 5, 5):
            await world.round(seconds=seconds)
        world.decide(OPEN)
        await world.round()

    assert [
        "a decision is in force",
        "no decision is in force, so nothing is released",
        "a decision is in force",
        "released",
    ] == [line["event"] for line in lines if "held run" not in line["event"]]


async def test_a_run_whose_spec_was_changed_is_read_once() -> None:
    world = World(run("one", generation=2))
    world.decide(decision(standard=tier(allow=False)))

    for _ in range(3):
        await world.round()

    assert 1 == world.api.requests.count("read one")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(NotARunError("spec is a number"), id="no spec"),
        pytest.param(KubernetesError(403, "forbidden"), id="no right to read"),
    ],
)
async def test_a_run_that_cannot_be_read_does_not_stop_the_others(error: Exception) -> None:
    world = World(run("odd", age=9, generation=2), run("next"))
    world.decide(OPEN)

    async def read(_namespace: str, _name: str) -> Any:
        raise error

    world.api.read = read  # type: ignore[assignment]  # of the fake

    await world.round()

    assert "next" in world.api.patched


async def test_a_standby_starts_nothing() -> None:
    world = World(run())
    world.decide(OPEN)
    world.is_leader = False

    await world.round()

    assert [] == world.api.patched


async def test_room_is_used_once_however_many_rounds_there_are() -> None:
    world = World(*(run(f"run-{number}", age=9 - number) for number in range(9)))
    world.decide(decision(standard=tier(room=3.0)))

    for _ in range(4):
        await world.round(seconds=5)

    assert ["run-0", "run-1", "run-2"] == world.api.patched


@pytest.mark.shows("H6")
async def test_a_refused_run_is_stuck_and_the_others_go_on() -> None:
    world = World(run("refused", age=9), run("next", age=1))
    world.api.refuse = lambda each: REFUSED if "refused" == each.name else None
    world.decide(OPEN)

    await world.round()

    assert ["next"] == world.api.patched
    assert ("refused", "EtcdShieldStuck") in world.events
    assert "uid-refused" in world.releaser.stuck


@pytest.mark.shows("H6")
async def test_a_run_that_a_webhook_puts_back_is_stuck_and_the_others_go_on() -> None:
    world = World(run("back", age=9), run("next", age=1))
    world.api.put_back = {"back"}
    world.decide(OPEN)

    await world.round()

    assert ["next"] == world.api.patched
    assert ("back", "EtcdShieldStuck") in world.events


@pytest.mark.shows("H6")
async def test_a_stuck_run_is_tried_again_later_and_said_once() -> None:
    world = World(run("refused"))
    world.api.refuse = lambda _each: REFUSED
    world.decide(OPEN)
    await world.round()
    await world.round(seconds=5)
    assert 1 == world.api.requests.count("patch refused")

    await world.round(seconds=30)
    assert 2 == world.api.requests.count("patch refused")
    assert 1 == len(world.events)

    world.api.refuse = lambda _each: None
    await world.round(seconds=100)
    assert ["refused"] == world.api.patched
    assert "uid-refused" not in world.releaser.stuck


@pytest.mark.shows("H1")
async def test_a_lost_answer_counts_as_a_release_and_is_tried_again() -> None:
    world = World(run("one", age=9), run("two", age=1))
    world.api.patch_faults.append(KubernetesError(0, "no answer: timeout"))
    world.decide(decision(standard=tier(room=1.0)))

    await world.round()
    await world.round(seconds=5)
    assert [] == world.api.patched  # the room may be used already

    world.decide(decision(2, standard=tier(room=1.0)))
    await world.round(seconds=5)
    assert ["one"] == world.api.patched


@pytest.mark.shows("H8")
async def test_an_api_server_that_is_away_stops_the_round_at_its_first_request() -> None:
    world = World(*(run(f"run-{number}") for number in range(9)))
    world.api.patch_faults.extend([KubernetesError(0, "no answer")] * 9)
    world.decide(OPEN)

    await world.round()

    assert 1 == sum(request.startswith("patch") for request in world.api.requests)


async def test_a_run_on_which_a_webhook_fails_lets_the_others_go_first() -> None:
    world = World(run("failing", age=9), run("next", age=1))
    failing = KubernetesError(500, "failed calling webhook: context deadline exceeded")
    world.api.refuse = lambda each: failing if "failing" == each.name else None
    world.decide(OPEN)

    await world.round()
    await world.round(seconds=5)

    assert ["next"] == world.api.patched


async def test_refused_runs_use_up_the_rate() -> None:
    """A controller without the right to patch does not send a thousand requests a round."""
    world = World(
        *(run(f"run-{number}") for number in range(50)),
        release=ReleaseSettings(max_rate=Rate(1.0)),
    )
    world.api.refuse = lambda _each: KubernetesError(403, "forbidden")
    world.decide(OPEN)

    await world.round()

    assert 5 == sum(request.startswith("patch") for request in world.api.requests)


@pytest.mark.shows("H2")
async def test_a_run_that_left_meanwhile_is_no_error() -> None:
    world = World(run("gone", age=9), run("next", age=1))
    world.decide(OPEN)
    await world.list()
    del world.api.held["uid-gone"]

    await world.releaser.round()

    assert ["next"] == world.api.patched
    assert [("standard", "gone"), ("standard", "released")] == world.results


@pytest.mark.parametrize(
    ("on_max_age", "results"),
    [("keep", []), ("release", ["released"]), ("cancel", ["cancelled"])],
)
async def test_an_old_run_is_kept_released_or_cancelled(
    on_max_age: Any, results: list[str]
) -> None:
    hold = HoldSettings(max_age=Duration(60.0), on_max_age=on_max_age)
    world = World(run("old", age=61), run("young", age=59), hold=hold)
    world.decide(decision(standard=tier(allow=False)))

    await world.round()

    assert results == [result for _, result in world.results]
    assert "young" not in world.api.patched


@pytest.mark.parametrize("clock", ["server_clock", "own_clock"])
async def test_a_single_clock_that_jumps_ahead_makes_no_run_too_old(clock: str) -> None:
    """A cancelled run is lost, and any of several API servers, or a proxy, sends the date."""
    hold = HoldSettings(max_age=Duration(3_600.0), on_max_age="cancel")
    world = World(run("young", age=60), hold=hold)
    setattr(world, clock, NOON + timedelta(days=30))

    await world.round()

    assert [] == world.results


async def test_a_cancelled_run_leaves_the_room_to_the_next() -> None:
    hold = HoldSettings(max_age=Duration(60.0), on_max_age="cancel")
    world = World(run("old", age=61), run("young", age=59), hold=hold)
    world.decide(decision(standard=tier(room=1.0)))

    await world.round()

    assert ["cancelled", "released"] == [result for _, result in world.results]


async def test_a_namespace_whose_runs_are_stuck_lets_no_newcomer_catch_up() -> None:
    """Nor does it catch up itself: its turns were offered, and nothing could start."""
    stuck = run("stuck", age=99, namespace="team-stuck")
    many = [run(f"many-{number}", age=50 - number) for number in range(8)]
    world = World(stuck, *many, release=ReleaseSettings(max_rate=Rate(0.6)))
    world.api.refuse = lambda each: REFUSED if "stuck" == each.name else None
    world.decide(OPEN)
    for _ in range(2):
        await world.round(seconds=5)
    newcomers = [run(f"new-{number}", namespace="team-new") for number in range(4)]
    world.api.add(*newcomers)
    world.api.patched.clear()
    await world.round(seconds=5)
    await world.round(seconds=5)

    assert ["many-5", "new-0", "many-6", "new-1"] == world.api.patched[:4]


async def test_a_controller_that_loses_its_lease_lets_the_next_old_run_alone() -> None:
    hold = HoldSettings(max_age=Duration(60.0), on_max_age="release")
    world = World(run("one", age=99), run("two", age=98), hold=hold)

    def lose_the_lease(_run: HeldRun) -> None:
        world.is_leader = False

    world.api.refuse = lose_the_lease  # at the first patch

    await world.round(seconds=1)

    assert ["one"] == world.api.patched


async def test_other_settings_apply_from_the_next_round_on() -> None:
    world = World(*(run(f"run-{number}") for number in range(9)))
    world.decide(OPEN)
    world.releaser.apply_settings(settings(release=ReleaseSettings(max_rate=Rate(0.2))))

    await world.round()

    assert 1 == len(world.api.patched)
