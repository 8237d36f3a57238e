"""A controller that only publishes takes no share of room, and still follows the decision."""

from dataclasses import replace
from pathlib import Path

import yaml

from shield_common.decision import encode_decision
from shield_common.decision_feed import SOURCES
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings
from tests.integration.store.failing import CLUSTER, DOCUMENT
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.services import Controller
from tests.rig.waiting import wait_until
from tests.unit.shield_admitter.builders import decision

WITHIN = 20.0


def _kubeconfig(file: Path) -> Path:
    """Write one for an API server that does not answer; no mirror is needed here."""
    cluster = {"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}
    user = {"name": "controller", "user": {"token": "none"}}
    context = {"name": "none", "context": {"cluster": "none", "user": "controller"}}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [cluster],
        "users": [user],
        "contexts": [context],
        "current-context": "none",
    }
    file.write_text(yaml.safe_dump(content))
    return file


async def test_a_controller_that_only_publishes_is_not_counted_among_those_that_share_room(
    rig: Rig, tmp_path: Path
) -> None:
    redis = RedisServer(rig)
    await redis.start()
    store = RedisStore(RedisSettings(url=redis.url), cluster=CLUSTER)
    config = {
        "cluster": CLUSTER,
        "redis": {"url": redis.url},
        "publish": {"kubernetes": True, "namespace": "shield"},
    }
    controller = Controller(rig, config, _kubeconfig(tmp_path / "kubeconfig"))
    await controller.start()

    async def follows() -> bool:
        name = "etcd_shield_decision_updates_total"
        taken = [await controller.metric(name, source=s, result="taken") for s in SOURCES]
        return any(taken)

    await store.publish(replace(DOCUMENT, document=encode_decision(decision())))
    await wait_until(follows, within=WITHIN, what="the controller to follow the decision")
    assert 0 == await store.count_subscribers()
    await store.close()
