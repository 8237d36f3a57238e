"""Rehearsals of docs/compose.md that begin with an etcd that has room."""

from collections.abc import Iterator

import pytest

from tests.compose.engine import Engine, EngineError
from tests.compose.observing import demo, until_admitters, until_sample


@pytest.fixture(autouse=True)
def _made_whole(stack: Engine) -> Iterator[None]:
    yield
    stack.compose("up", "--detach")


def test_a_flood_is_paced_and_denied_and_admitted_again_once_etcd_has_room(stack: Engine) -> None:
    output = stack.compose("run", "--rm", "-T", "demo")
    assert "paced: 429 PipelineRun admission currently not allowed: etcd has room for " in output
    assert "denied: PipelineRun admission currently not allowed: etcd is at " in output
    assert "etcd has room and no alarm." in output
    assert "admitted again after" in output


def test_a_flood_that_is_not_denied_in_time_is_a_failure(stack: Engine) -> None:
    with pytest.raises(EngineError, match="waited 1 s for the shield to deny"):
        demo(stack, "fill", "--within=1")


async def test_each_of_five_admitters_answers(stack: Engine) -> None:
    stack.compose("up", "--detach", "--scale", "admitter=5")
    await until_admitters(stack, 5)
    assert "100 admitted, 0 denied" in demo(stack, "ask", "--count=100", "--per-second=50")
    answering = "count(sum by (instance) (etcd_shield_admission_requests_total) > 0)"
    await until_sample(stack, 5, answering)


async def test_when_one_of_three_admitters_is_killed_the_others_answer(stack: Engine) -> None:
    stack.compose("up", "--detach", "--scale", "admitter=3")
    await until_admitters(stack, 3)
    stack.docker("kill", stack.containers("admitter")[0])
    assert "60 admitted, 0 denied" in demo(stack, "ask", "--count=60")


async def test_an_override_denies_and_ends(stack: Engine) -> None:
    operator = ("exec", "-T", "evaluator", "shield-evaluator", "override")
    because = ("--for=10m", "--reason=a rehearsal", "--by=me", "--yes")
    stack.compose(*operator, "deny", "--all", *because)
    assert "0 admitted, 10 denied" in demo(stack, "ask", "--count=10")
    stack.compose(*operator, "clear")
    assert "10 admitted, 0 denied" in demo(stack, "ask", "--count=10")


def test_a_second_up_keeps_the_certificate(stack: Engine) -> None:
    certificate = ("exec", "-T", "admitter", "cat", "/credentials/tls.crt")
    before = stack.compose(*certificate)
    stack.compose("up", "--detach")
    assert before == stack.compose(*certificate)


def test_a_service_sees_no_credentials_but_its_own(stack: Engine) -> None:
    listed = stack.compose("exec", "-T", "admitter", "ls", "/credentials").split()
    assert ["admitter.password", "ca.crt", "tls.crt", "tls.key"] == listed
