"""What the API server's clients see while the shield admits, warns and denies."""

import asyncio
import re

import pytest

from tests.e2e.installation import CHANGE_SECONDS, DENYING, NAMESPACE, USUAL, WARNING, Installation
from tests.e2e.objects import (
    BREAK_GLASS,
    PIPELINES_AS_CODE,
    RELEASE_SERVICE,
    RELENG,
    TEAM,
    pipeline_run,
)
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

CREATED, TOO_MANY = 201, 429
# The API server takes request bodies up to 3 MiB.
ALMOST_3_MIB = 3 * 1024 * 1024 - 4096
DENIAL = (
    r'admission webhook "pipelineruns\.etcd-shield\.dev" denied the request: '
    r"PipelineRun admission currently not allowed: etcd is at \d+\.\d% of its quota "
    r"\(denied since \d\d:\d\d:\d\dZ, until below [\d.]+%\)\. Tier: standard\. "
    r"See https://shield\.example\.com/"
)
RUNS = f"/apis/tekton.dev/v1/namespaces/{TEAM}/pipelineruns"


async def test_a_run_is_created_while_the_shield_admits(shield: Installation) -> None:
    reply = await shield.api.create(pipeline_run(), namespace=TEAM)
    assert (CREATED, ()) == (reply.status, reply.warnings)


async def test_a_run_is_denied_with_the_whole_reason(shield: Installation) -> None:
    await shield.decide(DENYING, deny=True)
    reply = await shield.api.create(pipeline_run(), namespace=TEAM)
    assert (TOO_MANY, "TooManyRequests") == (reply.status, reply.body["reason"])
    assert re.fullmatch(DENIAL, reply.message)


async def test_a_run_of_the_older_version_is_denied_too(shield: Installation) -> None:
    await shield.decide(DENYING, deny=True)
    reply = await shield.api.create(pipeline_run("v1beta1"), namespace=TEAM)
    assert TOO_MANY == reply.status


async def test_kubectl_shows_the_denial_and_fails_at_once(shield: Installation) -> None:
    await shield.decide(DENYING, deny=True)
    done = await shield.commands.kubectl("create", "-n", TEAM, "-f", "-", given=pipeline_run())
    assert 1 == done.status
    assert re.search(DENIAL, done.err)


async def test_kubectl_creates_while_the_shield_admits(shield: Installation) -> None:
    done = await shield.commands.kubectl("create", "-n", TEAM, "-f", "-", given=pipeline_run())
    assert (0, "") == (done.status, done.err)


@pytest.mark.parametrize("deny", [False, True], ids=["admitting", "denying"])
async def test_a_dry_run_gets_the_same_answer_and_stores_nothing(
    shield: Installation, *, deny: bool
) -> None:
    await shield.decide(DENYING if deny else USUAL, deny=deny)
    before = len((await shield.api.get(RUNS)).body["items"])
    reply = await shield.api.create(pipeline_run(), namespace=TEAM, dry_run=True)
    assert (TOO_MANY if deny else CREATED) == reply.status
    assert before == len((await shield.api.get(RUNS)).body["items"])


async def test_a_higher_tier_by_user_is_still_admitted(shield: Installation) -> None:
    await shield.decide(DENYING, deny=True)
    reply = await shield.api.create(pipeline_run(), namespace=TEAM, user=RELEASE_SERVICE)
    assert CREATED == reply.status


async def test_a_higher_tier_by_namespace_is_still_admitted(shield: Installation) -> None:
    await shield.decide(DENYING, deny=True)
    reply = await shield.api.create(pipeline_run(), namespace=RELENG)
    assert CREATED == reply.status


async def test_runs_in_the_releases_own_namespace_are_not_judged(shield: Installation) -> None:
    await shield.decide(DENYING, deny=True)
    reply = await shield.api.create(pipeline_run(), namespace=NAMESPACE)
    assert CREATED == reply.status


async def test_a_match_condition_keeps_requests_from_the_shield(shield: Installation) -> None:
    await shield.decide(DENYING, deny=True)
    reply = await shield.api.create(pipeline_run(), namespace=TEAM, user=BREAK_GLASS)
    assert CREATED == reply.status


async def test_kubectl_shows_the_warning_in_the_warn_band(shield: Installation) -> None:
    await shield.decide(WARNING, deny=False)

    async def warns() -> bool:
        reply = await shield.api.create(pipeline_run(), namespace=TEAM, dry_run=True)
        return bool(reply.warnings)

    await wait_until(warns, within=CHANGE_SECONDS, what="a warning", every=0.3)
    done = await shield.commands.kubectl("create", "-n", TEAM, "-f", "-", given=pipeline_run())
    assert 0 == done.status
    assert re.search(r"^Warning: etcd is at \d+\.\d% of its quota", done.err, re.MULTILINE)


@pytest.mark.shows("trial T9")
async def test_a_denied_create_is_retried_until_the_shield_opens(
    shield: Installation,
) -> None:
    await shield.decide(DENYING, deny=True)
    denied = await _denials(shield)
    create = asyncio.create_task(
        shield.commands.kubectl(
            "create", "-n", TEAM, "--as", PIPELINES_AS_CODE, "-f", "-", given=pipeline_run()
        )
    )

    async def was_denied() -> bool:
        return create.done() or await _denials(shield) > denied

    await wait_until(was_denied, within=CHANGE_SECONDS, what="the first denial")
    assert not create.done(), (await create).err
    await shield.decide(USUAL, deny=False)
    done = await create
    assert 0 == done.status, done.err


async def _denials(shield: Installation) -> float:
    """Count what the admitters denied for the standard tier."""
    counts = [
        await admitter.metric(
            "etcd_shield_admission_requests_total",
            verdict="denied",
            tier="standard",
            reason="shield",
        )
        for admitter in shield.admitters
    ]
    return sum(count or 0.0 for count in counts)


@pytest.mark.parametrize("deny", [False, True], ids=["admitting", "denying"])
async def test_an_object_of_almost_3_mib_is_judged(shield: Installation, *, deny: bool) -> None:
    await shield.decide(DENYING if deny else USUAL, deny=deny)
    run = pipeline_run(padding=ALMOST_3_MIB)
    # As a dry run: etcd itself takes no more than 1.5 MiB.
    reply = await shield.api.create(run, namespace=TEAM, dry_run=True)
    assert (TOO_MANY if deny else CREATED) == reply.status, reply.message[:300]
