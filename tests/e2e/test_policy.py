"""Row K2: a ValidatingAdmissionPolicy judges by the Decision object, on a real API server.

Most scenarios write the Decision object themselves, so that they choose its age; the last ones
leave that to the real controller. What fails is in `test_policy_losses`.
"""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.e2e.installation import CHANGE_SECONDS, CONFIG_MAP, DENYING, USUAL, Installation
from tests.e2e.installation import NAMESPACE as FIRST_NAMESPACE
from tests.e2e.judge import (
    CLOSED,
    CREATED,
    DECISIONS,
    DENIED,
    MINTMAKER,
    OPEN,
    PLACE,
    RELENG,
    TEAM,
    Judge,
)
from tests.e2e.objects import pipeline_run
from tests.rig.kubernetes_api import Object
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_k2_a_run_is_denied_with_the_whole_reason(judge: Judge) -> None:
    reply = await judge.create()
    assert (DENIED, "Forbidden") == (reply.status, reply.body["reason"])
    _, _, said = reply.message.partition("denied request: ")
    assert (
        "PipelineRun admission currently not allowed: standard is full. Tier: standard."
        " See https://wiki.example.com/shield"
    ) == said


async def test_k2_kubectl_shows_the_denial_and_fails(judge: Judge) -> None:
    done = await judge.shield.commands.kubectl(
        "create", "-n", TEAM, "-f", "-", given=pipeline_run()
    )
    assert 1 == done.status
    assert "PipelineRun admission currently not allowed: standard is full" in done.err


async def test_k2_a_run_is_created_once_the_decision_admits(judge: Judge) -> None:
    await judge.decide(OPEN)
    await judge.wait_for(CREATED)
    reply = await judge.api.create(pipeline_run(), namespace=TEAM)
    assert (CREATED, ()) == (reply.status, reply.warnings)


async def test_k2_a_run_of_the_older_version_is_denied_too(judge: Judge) -> None:
    assert DENIED == (await judge.create(pipeline_run("v1beta1"))).status


async def test_k2_other_namespaces_are_not_judged(judge: Judge) -> None:
    assert CREATED == (await judge.create(place=PLACE)).status


def labelled(**labels: str) -> Object:
    run = pipeline_run()
    run["metadata"]["labels"] = {key.replace("_", "/"): value for key, value in labels.items()}
    return run


@pytest.mark.parametrize(
    ("run", "options", "status"),
    [
        (pipeline_run(), {"place": RELENG}, CREATED),
        (pipeline_run(), {"user": "alice", "group": "release-team"}, CREATED),
        (pipeline_run(), {"user": "alice", "group": "others"}, DENIED),
        (pipeline_run(), {"user": "carol", "group": "release-team"}, DENIED),
        (labelled(shield_tier="critical"), {}, CREATED),
        (labelled(shield_tier="low"), {}, DENIED),
    ],
    ids=["namespace", "user and group", "other group", "other user", "label", "other label"],
)
async def test_k2_the_first_rule_that_matches_names_the_tier(
    judge: Judge, run: Object, options: dict[str, str], status: HTTPStatus
) -> None:
    assert status == (await judge.create(run, **options)).status


async def test_k2_a_tier_that_the_decision_lacks_uses_the_default_bit(judge: Judge) -> None:
    await judge.decide({"standard": True, "critical": False}, reason="other")
    await judge.wait_for(CREATED)
    assert () == (await judge.create(user=MINTMAKER)).warnings
    await judge.decide({"standard": False}, reason="everywhere")
    reply = await judge.wait_for(DENIED, saying="everywhere")
    reply = await judge.create(place=RELENG)
    assert DENIED == reply.status
    assert "not allowed: everywhere. Tier: critical." in reply.message


async def test_k2_a_tier_in_mode_warn_is_admitted_with_the_reason(judge: Judge) -> None:
    reply = await judge.create(user=MINTMAKER)
    assert CREATED == reply.status
    (warning,) = reply.warnings
    assert "PipelineRun admission currently not allowed: background is full" in warning


@pytest.mark.parametrize(("user", "status"), [("rescuer", CREATED), ("late", DENIED)])
async def test_k2_an_exemption_admits_until_it_expires(
    judge: Judge, user: str, status: HTTPStatus
) -> None:
    assert status == (await judge.create(user=user)).status


@pytest.mark.parametrize("age", [600, -600], ids=["stale", "from the future"])
async def test_k2_a_decision_from_another_time_denies_nobody(judge: Judge, age: float) -> None:
    await judge.decide(CLOSED, age=age)
    await judge.wait_for(CREATED)
    await judge.decide(CLOSED, age=age / 6)
    await judge.wait_for(DENIED)


async def test_k2_a_client_cannot_choose_the_time_at_which_it_is_judged(judge: Judge) -> None:
    run = pipeline_run()
    run["metadata"]["creationTimestamp"] = "1999-01-01T00:00:00Z"
    assert DENIED == (await judge.create(run)).status

    decided = datetime.now(UTC) - timedelta(seconds=600)
    await judge.decide(CLOSED, age=600)
    await judge.wait_for(CREATED)
    run["metadata"]["creationTimestamp"] = f"{decided:%Y-%m-%dT%H:%M:%SZ}"
    reply = await judge.api.create(run, namespace=TEAM)
    assert CREATED == reply.status
    stored = datetime.fromisoformat(reply.body["metadata"]["creationTimestamp"])
    assert timedelta(minutes=5) < stored - decided


async def test_k2_kubectl_get_decisions_shows_what_matters(judge: Judge, tmp_path: Path) -> None:
    await judge.decide(CLOSED, age=120)
    # kubectl remembers versions for ten minutes, the one of another scenario too.
    done = await judge.shield.commands.kubectl(
        "get", "decisions", "-n", PLACE, f"--cache-dir={tmp_path}"
    )
    assert 0 == done.status, done.err
    heads, row = (line.split() for line in done.out.splitlines())
    assert ["NAME", "ALLOW", "REASON", "USAGE", "AGE"] == heads
    assert ["decision", "false", "full", "93.4%"] == row[:4]
    assert row[4].startswith("2m"), row


@pytest.mark.usefixtures("controller")
async def test_k2_the_real_controller_writes_what_the_policy_reads(judge: Judge) -> None:
    await judge.wait_for(CREATED)
    await judge.shield.decide(DENYING, deny=True)
    reply = await judge.wait_for(DENIED, saying="etcd is at")
    assert "% of its quota" in reply.message
    await judge.shield.decide(USUAL, deny=False)
    await judge.wait_for(CREATED)


async def test_the_first_release_mirrors_its_decision_twice(shield: Installation) -> None:
    await shield.decide(DENYING, deny=True)
    place = f"namespaces/{FIRST_NAMESPACE}"

    async def mirrored() -> bool:
        thing = (await shield.api.get(f"{DECISIONS}/{place}/decisions/decision")).body
        data = (await shield.api.get(f"/api/v1/{place}/configmaps/{CONFIG_MAP}")).body.get("data")
        return thing.get("spec", {}).get("allow") is False and (data or {}).get("allow") == "0"

    await wait_until(mirrored, within=CHANGE_SECONDS, what="both mirrors to deny", every=0.3)
