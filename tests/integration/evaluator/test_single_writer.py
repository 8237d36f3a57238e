"""Two evaluators on one Redis: whatever happens to one, what is heard stays one story.

In every test the shield closes at 0.95 and the value is then 0.85, inside the band, where only a
writer who knows the latches denies.
"""

import signal
from collections.abc import AsyncIterator

import pytest

from tests.integration.evaluator.installation import (
    CLUSTER,
    Installation,
    Stream,
    wait_outcome,
)
from tests.rig.services import Evaluator


class Pair:
    """A writer and a standby, and what they say."""

    def __init__(
        self, installation: Installation, writer: Evaluator, standby: Evaluator, stream: Stream
    ) -> None:
        self.installation = installation
        self.writer = writer
        self.standby = standby
        self.stream = stream

    @property
    def epoch(self) -> int:
        return self.stream.decisions[-1].epoch

    def assert_one_story(self) -> None:
        orders = self.stream.orders
        assert sorted(set(orders)) == orders, "an older decision came late, or one came twice"
        assert not any(self.stream.bits), "a false admission"


@pytest.fixture
async def pair(installation: Installation) -> AsyncIterator[Pair]:
    installation.measure(0.95)
    writer = await installation.started("one")
    standby = await installation.started("two")
    await wait_outcome(standby, "standby")
    async with installation.listening() as stream:
        await stream.wait_longer(1)
        installation.measure(0.85)
        await stream.wait_longer()
        yield Pair(installation, writer, standby, stream)


async def test_e3_after_a_kill_of_the_holder_the_other_writes(pair: Pair) -> None:
    epoch = pair.epoch
    pair.writer.kill()
    await pair.stream.wait_for_epoch_after(epoch)
    await pair.stream.wait_longer()
    pair.assert_one_story()


async def test_e3_repeated_kills_leave_one_writer(pair: Pair) -> None:
    writer, standby = pair.writer, pair.standby
    for _ in range(3):
        epoch = pair.epoch
        writer.kill()
        await pair.stream.wait_for_epoch_after(epoch)
        await writer.start()
        writer, standby = standby, writer
    await pair.stream.wait_longer()
    pair.assert_one_story()


async def test_e3_the_holder_is_frozen_past_its_lease_and_its_late_write_is_rejected(
    pair: Pair,
) -> None:
    epoch = pair.epoch
    pair.writer.freeze()
    await pair.stream.wait_for_epoch_after(epoch)
    pair.writer.thaw()
    await wait_outcome(pair.writer, "standby")
    await pair.stream.wait_longer()
    pair.assert_one_story()
    assert 2 == len(pair.stream.epochs)


async def test_e3_a_stopped_holder_releases_the_lease(pair: Pair) -> None:
    assert 0 == await pair.writer.stop()
    assert "lease released" in pair.writer.log_tail()
    await wait_outcome(pair.standby, "published")
    await pair.stream.wait_longer()
    pair.assert_one_story()


async def test_r3_an_emptied_redis_opens_nothing(pair: Pair) -> None:
    for _ in range(5):
        await pair.installation.redis.call("FLUSHALL")
        await pair.stream.wait_longer()
    pair.assert_one_story()


async def test_r3_emptied_while_the_holder_dies_opens_nothing(pair: Pair) -> None:
    epoch = pair.epoch
    pair.writer.kill()
    await pair.installation.redis.call("FLUSHALL")
    await pair.stream.wait_for_epoch_after(epoch)
    await pair.stream.wait_longer()
    pair.assert_one_story()


async def test_e2_a_restart_in_the_band_keeps_the_denial(pair: Pair) -> None:
    await pair.standby.stop()
    epoch = pair.epoch
    pair.writer.child.send(signal.SIGTERM)
    await pair.writer.child.wait_ended(within=10)
    await pair.writer.start()
    await pair.stream.wait_for_epoch_after(epoch)
    await pair.stream.wait_longer()
    pair.assert_one_story()


async def test_a_standby_shows_the_writers_decision(pair: Pair) -> None:
    status = await pair.standby.status()
    assert (CLUSTER, False) == (status["decision"]["cluster"], status["decision"]["allow"])
