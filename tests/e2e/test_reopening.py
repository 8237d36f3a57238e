"""The re-opening, with 400 clients waiting: a real evaluator, Redis and three admitters.

It is here because it takes both cores, and the integration tests run several at a time.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from shield_common.decision import Decision
from tests.integration.evaluator.installation import CLUSTER, Installation, installed
from tests.rig.certificates import Authority
from tests.rig.errors import NoAnswerError
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.reviews import ReviewRequest, admission_review
from tests.rig.server import start_all
from tests.rig.services import Admitter, Config
from tests.rig.waiting import wait_until
from tests.rig.webhook import ask

CLIENTS = 400
WEIGHTS = [70, 20, 10]  # percent of the clients; a load balancer that keeps connections does that
ARRIVE_EVERY = 0.02  # seconds; all at once, they would mostly wait for handshakes
WITHIN = 90.0  # seconds; the machine may be busy
INTERVAL, SPEND = 0.5, 2.0  # seconds
MEBIBYTE = 1024**2
QUOTA = 1024 * MEBIBYTE
RUN_COST = 4 * MEBIBYTE
TARGET = 0.88
FULL, EMPTY = 0.95, 0.2
ROOM = (TARGET - EMPTY) * QUOTA / RUN_COST  # runs

SETTINGS: Config = {
    "interval": f"{INTERVAL:g}s",
    "lease_ttl": "10s",
    "signals": [{"name": "db-in-use", "query": "bytes", "members": 3, "quota": "1Gi"}],
    "tiers": {
        "standard": {
            "db-in-use": {
                "set": 0.9,
                "reset": 0.8,
                "target": TARGET,
                "run_cost": "4Mi",
                # Nothing of these runs shows before the test is over, so nothing is given back.
                "lag": "10m",
                "spend": f"{SPEND:g}s",
            }
        }
    },
}


@dataclass
class Crowd:
    """Clients that come back until they are admitted.

    Attributes:
        admitted: runs admitted so far.
    """

    installation: Installation
    admitters: Sequence[Admitter]
    admitted: int = 0
    refused: int = 0

    async def client(self, number: int) -> None:
        """Create one run, coming back as clients do; each keeps to its admitter."""
        await asyncio.sleep(number * ARRIVE_EVERY)
        (admitter,) = random.choices(self.admitters, WEIGHTS)
        review = admission_review(
            ReviewRequest(uid=f"uid-{number}", name=f"run-{number}", namespace="team")
        )
        trust = admitter.certificate.client_context()
        while True:
            try:
                answer = await ask(self.installation.rig.http, admitter.url, review, trust)
            except NoAnswerError:  # on a busy machine; the API server would ask again as well
                continue
            if answer.allowed:
                self.admitted += 1
                return
            self.refused += 1
            await asyncio.sleep((answer.retry_after_seconds or 1) * random.uniform(0.5, 1.0))


def _admitters(installation: Installation) -> list[Admitter]:
    authority = Authority(installation.rig.directory / "certificates")
    document = {
        "cluster": CLUSTER,
        "redis": {"url": installation.redis.url},
        "retry_after": [{"seconds": 1, "users": ["*"]}],
        "drain": "0s",
    }
    return [
        Admitter(installation.rig, dict(document), authority.server(name), name)
        for name in ("admitter-1", "admitter-2", "admitter-3")
    ]


def _room(decision: Decision) -> float:
    return decision.tiers["standard"].room or 0.0


def _handed_out(decision: Decision, until: Decision) -> float:
    """Return the runs that all admitters may admit from one decision to the next.

    A decision that comes late is made up for by the shares of those that should have come.
    """
    seconds = (until.evaluated_at - decision.evaluated_at).total_seconds()
    return _room(decision) * max(INTERVAL, seconds) / SPEND


async def test_b2_a_crowd_at_the_reopening_is_let_in_as_room_is_handed_out() -> None:
    async with Rig() as rig:
        redis = RedisServer(rig)
        await redis.start()
        async with installed(rig, redis) as installation:
            await _reopen(installation)


async def _reopen(installation: Installation) -> None:
    installation.measure(FULL)
    admitters = _admitters(installation)
    await start_all(*admitters)
    async with installation.listening() as stream:
        await installation.started(**SETTINGS)
        await stream.wait_for(allow=False)
        crowd = Crowd(installation, admitters)
        async with asyncio.TaskGroup() as tasks:
            clients = [tasks.create_task(crowd.client(number)) for number in range(CLIENTS)]
            await wait_until(
                lambda: crowd.refused >= CLIENTS, within=WITHIN, what="all clients to be refused"
            )
            assert 0 == crowd.admitted

            installation.measure(EMPTY)
            reopened = len(stream.decisions)
            await wait_until(
                lambda: crowd.admitted > 0 and not stream.decisions[-1].allow,
                within=WITHIN,
                what="the tier to close because its room is used up",
            )
            await stream.wait_longer(by=5)
            for client in clients:
                client.cancel()

    # Nothing is given back, so room falls by what the admitters have counted. A count may be one
    # interval late, and each admitter may start with one run.
    decisions = stream.decisions[reopened:]
    for before, last, now in zip(decisions, decisions[1:], decisions[2:], strict=False):
        handed_out = _handed_out(before, last) + _handed_out(last, now)
        assert _room(last) - _room(now) <= handed_out + len(admitters)
    assert 0.8 * ROOM <= crowd.admitted <= ROOM + len(admitters)
    reasons = [decision.tiers["standard"].reason for decision in decisions[2:]]
    assert not any("etcd is at" in reason for reason in reasons), "the latch was set again"
