"""Events on runs: their form, and that a burst of held runs does not become a burst of events."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shield_controller.kubernetes.client import KubernetesError
from shield_controller.kubernetes.events import BURST, HELD, PER_SECOND, STUCK, Events
from tests.unit.shield_controller.builders import run


class Client:
    """An API server that takes events."""

    now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __init__(self) -> None:
        self.fault: KubernetesError | None = None
        self.paths: list[str] = []
        self.bodies: list[dict[str, Any]] = []

    async def request(self, verb: str, path: str, *, body: dict[str, Any]) -> bytes:
        assert "POST" == verb
        if self.fault is not None:
            raise self.fault
        self.paths.append(path)
        self.bodies.append(body)
        return b"{}"


class World:
    def __init__(self) -> None:
        self.now_ms = 0
        self.client = Client()
        self.results: list[str] = []
        self.events = Events(
            self.client,  # type: ignore[arg-type]  # the part that it needs
            instance="controller-1",
            now_ms=lambda: self.now_ms,
            on_event=self.results.append,
        )


async def test_an_event_is_in_the_run_s_namespace_and_names_it() -> None:
    world = World()

    await world.events.write(run("one", namespace="team-b"), HELD, "held in tier standard")

    body = world.client.bodies[0]
    assert ["/apis/events.k8s.io/v1/namespaces/team-b/events"] == world.client.paths
    assert ("EtcdShieldHeld", "Held", "Normal") == (body["reason"], body["action"], body["type"])
    assert ("one", "uid-one") == (body["regarding"]["name"], body["regarding"]["uid"])
    assert "2026-11-21T12:00:00.000000Z" == body["eventTime"]


async def test_a_stuck_run_is_a_warning() -> None:
    world = World()

    await world.events.write(run(), STUCK, "refused", warning=True)

    assert "Warning" == world.client.bodies[0]["type"]


@pytest.mark.parametrize("note", ["x" * 5_000, "ü" * 5_000, "🚀" * 5_000])
async def test_a_long_note_fits_kubernetes_limit_of_1024_bytes(note: str) -> None:
    world = World()

    await world.events.write(run("n" * 253), HELD, note)

    body = world.client.bodies[0]
    assert 1024 >= len(body["note"].encode())
    assert 253 >= len(body["metadata"]["name"])


async def test_a_burst_is_cut_and_counted() -> None:
    world = World()
    for _ in range(100):
        await world.events.write(run(), HELD, "held")
    assert BURST == len(world.client.bodies)
    assert 100 - BURST == world.results.count("dropped")

    world.now_ms += 3_000
    for _ in range(100):
        await world.events.write(run(), HELD, "held")
    assert BURST + 3 * PER_SECOND == len(world.client.bodies)


async def test_an_event_that_cannot_be_written_is_counted() -> None:
    world = World()
    world.client.fault = KubernetesError(403, "forbidden")

    await world.events.write(run(), HELD, "held")

    assert ["failed"] == world.results
