"""Version 0.1.0 beside this one, both ways, under load: an upgrade and a downgrade answer rightly.

Every answer is held against what etcd's usage allowed while it was under way.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.admitter.http_client import Response
from tests.integration.admitter.load import Load
from tests.integration.evaluator.installation import CLUSTER, Installation, config, installed
from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.old_version import OldAdmitter, OldEvaluator, missing_history, old_packages
from tests.rig.redis import RedisServer
from tests.rig.server import start_all
from tests.rig.services import Admitter, Config, Evaluator
from tests.rig.waiting import wait_until

OPEN, BETWEEN, CLOSED = 0.5, 0.85, 0.95
ADMIT, DENY = True, False
WITHIN = 60.0
REVIEWS_PER_SECOND = 60
ADMITTERS = 2
# With room, so that counters, shares and reservations cross the versions too; room for far more
# runs than are asked for.
ROOM: Config = {
    "signals": [{"name": "db-file", "query": "ratio", "members": 3, "quota": "8Gi"}],
    "tiers": {"standard": {"db-file": {"set": 0.9, "reset": 0.8, "run_cost": "64Ki"}}},
    "hold": {"enabled": True, "max_runs": 100},
}


class Judge:
    """Which bits are right at a time, and which answers had another one."""

    def __init__(self) -> None:
        self._right: list[tuple[float, frozenset[bool]]] = []
        self._answers: list[tuple[float, float, bool]] = []

    def allow(self, *bits: bool) -> None:
        """From now on these answers are right."""
        self._right.append((asyncio.get_running_loop().time(), frozenset(bits)))

    def note(self, sent: float, received: float, response: Response) -> None:
        self._answers.append((sent, received, response.review["allowed"]))

    @property
    def last(self) -> Sequence[bool]:
        """The bits of the last answers."""
        return [allowed for _, _, allowed in self._answers[-10 * ADMITTERS :]]

    @property
    def total(self) -> int:
        return len(self._answers)

    @property
    def wrong(self) -> list[str]:
        ends = [at for at, _ in self._right[1:]] + [float("inf")]
        spans = [(at, end, bits) for (at, bits), end in zip(self._right, ends, strict=True)]
        return [
            f"allowed={allowed}, sent {sent:.2f}, received {received:.2f}"
            for sent, received, allowed in self._answers
            if not any(allowed in bits for at, end, bits in spans if sent <= end and at <= received)
        ]


class Site:
    """One Redis, services of either version, and a load that never ends."""

    def __init__(self, installation: Installation, authority: Authority, packages: Path) -> None:
        self.installation = installation
        self.judge = Judge()
        self._rig = installation.rig
        self._authority = authority
        self._packages = packages
        self._certificate = authority.server()
        self._number = 0
        self.evaluator: Evaluator
        self.admitters: list[Admitter] = []

    def _name(self, service: str, *, old: bool) -> str:
        self._number += 1
        return f"{service}-{'old' if old else 'new'}-{self._number}"

    def _new_evaluator(self, *, old: bool) -> Evaluator:
        name, installation = self._name("evaluator", old=old), self.installation
        if not old:
            return installation.evaluator(name, **ROOM)
        document = config(installation.stub.url, installation.redis.url)
        return OldEvaluator(self._rig, document, self._packages, name)

    def _new_admitter(self, *, old: bool) -> Admitter:
        document = {
            "cluster": CLUSTER,
            "redis": {"url": self.installation.redis.url},
            "refresh": "1s",
            "drain": "1s",
        }
        name = self._name("admitter", old=old)
        if old:
            return OldAdmitter(self._rig, document, self._certificate, self._packages, name)
        return Admitter(self._rig, document, self._certificate, name)

    async def start(self, *, old_evaluator: bool, old_admitters: bool) -> None:
        self.evaluator = self._new_evaluator(old=old_evaluator)
        self.admitters = [self._new_admitter(old=old_admitters) for _ in range(ADMITTERS)]
        await start_all(self.evaluator, *self.admitters)
        self.judge.allow(ADMIT)

    def load(self) -> Load:
        trust = self._authority.client_context()
        load = Load(self.admitters, trust, rate=REVIEWS_PER_SECOND)
        load.on_answer = self.judge.note
        return load

    async def replace_evaluator(self, *, old: bool) -> None:
        """Replace it as a rolling update does: the next one stands by before the last one ends."""
        replacement = self._new_evaluator(old=old)
        await replacement.start()
        await self.evaluator.stop()
        self.evaluator = replacement
        async with self.installation.listening() as stream:
            await stream.wait_longer()

    async def replace_admitters(self, *, old: bool) -> None:
        """Replace one after the other, each by one on another port, as pods are replaced."""
        for number, admitter in enumerate([*self.admitters]):
            replacement = self._new_admitter(old=old)
            await replacement.start()
            self.admitters[number] = replacement
            assert 0 == await admitter.stop(within=WITHIN)

    async def measure(self, value: float, *, then: bool) -> None:
        """Let etcd's usage change, and wait until every admitter says so.

        From then on no other answer is right.
        """
        self.judge.allow(ADMIT, DENY)
        self.installation.measure(value)
        before = self.judge.total

        async def changed() -> bool:
            enough = self.judge.total >= before + len(self.judge.last)
            bits = [await admitter.admits() for admitter in self.admitters]
            return enough and {then} == {*self.judge.last, *bits}

        await wait_until(changed, within=WITHIN, what="admissions" if then else "denials")
        self.judge.allow(then)

    async def close_between(self) -> None:
        """Close the shield, and let usage fall to where only the latch keeps it closed."""
        await self.measure(CLOSED, then=DENY)
        self.installation.measure(BETWEEN)
        async with self.installation.listening() as stream:
            await stream.wait_longer()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := missing_history():
        pytest.skip(reason)
    return await old_packages(tmp_path_factory.mktemp("old"))


@pytest.fixture
async def site(
    rig: Rig, redis: RedisServer, authority: Authority, packages: Path
) -> AsyncIterator[Site]:
    async with installed(rig, redis) as installation:
        installation.measure(OPEN)
        yield Site(installation, authority, packages)


@pytest.mark.shows("S4")
@pytest.mark.parametrize(
    ("old_evaluator", "old_admitters"),
    [
        pytest.param(True, False, id="0.1.0's evaluator and these admitters"),
        pytest.param(False, True, id="this evaluator and 0.1.0's admitters"),
    ],
)
async def test_two_versions_together_give_no_wrong_answer(
    site: Site, *, old_evaluator: bool, old_admitters: bool
) -> None:
    await site.start(old_evaluator=old_evaluator, old_admitters=old_admitters)
    async with site.load() as load:
        await site.close_between()
        await site.measure(OPEN, then=ADMIT)
        await site.close_between()

    assert [] == site.judge.wrong
    assert [] == load.failures


@pytest.mark.shows("S4")
@pytest.mark.long
@pytest.mark.parametrize("evaluator_first", [True, False], ids=["evaluator", "admitters"])
async def test_an_upgrade_and_a_downgrade_under_load_give_no_wrong_answer(
    site: Site, *, evaluator_first: bool
) -> None:
    """The latch that only memory keeps closed stays closed from version to version."""
    await site.start(old_evaluator=True, old_admitters=True)
    async with site.load() as load:
        for to_old in (False, True):
            await site.close_between()
            if evaluator_first:
                await site.replace_evaluator(old=to_old)
            await site.replace_admitters(old=to_old)
            if not evaluator_first:
                await site.replace_evaluator(old=to_old)
            await site.measure(OPEN, then=ADMIT)

    assert [] == site.judge.wrong
    assert [] == load.failures
