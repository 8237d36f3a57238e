"""`shield-evaluator check` with a real Redis."""

import json
from pathlib import Path

import yaml

from shield_common.store.keys import Keys
from tests.rig.commands import run
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.services import service_script
from tests.unit.shield_evaluator.documents import minimal


async def test_check_names_what_the_redis_user_may_not_do(rig: Rig, tmp_path: Path) -> None:
    users = ["shield on >secret ~* resetchannels +@all -info"]
    server = RedisServer(rig, options=RedisOptions(password="administrator", users=users))
    await server.start()
    document = minimal() | {
        "redis": {"url": server.url.replace("://", "://shield:secret@")},
        "prometheus": {"urls": [f"http://{LOOPBACK}:{rig.ports.reserve()}"]},
    }
    path = tmp_path / "evaluator.yaml"
    path.write_text(yaml.safe_dump(document))
    ended = await run(
        service_script("shield-evaluator"), "check", "--output", "json", "--config", path
    )
    tried = json.loads(ended.out)["redis"]
    keys = Keys(document["cluster"])
    assert {
        f"publish on {keys.decision}",
        f"publish on {keys.override}",
        f"subscribe to {keys.override}",
    } == {one["name"] for one in tried if one["problem"] is not None and one["needed"]}
    assert ["read maxmemory-policy (INFO)"] == [
        one["name"] for one in tried if one["problem"] is not None and not one["needed"]
    ]
    assert [] == await server.call("KEYS", "*")
