"""Row K2: what the policy does while a part of it is away, deleted or made again."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
import pytest_asyncio

from tests.e2e.installation import CHANGE_SECONDS, DENYING, START_SECONDS, USUAL
from tests.e2e.judge import (
    BINDING,
    CLOSED,
    CREATED,
    DECISION,
    DEFINITION,
    DENIED,
    OPEN,
    Judge,
)
from tests.rig.services import Controller
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

# By the API server itself, where the policy cannot be evaluated.
UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY


async def test_k2_while_the_evaluator_is_away_the_decision_expires(judge: Judge) -> None:
    # No newer decision is written.
    await judge.decide(CLOSED, ttl=10, reason="the last word")
    await judge.wait_for(DENIED, saying="the last word")
    await judge.wait_for(CREATED)


async def test_k2_a_policy_that_is_made_again_follows_the_decision(judge: Judge) -> None:
    # With a ConfigMap as its parameter it would not (kubernetes/kubernetes#130887).
    await judge.make_again()
    await judge.wait_for(DENIED, saying="standard is full")
    await judge.decide(OPEN)
    await judge.wait_for(CREATED)
    await judge.decide(CLOSED, reason="full again")
    await judge.wait_for(DENIED, saying="standard is full again")


async def test_k2_without_the_object_everything_is_admitted(judge: Judge) -> None:
    assert HTTPStatus.OK == (await judge.api.delete(DECISION)).status
    await judge.wait_for(CREATED)
    await judge.decide(CLOSED, reason="back")
    await judge.wait_for(DENIED, saying="standard is back")


async def test_k2_a_newer_definition_does_not_disturb_the_policy(judge: Judge) -> None:
    definition = (await judge.api.get(DEFINITION)).body["spec"]
    (version,) = definition["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["later"] = {"type": "string"}
    newer = {**version, "name": "v1beta1", "storage": False}
    change = {"spec": {"versions": [version, newer]}}
    assert HTTPStatus.OK == (await judge.api.patch(DEFINITION, change)).status
    try:
        await judge.decide(CLOSED, reason="newer")
        await judge.wait_for(DENIED, saying="standard is newer")
        await judge.decide(OPEN)
        await judge.wait_for(CREATED)
    finally:
        # The chart puts its own back.
        await judge.shield.upgrade({})
    versions = (await judge.api.get(DEFINITION)).body["spec"]["versions"]
    assert ["v1alpha1"] == [found["name"] for found in versions]
    await judge.decide(CLOSED, reason="older")
    await judge.wait_for(DENIED, saying="standard is older")


async def test_k2_while_the_controller_is_away_the_last_decision_holds(
    judge: Judge, controller: Controller
) -> None:
    await judge.shield.decide(DENYING, deny=True)
    await judge.wait_for(DENIED, saying="etcd is at")
    await controller.stop(within=START_SECONDS)
    await judge.shield.decide(USUAL, deny=False)
    assert DENIED == (await judge.create()).status
    await controller.start(within=START_SECONDS)
    await judge.wait_for(CREATED)


@pytest.mark.usefixtures("controller")
async def test_k2_a_definition_that_was_deleted_takes_the_decision_along(judge: Judge) -> None:
    await judge.shield.decide(DENYING, deny=True)
    await judge.wait_for(DENIED, saying="etcd is at")
    assert HTTPStatus.OK == (await judge.api.delete(DEFINITION)).status
    # The policy is silent, so the first release's webhook speaks.
    await judge.wait_for(HTTPStatus.TOO_MANY_REQUESTS, saying="etcd is at")
    # The next upgrade of the release that owns it brings it back. Nothing else is done here: the
    # controller writes again, and the API server follows again.
    await judge.shield.upgrade({})
    await judge.wait_for(DENIED, saying="etcd is at", within=3 * CHANGE_SECONDS)
    await judge.shield.decide(USUAL, deny=False)
    await judge.wait_for(CREATED)


@pytest_asyncio.fixture(loop_scope="session")
async def careful(judge: Judge) -> AsyncIterator[Judge]:
    """The second release with `on_unknown: deny`."""
    for answer in ("deny", "allow"):
        await judge.upgrade({"admitter": {"config": {"freshness": {"on_unknown": answer}}}})
        if answer == "deny":
            yield judge


@pytest.mark.parametrize("is_made_again", [False, True], ids=["as it was", "policy made again"])
async def test_k2_without_the_definition_on_unknown_may_refuse(
    careful: Judge, is_made_again: bool
) -> None:
    await careful.decide(OPEN)
    await careful.wait_for(CREATED)
    assert HTTPStatus.OK == (await careful.api.delete(DEFINITION)).status
    try:
        await careful.wait_for(UNPROCESSABLE, saying="no params found")
        if is_made_again:
            # The API server finds the kind no more, or waits for objects of it in vain.
            await careful.make_again()
            await careful.wait_for(UNPROCESSABLE, saying="failed to configure")
    finally:
        await careful.shield.upgrade({})
    await careful.decide_once_defined(OPEN)
    await careful.wait_for(CREATED, within=3 * CHANGE_SECONDS)


async def test_k2_a_binding_that_was_deleted_comes_back_with_the_next_upgrade(judge: Judge) -> None:
    assert HTTPStatus.OK == (await judge.api.delete(BINDING)).status
    await judge.wait_for(CREATED)
    await judge.upgrade({})
    await judge.wait_for(DENIED, saying="standard is full")


@pytest.mark.usefixtures("controller")
async def test_k2_an_object_that_was_deleted_is_written_again(judge: Judge) -> None:
    await judge.shield.decide(DENYING, deny=True)
    await judge.wait_for(DENIED, saying="etcd is at")
    assert HTTPStatus.OK == (await judge.api.delete(DECISION)).status
    # At the next change, or once a minute.
    await judge.shield.decide(USUAL, deny=False)

    async def written() -> bool:
        return HTTPStatus.OK == (await judge.api.get(DECISION)).status

    await wait_until(written, within=CHANGE_SECONDS, what="the object to be there", every=0.3)
