"""The rig starts the two services as a pod does: from a file, and ready when they say so."""

import pytest

from tests.rig.certificates import Authority
from tests.rig.errors import NoAnswerError, ServerFailedError
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusServer
from tests.rig.redis import RedisServer
from tests.rig.reviews import LARGE, SMALL, TYPICAL, ReviewRequest, admission_review
from tests.rig.services import Admitter, Config, Evaluator
from tests.rig.webhook import ask

FULL = "vector(0.95)"  # of the quota
EMPTY = "vector(0.05)"


def evaluator_config(prometheus: PrometheusServer, redis: RedisServer, query: str) -> Config:
    return {
        "cluster": "test",
        "interval": "500ms",
        "prometheus": {"urls": [prometheus.url]},
        "signals": [{"name": "db-file", "query": query}],
        "tiers": {"standard": {"db-file": {"set": 0.9, "reset": 0.8}}},
        "default_tier": "standard",
        "redis": {"url": redis.url},
    }


def admitter_config(redis: RedisServer) -> Config:
    return {
        "cluster": "test",
        "default_tier": "standard",
        "redis": {"url": redis.url},
        "drain": "0s",
    }


@pytest.mark.parametrize(("query", "admits"), [(EMPTY, True), (FULL, False)], ids=["empty", "full"])
async def test_an_admitter_answers_without_evaluator_and_redis(
    rig: Rig,
    redis: RedisServer,
    prometheus: PrometheusServer,
    authority: Authority,
    query: str,
    admits: bool,
) -> None:
    evaluator = Evaluator(rig, evaluator_config(prometheus, redis, query))
    admitter = Admitter(rig, admitter_config(redis), authority.server())
    await evaluator.start()
    await admitter.start()
    decision = (await evaluator.status())["decision"]
    assert ("test", admits) == (decision["cluster"], decision["allow"])
    assert admits is await admitter.admits()

    evaluator.kill()
    redis.kill()
    with pytest.raises(NoAnswerError):
        await evaluator.status()
    for size in (SMALL, TYPICAL, LARGE):
        review = admission_review(ReviewRequest(uid=f"uid-{size}", size=size))
        answer = await ask(rig.http, admitter.url, review, authority.client_context())
        assert (f"uid-{size}", admits) == (answer.uid, answer.allowed)
    assert 0 == await admitter.stop()


async def test_a_failed_start_shows_the_configuration_error_of_the_service(
    rig: Rig, authority: Authority
) -> None:
    admitter = Admitter(rig, {"cluster": "test", "no_such_key": 1}, authority.server())
    with pytest.raises(ServerFailedError, match=r"status 2 before it was ready(.|\n)*no_such_key"):
        await admitter.start()
