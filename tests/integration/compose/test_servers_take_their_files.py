"""The compose stack's files in the hands of the servers that read them there."""

import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import redis.exceptions

from shield_common.store.connection import connect
from shield_common.store.protocol import Publication, PublishResult, StoredDocument, StoreError
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings
from tests.compose.compose_file import ROOT
from tests.rig.commands import run
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.server import program

DIRECTORY = ROOT / "deploy" / "compose"
CLUSTER = "laptop"
DOCUMENT = b'{"schema":1}'


class Stack:
    """Redis with the stack's users and settings."""

    def __init__(self, server: RedisServer, passwords: Path) -> None:
        self.server = server
        self._passwords = passwords

    def settings(self, user: str) -> RedisSettings:
        password_file = str(self._passwords / f"{user}.password")
        return RedisSettings(url=self.server.url, username=user, password_file=password_file)

    def store(self, user: str) -> RedisStore:
        return RedisStore(self.settings(user), cluster=CLUSTER)


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Rig() as rig:
        rules = (DIRECTORY / "redis" / "users.acl").read_text()
        for user in ("evaluator", "admitter", "operator"):
            (rig.directory / f"{user}.password").write_text(f"of the {user}")
            digest = hashlib.sha256(f"of the {user}".encode()).hexdigest()
            rules = rules.replace(f"{user.upper()}_HASH", digest)
        users = rig.directory / "users.acl"
        users.write_text(rules)
        config = (DIRECTORY / "redis" / "redis.conf").read_text()
        lines = config.replace("/credentials/users.acl", str(users)).splitlines()
        server = RedisServer(rig, options=RedisOptions(lines=lines))
        await server.start()
        yield Stack(server, rig.directory)


async def published(stack: Stack) -> PublishResult:
    store = stack.store("evaluator")
    try:
        claim = await store.claim_lease("me", 5_000)
        answer = await store.publish(
            Publication(
                holder="me",
                epoch=claim.epoch,
                lease_ms=5_000,
                document=DOCUMENT,
                ttl_ms=60_000,
                allow=True,
                latches=b"{}",
            )
        )
        return answer.result
    finally:
        await store.close()


async def test_the_evaluator_may_do_all_that_it_does(stack: Stack) -> None:
    store = stack.store("evaluator")
    try:
        assert PublishResult.PUBLISHED is await published(stack)
        assert b"{}" == await store.read_latches()
        await store.put_override(DOCUMENT, 60_000)
        assert await store.read_override() is not None
        async with store.subscribe_overrides():
            assert await store.clear_override()
        assert "me" == await store.lease_holder()
        assert 0 == await store.count_subscribers()
        assert await store.release_lease("me")
    finally:
        await store.close()


async def test_the_evaluator_finds_the_policy_that_it_needs(stack: Stack) -> None:
    store = stack.store("evaluator")
    try:
        assert "noeviction" == await store.eviction_policy()
    finally:
        await store.close()


async def test_the_admitter_may_read_the_decision(stack: Stack) -> None:
    await published(stack)
    store = stack.store("admitter")
    try:
        decision = await store.read_decision()
    finally:
        await store.close()
    assert isinstance(decision, StoredDocument)
    assert DOCUMENT == decision.document


async def test_the_admitter_hears_of_decisions(stack: Stack) -> None:
    store = stack.store("admitter")
    try:
        async with store.subscribe_decisions() as subscription:
            await published(stack)
            assert DOCUMENT == await subscription.next(timeout=10)
    finally:
        await store.close()


async def test_the_admitter_may_not_write(stack: Stack) -> None:
    store = stack.store("admitter")
    try:
        with pytest.raises(StoreError) as refused:
            await store.put_override(DOCUMENT, 60_000)
    finally:
        await store.close()
    assert "permission" == refused.value.kind


async def test_who_has_no_password_may_only_ping(stack: Stack) -> None:
    connection = connect(RedisSettings(url=stack.server.url))
    try:
        assert await connection.client.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            await connection.client.get(f"etcd-shield:{{{CLUSTER}}}:allow")
    finally:
        await connection.close()


async def test_prometheus_takes_its_configuration_with_the_charts_rules(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yaml"
    chart = ROOT / "deploy" / "helm" / "etcd-shield" / "files" / "alerts.yaml"
    shutil.copy(chart, rules)
    text = (DIRECTORY / "prometheus" / "prometheus.yml").read_text()
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace("/chart/alerts.yaml", str(rules)))
    ended = await run(program("promtool"), "check", "config", config)
    assert 0 == ended.status, ended.said
