"""Where a store can live: in memory, on one Redis, behind Sentinel, on a Redis Cluster."""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from shield_common.store.connection import connect
from shield_common.store.keys import Keys
from shield_common.store.protocol import Store
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings
from tests.fakes.memory_store import MemoryBackend, MemoryStore
from tests.rig.redis import RedisServer


class Deployment(ABC):
    """A server (or its fake), and what an administrator does to it.

    Attributes:
        counts_locally: Whether PUBLISH counts the receivers of one node only.
    """

    counts_locally = False

    @abstractmethod
    def store(self, cluster: str) -> Store: ...

    @abstractmethod
    async def write(self, key: str, value: bytes) -> None: ...

    @abstractmethod
    async def read(self, key: str) -> bytes | None: ...

    @abstractmethod
    async def delete(self, *keys: str) -> None: ...

    @abstractmethod
    async def remaining_ms(self, key: str) -> int | None:
        """Return how long a key that exists still lives; None if for ever."""

    @abstractmethod
    async def break_subscriptions(self) -> None: ...


class InMemory(Deployment):
    def __init__(self) -> None:
        self.backend = MemoryBackend(now_ms=lambda: time.time_ns() // 1_000_000)

    def store(self, cluster: str) -> Store:
        return MemoryStore(self.backend, cluster=cluster)

    async def write(self, key: str, value: bytes) -> None:
        self.backend.put(key, value)

    async def read(self, key: str) -> bytes | None:
        return self.backend.get(key)

    async def delete(self, *keys: str) -> None:
        for key in keys:
            self.backend.delete(key)

    async def remaining_ms(self, key: str) -> int | None:
        return self.backend.remaining_ms(key)

    async def break_subscriptions(self) -> None:
        self.backend.break_subscriptions()


class OnRedis(Deployment):
    """Any kind of Redis.

    Args:
        settings: How the store reaches it.
        servers: All that clients may be connected to.
    """

    def __init__(self, settings: RedisSettings, servers: Sequence[RedisServer]) -> None:
        self._settings = settings
        self._servers = servers
        self.counts_locally = settings.cluster

    def store(self, cluster: str) -> Store:
        return RedisStore(self._settings, cluster=cluster)

    async def write(self, key: str, value: bytes) -> None:
        await self._command("SET", key, value)

    async def read(self, key: str) -> bytes | None:
        value: bytes | None = await self._command("GET", key)
        return value

    async def delete(self, *keys: str) -> None:
        await self._command("DEL", *keys)

    async def remaining_ms(self, key: str) -> int | None:
        remaining: int = await self._command("PTTL", key)
        assert remaining != -2, f"{key} does not exist"
        return None if remaining == -1 else remaining

    async def break_subscriptions(self) -> None:
        for server in self._servers:
            await server.call("CLIENT KILL", "TYPE", "pubsub")

    async def _command(self, *words: str | bytes) -> Any:
        connection = connect(self._settings)
        try:
            return await connection.client.execute_command(*words)
        finally:
            await connection.close()


class Site:
    """One cluster's corner of a deployment, which no other test uses.

    Attributes:
        store: A client.
        keys: The names of its keys.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.cluster = f"test-{uuid.uuid4().hex}"
        self.keys = Keys(self.cluster)
        self.store = deployment.store(self.cluster)
