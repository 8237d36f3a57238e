"""Rehearsals of docs/compose.md that begin with an etcd so full that runs are denied."""

from collections.abc import Iterator

import pytest

from tests.compose.engine import Engine
from tests.compose.observing import demo, status, until_admitters, until_sample

TWENTY_DENIED = "0 admitted, 20 denied"


@pytest.fixture(scope="module")
def filled(stack: Engine) -> Iterator[Engine]:
    """The stack, filled once for all of them and emptied at the end."""
    demo(stack, "fill")
    yield stack
    demo(stack, "recover")


@pytest.fixture(autouse=True)
def _made_whole(filled: Engine) -> Iterator[None]:
    yield
    filled.compose("up", "--detach")


def test_while_redis_is_gone_the_last_decision_holds(filled: Engine) -> None:
    filled.compose("kill", "redis")
    assert TWENTY_DENIED in demo(filled, "ask", "--count=20")


async def test_a_redis_that_comes_back_empty_is_written_again(filled: Engine) -> None:
    filled.compose("kill", "redis")
    filled.compose("up", "--detach", "redis")
    assert TWENTY_DENIED in demo(filled, "ask", "--count=20")
    await until_sample(filled, 1, 'min(etcd_shield_redis_up{job="etcd-shield-admitter"})')
    assert TWENTY_DENIED in demo(filled, "ask", "--count=20")


def test_while_the_evaluator_is_gone_the_last_decision_holds(filled: Engine) -> None:
    filled.compose("kill", "evaluator")
    assert TWENTY_DENIED in demo(filled, "ask", "--count=20")


async def test_a_new_evaluator_goes_on_where_the_last_one_ended(filled: Engine) -> None:
    before = (await status(filled))["decision"]["tiers"]["standard"]["since"]
    filled.compose("kill", "evaluator")
    filled.compose("up", "--detach")
    tier = (await status(filled))["decision"]["tiers"]["standard"]
    assert (False, before) == (tier["allow"], tier["since"])


async def test_five_admitters_deny_as_one(filled: Engine) -> None:
    filled.compose("up", "--detach", "--scale", "admitter=5")
    await until_admitters(filled, 5)
    assert "0 admitted, 100 denied" in demo(filled, "ask", "--count=100", "--per-second=50")


def test_a_release_is_admitted_while_others_are_denied(filled: Engine) -> None:
    assert "0 admitted, 1 denied" in demo(filled, "ask")
    assert "1 admitted, 0 denied" in demo(filled, "ask", "--namespace=orders-releng")


async def test_the_charts_alert_fires(filled: Engine) -> None:
    await until_sample(filled, 1, 'ALERTS{alertname="EtcdShieldDenyAdmission"}')
