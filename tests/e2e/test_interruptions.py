"""What clients of the API server see while parts of the shield are down or replaced."""

import asyncio
from http import HTTPStatus

import pytest

from tests.e2e.installation import CHANGE_SECONDS, NAMESPACE, RELEASE, START_SECONDS, Installation
from tests.e2e.installation import secret as secret_of
from tests.e2e.objects import TEAM, pipeline_run
from tests.rig.kubernetes_api import Reply
from tests.rig.server import start_all
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAIN_SECONDS = 30.0
TLS_SECRET = f"{RELEASE}-admitter-tls"


async def dry_run(shield: Installation) -> Reply:
    return await shield.api.create(pipeline_run(), namespace=TEAM, dry_run=True)


async def test_a_rolling_restart_of_the_admitters_fails_no_create(shield: Installation) -> None:
    replies: list[Reply] = []
    restarted = asyncio.Event()

    async def stream() -> None:
        while not restarted.is_set():
            replies.append(await dry_run(shield))

    streams = [asyncio.create_task(stream()) for _ in range(3)]
    for admitter in shield.admitters:
        # The next pod goes only when this one's successor is ready: maxUnavailable is 0.
        assert 0 == await admitter.stop(within=DRAIN_SECONDS)
        await admitter.start(within=START_SECONDS)
    restarted.set()
    await asyncio.gather(*streams)
    assert 10 < len(replies)
    assert [] == [reply.message for reply in replies if HTTPStatus.CREATED != reply.status]


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_with_all_admitters_down_the_failure_policy_decides(
    shield: Installation, policy: str
) -> None:
    await shield.upgrade({"webhook": {"failurePolicy": policy}})
    await asyncio.gather(*(a.stop(within=DRAIN_SECONDS) for a in shield.admitters))
    wanted = {"Fail": HTTPStatus.INTERNAL_SERVER_ERROR, "Ignore": HTTPStatus.CREATED}[policy]
    try:

        async def speaks() -> bool:
            return wanted == (await dry_run(shield)).status

        await wait_until(speaks, within=CHANGE_SECONDS, what=f"{policy} to be obeyed", every=0.3)
    finally:
        await start_all(*shield.admitters, within=START_SECONDS)
        await shield.upgrade({"webhook": {"failurePolicy": "Fail"}})


async def test_an_upgrade_keeps_certificate_and_passwords(shield: Installation) -> None:
    names = (TLS_SECRET, f"{RELEASE}-redis")
    before = [await secret_of(shield.api, name) for name in names]
    bundle = (await shield.webhook())["clientConfig"]["caBundle"]
    await shield.upgrade({"commonLabels": {"upgraded": "yes"}})
    assert before == [await secret_of(shield.api, name) for name in names]
    assert bundle == (await shield.webhook())["clientConfig"]["caBundle"]


async def test_a_new_certificate_needs_no_restart(shield: Installation) -> None:
    before = await secret_of(shield.api, TLS_SECRET)
    pids = [admitter.pid for admitter in shield.admitters]
    await shield.api.delete(f"/api/v1/namespaces/{NAMESPACE}/secrets/{TLS_SECRET}")
    await shield.upgrade({})
    await shield.write_certificate()

    async def trusted() -> bool:
        return HTTPStatus.CREATED == (await dry_run(shield)).status

    assert before["ca.crt"] != (await secret_of(shield.api, TLS_SECRET))["ca.crt"]
    await wait_until(trusted, within=CHANGE_SECONDS, what="the new certificate", every=0.3)
    assert pids == [admitter.pid for admitter in shield.admitters]
