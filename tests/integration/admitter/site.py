"""One admitter, its Redis, and whoever publishes decisions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shield_common.store.settings import RedisSettings
from tests.integration.admitter.http_client import Client, Response, post
from tests.integration.admitter.publisher import CLUSTER, Publisher
from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.reviews import ReviewRequest, admission_review
from tests.rig.services import Admitter
from tests.rig.waiting import wait_until

WITHIN = 30.0


def config(redis_url: str, **changes: Any) -> dict[str, Any]:
    return {
        "cluster": CLUSTER,
        "redis": {"url": redis_url},
        "refresh": "1s",
        "drain": "1s",
        "log": {"format": "json"},
        **changes,
    }


class Site:
    """What most tests need."""

    def __init__(self, rig: Rig, redis: RedisServer, authority: Authority, **changes: Any) -> None:
        self.rig = rig
        self.redis = redis
        self.authority = authority
        self.trust = authority.client_context()
        self.publisher = Publisher(RedisSettings(url=redis.url))
        self.admitter = Admitter(rig, config(redis.url, **changes), authority.server())

    async def connect(self) -> Client:
        return await Client.connect(self.admitter.port, self.trust)

    async def ask(self, data: bytes) -> Response:
        client = await self.connect()
        try:
            return await client.ask(data)
        finally:
            client.close()

    async def review(self, **changes: Any) -> Response:
        return await self.ask(post(admission_review(ReviewRequest(**changes))))

    async def allowed(self) -> bool:
        allowed: bool = (await self.review()).review["allowed"]
        return allowed

    async def metric(self, name: str, **labels: str) -> float:
        return await self.admitter.metric(f"etcd_shield_{name}", **labels) or 0.0

    async def until_metric(self, name: str, value: float, **labels: str) -> None:
        async def there() -> bool:
            return value == await self.metric(name, **labels)

        await wait_until(there, within=WITHIN, what=f"{name} {labels} to be {value}")

    async def until_admits(self, admits: bool) -> None:
        async def so() -> bool:
            return admits == await self.admitter.admits()

        await wait_until(so, within=WITHIN, what=f"the admitter to {'admit' if admits else 'deny'}")

    def log(self) -> Sequence[dict[str, Any]]:
        """The admitter's log lines; each has to be JSON."""
        lines = self.admitter.child.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines]

    async def logged(self, event: str, *, at_least: int = 1) -> list[dict[str, Any]]:
        """Return the lines of an event; a thread writes them, so wait until there are enough."""

        def lines() -> list[dict[str, Any]]:
            return [line for line in self.log() if event in line["event"]]

        await wait_until(
            lambda: at_least <= len(lines()), within=WITHIN, what=f"{at_least} lines of {event!r}"
        )
        return lines()

    def rss(self) -> int:
        """Bytes of memory that the admitter has."""
        return self._memory("VmRSS")

    def peak_rss(self) -> int:
        """Bytes of memory that the admitter had at most."""
        return self._memory("VmHWM")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.admitter.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) * 1024

    async def close(self) -> None:
        await self.publisher.store.close()
