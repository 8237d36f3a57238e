"""When mirrors are written and ClusterQueues stopped, with a clock that is stepped."""

from typing import Any

import msgspec
import pytest

from shield_common.config.types import Duration
from shield_common.decision import Decision
from shield_common.decision_age import CachedDecision
from shield_common.decision_feed import FreshnessSettings
from shield_controller.core.stop_policy import MARK
from shield_controller.kubernetes.client import KubernetesError
from shield_controller.kueue import ClusterQueues, StopPolicies
from shield_controller.mirror import Mirrors
from shield_controller.settings import KueueSettings, PublishSettings
from tests.unit.shield_controller.builders import decision, feed, settings, tier

OPEN, CLOSED = decision(), decision(2, allow=False)
SHORT = FreshnessSettings(stale_after=Duration(30), expired_after=Duration(60)).limits()
DECISION = "/apis/etcd-shield.dev/v1alpha1/namespaces/shield/decisions/decision"
QUEUES = "/apis/kueue.x-k8s.io/v1beta2/clusterqueues"


class Server:
    """An API server with ClusterQueues, a feed of decisions and a clock.

    Attributes:
        fault: Raised by every request, if set.
        written: The paths that were patched, in order.
        bodies: What was written.
        queues: Name -> ClusterQueue.
    """

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.feed = feed(lambda: self.now_ms)
        self.fault: KubernetesError | None = None
        self.written: list[str] = []
        self.bodies: list[Any] = []
        self.queues: dict[str, dict[str, Any]] = {}
        self.is_leader = True

    def decide(self, made: Decision) -> None:
        self.feed.cached = CachedDecision(made, self.now_ms)

    async def request(self, verb: str, path: str, **options: Any) -> bytes:
        if self.fault is not None:
            raise self.fault
        if "PATCH" == verb:
            self.written.append(path)
            self.bodies.append(options["body"])
        if path.endswith("/kueue.x-k8s.io"):
            return b'{"preferredVersion":{"groupVersion":"kueue.x-k8s.io/v1beta2"}}'
        if not path.startswith(QUEUES):
            return b"{}"
        queue = self.queues[path.rpartition("/")[2]]
        if "PATCH" == verb:
            body = options["body"]
            queue["metadata"]["annotations"] |= body["metadata"].get("annotations", {})
            queue["metadata"]["annotations"] = {
                key: value
                for key, value in queue["metadata"]["annotations"].items()
                if value is not None
            }
            queue["spec"] |= body.get("spec", {})
        return msgspec.json.encode(queue)


class Mirroring(Server):
    """The same with mirrors."""

    def __init__(self, **publish: Any) -> None:
        super().__init__()
        self.results: list[tuple[str, str]] = []
        self.mirrors = Mirrors(
            settings(publish=PublishSettings(**({"kubernetes": True} | publish))),
            client=self,  # type: ignore[arg-type]  # the part that it needs
            feed=self.feed,
            namespace="shield",
            now_ms=lambda: self.now_ms,
            is_leader=lambda: self.is_leader,
            on_result=lambda target, result: self.results.append((target, result)),
        )

    async def show(self, made: Decision | None = None, *, seconds: float = 0) -> None:
        self.now_ms += round(seconds * 1000)
        if made is not None:
            self.decide(made)
        await self.mirrors.show()


async def test_the_first_decision_is_mirrored_at_once() -> None:
    world = Mirroring()

    await world.show(OPEN)

    assert [DECISION] == world.written


async def test_the_same_bits_are_mirrored_once_a_minute() -> None:
    world = Mirroring()
    await world.show(OPEN)
    for sequence in range(2, 25):
        await world.show(decision(sequence, standard=tier(value=sequence / 100)), seconds=5)

    assert 2 == len(world.written)


async def test_another_bit_is_mirrored_at_once() -> None:
    world = Mirroring()
    await world.show(OPEN)

    await world.show(CLOSED, seconds=1)

    assert [True, False] == [body["spec"]["allow"] for body in world.bodies]


async def test_an_expired_decision_is_not_mirrored() -> None:
    world = Mirroring()
    await world.show(OPEN)

    await world.show(seconds=301)

    assert 1 == len(world.written)


async def test_a_decision_is_not_mirrored_beyond_an_age_that_was_changed_meanwhile() -> None:
    world = Mirroring()
    await world.show(OPEN)

    world.feed.apply_settings(SHORT, refresh=5.0)
    await world.show(seconds=61)

    assert 1 == len(world.written)


async def test_a_standby_mirrors_nothing() -> None:
    world = Mirroring()
    world.is_leader = False

    await world.show(OPEN)

    assert [] == world.written


@pytest.mark.parametrize(
    ("status", "result"), [(403, "forbidden"), (404, "not_found"), (0, "failure")]
)
async def test_a_failure_is_counted_by_its_kind_and_tried_again_soon(
    status: int, result: str
) -> None:
    world = Mirroring()
    world.fault = KubernetesError(status, "no")
    await world.show(OPEN)
    await world.show(seconds=1)
    assert [("decision", result)] == world.results
    assert "no" == world.mirrors.problem

    world.fault = None
    await world.show(seconds=5)
    assert [("decision", result), ("decision", "success")] == world.results
    assert world.mirrors.problem is None


async def test_both_mirrors_are_written_and_one_does_not_wait_for_the_other() -> None:
    world = Mirroring(config_map="etcd-shield-decision")

    await world.show(OPEN)

    assert [DECISION, "/api/v1/namespaces/shield/configmaps/etcd-shield-decision"] == world.written


class Stopping(Server):
    """The same with ClusterQueues `a` and `b`, of which both are configured."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, bool] = {}
        for name in ("a", "b"):
            metadata: dict[str, Any] = {"name": name, "resourceVersion": "7", "annotations": {}}
            self.queues[name] = {"metadata": metadata, "spec": {"stopPolicy": "None"}}
        self.policies = StopPolicies(
            settings(kueue=KueueSettings(cluster_queues=("a", "b"))),
            queues=ClusterQueues(self),  # type: ignore[arg-type]  # the part that it needs
            feed=self.feed,
            is_leader=lambda: self.is_leader,
            on_state=self.states.__setitem__,
        )

    async def follow(self, made: Decision) -> None:
        self.decide(made)
        await self.policies.update()

    def policy(self, name: str) -> str:
        return str(self.queues[name]["spec"]["stopPolicy"])


async def test_queues_stop_while_the_shield_is_closed_and_start_after() -> None:
    world = Stopping()

    await world.follow(CLOSED)
    assert ["Hold", "Hold"] == [world.policy("a"), world.policy("b")]
    assert {"a": True, "b": True} == world.states

    await world.follow(OPEN)
    assert ["None", "None"] == [world.policy("a"), world.policy("b")]
    assert {"a": False, "b": False} == world.states
    assert MARK not in world.queues["a"]["metadata"]["annotations"]


@pytest.mark.parametrize("policy", ["Hold", "HoldAndDrain"])
async def test_what_an_operator_stopped_stays_stopped(policy: str) -> None:
    world = Stopping()
    world.queues["a"]["spec"]["stopPolicy"] = policy

    await world.follow(CLOSED)
    await world.follow(OPEN)

    assert policy == world.policy("a")


async def test_a_queue_that_an_operator_starts_stays_started_until_the_shield_has_opened() -> None:
    world = Stopping()
    await world.follow(CLOSED)
    world.queues["a"]["spec"]["stopPolicy"] = "None"

    await world.follow(CLOSED)
    assert "None" == world.policy("a")

    await world.follow(OPEN)
    await world.follow(CLOSED)
    assert "Hold" == world.policy("a")


async def test_nothing_is_started_on_an_expired_decision() -> None:
    world = Stopping()
    await world.follow(CLOSED)
    world.decide(OPEN)
    world.now_ms += 301_000

    await world.policies.update()

    assert "Hold" == world.policy("a")


async def test_nothing_is_started_beyond_an_age_that_was_changed_meanwhile() -> None:
    world = Stopping()
    await world.follow(CLOSED)
    world.decide(OPEN)

    world.feed.apply_settings(SHORT, refresh=5.0)
    world.now_ms += 61_000
    await world.policies.update()

    assert "Hold" == world.policy("a")


async def test_a_queue_that_cannot_be_read_does_not_stop_the_others() -> None:
    world = Stopping()
    real = world.request

    async def request(verb: str, path: str, **options: Any) -> bytes:
        if path.endswith("/a"):
            raise KubernetesError(404, "no such queue")
        return await real(verb, path, **options)

    world.request = request  # type: ignore[method-assign]  # of the fake

    await world.follow(CLOSED)

    assert "Hold" == world.policy("b")
    assert "a: no such queue" == world.policies.problem


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="no metadata"),
        pytest.param(b'{"metadata":{"name":"a"},"spec":{"stopPolicy":7}}', id="another type"),
        pytest.param(b'{"metadata":{"name":"\xff"}}', id="no UTF-8"),
        pytest.param(b'{"more":' + b"[" * 100_000, id="nested deeply"),
    ],
)
async def test_what_is_no_queue_is_a_problem_and_no_crash(answer: bytes) -> None:
    world = Stopping()
    real = world.request

    async def request(verb: str, path: str, **options: Any) -> bytes:
        return answer if path.endswith("/a") else await real(verb, path, **options)

    world.request = request  # type: ignore[method-assign]  # of the fake

    await world.follow(CLOSED)

    assert "Hold" == world.policy("b")
    assert (world.policies.problem or "").startswith("a: ")
