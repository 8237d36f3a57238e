"""What goes wrong while runs are released: kills, two releasers, and webhooks that refuse."""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from shield_common.held import HELD_LABEL, PENDING_STATUS
from tests.e2e.controller.cluster import ALL_RUNS, SECONDS, Cluster, tier, wait_metric
from tests.rig.certificates import Authority
from tests.rig.kubernetes_api import Object
from tests.rig.ports import LOOPBACK
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

HELD = "etcd_shield_held_runs"
RELEASED = "etcd_shield_released_total"


async def starts_of(cluster: Cluster, since: str) -> list[str]:
    """Return the names of runs in the order in which they left the queue, after a revision."""
    started = []
    for event in await cluster.api.events(ALL_RUNS, since=int(since)):
        metadata, spec = event["object"]["metadata"], event["object"].get("spec", {})
        is_pending = PENDING_STATUS == spec.get("status")
        is_waiting = HELD_LABEL in metadata.get("labels", {}) and is_pending
        if "MODIFIED" == event["type"] and not is_waiting:
            started.append(metadata["name"])
    return started


@pytest.mark.shows("H1")
async def test_a_controller_killed_in_mid_release_loses_and_repeats_nothing(
    cluster: Cluster,
) -> None:
    """The next one goes on where it was, in order."""
    names = [f"run-{number:02}" for number in range(30)]
    await cluster.hold("team-a", *names)
    version = (await cluster.api.get(ALL_RUNS)).body["metadata"]["resourceVersion"]
    await cluster.decide(standard=tier(allow=True))

    for attempt in range(3):
        # Slow enough that none of the first two gets to the end.
        rate = {"max_rate": "20/s" if attempt == 2 else "4/s"}
        controller = await cluster.start_controller(f"controller-{attempt}", release=rate)
        if attempt < 2:
            before = len(await cluster.waiting())
            await wait_until_fewer(cluster, before)
            controller.child.kill()
    await cluster.wait_held()

    assert names == await starts_of(cluster, version)


async def wait_until_fewer(cluster: Cluster, number: int) -> None:
    async def fewer() -> bool:
        return len(await cluster.waiting()) < number

    await wait_until(fewer, within=SECONDS, what="a run to start", every=0.02)


@pytest.mark.shows("H1")
async def test_two_releasers_start_no_run_twice(cluster: Cluster) -> None:
    """Without a lease, each run starts once all the same."""
    names = [f"run-{number:02}" for number in range(30)]
    await cluster.hold("team-a", *names)
    version = (await cluster.api.get(ALL_RUNS)).body["metadata"]["resourceVersion"]
    await cluster.decide(standard=tier(allow=False))
    pair = [await cluster.start_controller(name) for name in ("left", "right")]
    for controller in pair:
        await wait_metric(controller, 30, HELD, tier="standard")

    await cluster.decide(standard=tier(allow=True))
    await cluster.wait_held()

    assert sorted(names) == sorted(await starts_of(cluster, version))

    async def counted() -> float:
        values = [
            await controller.metric(RELEASED, tier="standard", result="released")
            for controller in pair
        ]
        return sum(value or 0 for value in values)

    async def all_counted() -> bool:
        return await counted() >= 30

    await wait_until(all_counted, within=SECONDS, what="all releases to be counted")
    assert 30 == await counted()


@pytest.mark.shows("H6")
async def test_a_run_that_a_webhook_refuses_is_stuck_and_the_others_go_on(
    cluster: Cluster,
) -> None:
    """Counted, with an event, and released once the webhook lets it."""
    await cluster.hold("team-a", "one", "refused", "two")
    async with refusing(cluster, "refused"):
        await cluster.decide(standard=tier(allow=True))
        controller = await cluster.start_controller()

        await cluster.wait_held("refused")
        await wait_metric(controller, 1, "etcd_shield_stuck_runs")
        assert 0 != await controller.metric(RELEASED, tier="standard", result="stuck")
        reasons = await event_notes(cluster, "refused")
        assert "the defaults have changed" in reasons["EtcdShieldStuck"]


async def test_a_run_that_a_webhook_holds_again_is_stuck(cluster: Cluster) -> None:
    """A controller that the start gate does not know must not take the run for started."""
    await cluster.hold("team-a", "one")
    gate = [
        {"op": "add", "path": "/spec/status", "value": PENDING_STATUS},
        {"op": "add", "path": "/metadata/labels/etcd-shield.dev~1held", "value": "standard"},
    ]
    async with refusing(cluster, "one", patch=gate):
        await cluster.decide(standard=tier(allow=True))
        controller = await cluster.start_controller()

        await wait_metric(controller, 1, "etcd_shield_stuck_runs")
        assert ["one"] == await cluster.waiting()
        reasons = await event_notes(cluster, "one")
        assert "hold.controllers" in reasons["EtcdShieldStuck"]


async def test_an_expired_decision_releases_nothing(cluster: Cluster) -> None:
    await cluster.hold("team-a", "one")
    await cluster.decide(standard=tier(allow=True), ttl_ms=1_000)
    controller = await cluster.start_controller(
        freshness={"stale_after": "1ms", "expired_after": "2ms"}
    )

    await wait_metric(controller, 0, "etcd_shield_decision_in_force")
    await wait_metric(controller, 1, HELD, tier="standard")
    await cluster.hold("team-a", "two")
    await wait_metric(controller, 2, HELD, tier="standard")  # a round later
    assert ["one", "two"] == sorted(await cluster.waiting())


async def test_an_old_run_is_cancelled_where_that_is_asked_for(cluster: Cluster) -> None:
    await cluster.hold("team-a", "one")
    await cluster.decide(standard=tier(allow=False))

    await cluster.start_controller(hold={"enabled": True, "max_age": "1s", "on_max_age": "cancel"})

    await cluster.wait_held()
    assert "Cancelled" == (await cluster.run("team-a", "one"))["spec"]["status"]


async def event_notes(cluster: Cluster, name: str) -> dict[str, str]:
    """Wait for an event on a run, and return its events as reason -> note."""
    uid = (await cluster.run("team-a", name))["metadata"]["uid"]
    notes: dict[str, str] = {}

    async def found() -> bool:
        for event in await cluster.api.items("/apis/events.k8s.io/v1/namespaces/team-a/events"):
            if uid == event["regarding"]["uid"]:
                notes[event["reason"]] = event["note"]
        return bool(notes)

    await wait_until(found, within=SECONDS, what=f"an event on {name}")
    return notes


@asynccontextmanager
async def refusing(
    cluster: Cluster, name: str, *, patch: list[Object] | None = None
) -> AsyncIterator[None]:
    """Install a webhook that refuses one run's release with 400, as Tekton's, or patches it."""

    async def review(request: web.Request) -> web.Response:
        asked = (await request.json())["request"]
        response: dict[str, Any] = {"uid": asked["uid"], "allowed": True}
        is_release = "status" not in asked["object"].get("spec", {})
        if name == asked["name"] and is_release and patch is None:
            status = {"code": 400, "message": "the defaults have changed"}
            response |= {"allowed": False, "status": status}
        elif name == asked["name"] and is_release:
            encoded = base64.b64encode(web.json_response(patch).body).decode()  # type: ignore[arg-type]  # always bytes
            response |= {"patchType": "JSONPatch", "patch": encoded}
        return web.json_response(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        )

    certificate = Authority(cluster.rig.directory / "refusing").server("refusing")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    app = web.Application()
    app.router.add_post("/", review)
    runner = web.AppRunner(app)
    await runner.setup()
    port = cluster.rig.ports.reserve()
    await web.TCPSite(runner, LOOPBACK, port, ssl_context=context).start()
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "refusing"},
        "webhooks": [
            {
                "name": "refusing.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "clientConfig": {
                    "url": f"https://{LOOPBACK}:{port}/",
                    "caBundle": base64.b64encode(certificate.ca_file.read_bytes()).decode(),
                },
                "rules": [
                    {
                        "apiGroups": ["tekton.dev"],
                        "apiVersions": ["*"],
                        "resources": ["pipelineruns"],
                        "operations": ["UPDATE"],
                    }
                ],
            }
        ],
    }
    path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    await cluster.api.create(configuration)
    try:
        yield
    finally:
        await cluster.api.delete(f"{path}/refusing")
        await runner.cleanup()
