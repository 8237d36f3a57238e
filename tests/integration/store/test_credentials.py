"""Who may speak to Redis, and to which Redis: passwords, permissions, certificates."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from shield_common.config.types import Duration
from shield_common.store.protocol import PublishResult
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings
from tests.integration.store.failing import (
    DOCUMENT,
    KEYS,
    LONG_MS,
    PATIENCE,
    VERBS,
    OpenStore,
    Verb,
    failure_of,
)
from tests.rig.certificates import Authority, CertificateFiles
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisOptions, RedisServer

# All that an admitter needs.
READER = (
    f"reader on >secret %R~{KEYS.decision} ~{KEYS.admitted} &{KEYS.decision} "
    "-@all +get +pttl +subscribe +ping +hincrby"
)


def as_user(name: str, server: RedisServer) -> RedisSettings:
    return RedisSettings(url=server.url.replace("://", f"://{name}:secret@"))


@pytest.fixture
async def guarded(rig: Rig) -> RedisServer:
    options = RedisOptions(password="administrator", users=[READER])
    server = RedisServer(rig, options=options)
    await server.start()
    return server


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("secret\n")
    return path


@pytest.fixture
def reader(guarded: RedisServer, password_file: Path, open_store: OpenStore) -> RedisStore:
    return open_store(
        RedisSettings(url=guarded.url, username="reader", password_file=str(password_file))
    )


async def test_an_admitter_needs_no_more_than_its_five_commands(
    guarded: RedisServer, reader: RedisStore
) -> None:
    await guarded.call("SET", KEYS.decision, "decision")
    async with reader.subscribe_decisions() as subscription:
        await guarded.call("PUBLISH", KEYS.decision, "news")
        assert b"news" == await subscription.next(PATIENCE)
    stored = await reader.read_decision()
    assert stored is not None
    assert b"decision" == stored.document
    await reader.add_admitted({"standard": 2})
    assert "2" == await guarded.call("HGET", KEYS.admitted, "standard")


async def test_an_admitter_cannot_count_in_another_key(guarded: RedisServer) -> None:
    for key in (KEYS.latches, KEYS.decision):
        answer = await guarded.call("ACL DRYRUN", "reader", "HINCRBY", key, "standard", 1)
        assert "no permissions" in answer


async def test_connecting_asks_for_nothing_that_an_acl_would_deny(
    guarded: RedisServer, reader: RedisStore
) -> None:
    await reader.read_decision()
    assert [] == await guarded.call("ACL LOG")


async def test_what_the_acl_forbids_is_a_permission_error(reader: RedisStore) -> None:
    assert "permission" == (await failure_of(reader.publish(DOCUMENT))).kind


async def test_r5_a_policy_that_may_not_be_read_is_unknown(reader: RedisStore) -> None:
    assert await reader.eviction_policy() is None


# What stops a publication: each of these users lacks one thing that the script needs.
@pytest.mark.shows("trial T13")
@pytest.mark.parametrize(
    "rights",
    [
        pytest.param("resetchannels ~* +@all", id="t13 channels"),
        pytest.param("&* ~* +@all -publish", id="publish"),
        pytest.param("&* ~* +@all -set", id="set"),
        pytest.param("&* ~* +@all -eval", id="eval"),
        pytest.param(f"&* ~{KEYS.lease} ~{KEYS.epoch} +@all", id="a part of the keys"),
        pytest.param("&* %R~* +@all", id="writing"),
    ],
)
async def test_a_publication_that_lacks_a_permission_changes_nothing_for_readers(
    rig: Rig, open_store: OpenStore, rights: str
) -> None:
    options = RedisOptions(password="administrator", users=[f"writer on >secret {rights}"])
    server = RedisServer(rig, options=options)
    await server.start()
    writer = open_store(as_user("writer", server))
    assert "permission" == (await failure_of(writer.publish(DOCUMENT))).kind
    assert 0 == await server.call("EXISTS", KEYS.decision, KEYS.allow, KEYS.latches, KEYS.epoch)


@pytest.mark.shows("trial T13")
async def test_an_override_that_cannot_be_announced_is_not_set(
    rig: Rig, open_store: OpenStore
) -> None:
    users = ["operator on >secret resetchannels ~* +@all"]
    server = RedisServer(rig, options=RedisOptions(password="administrator", users=users))
    await server.start()
    operator = open_store(as_user("operator", server))
    assert "permission" == (await failure_of(operator.put_override(b"deny", LONG_MS))).kind
    assert 0 == await server.call("EXISTS", KEYS.override)


async def test_an_override_whose_end_cannot_be_announced_stays(
    rig: Rig, open_store: OpenStore
) -> None:
    users = ["operator on >secret resetchannels ~* +@all"]
    server = RedisServer(rig, options=RedisOptions(password="administrator", users=users))
    await server.start()
    await server.call("SET", KEYS.override, "deny")
    operator = open_store(as_user("operator", server))
    assert "permission" == (await failure_of(operator.clear_override())).kind
    assert "deny" == await server.call("GET", KEYS.override)


@VERBS
@pytest.mark.parametrize(
    "content", [b"wrong", b"", b"\xff\xfe", None], ids=["wrong", "empty", "binary", "missing"]
)
async def test_r9_a_password_that_does_not_work_is_an_authentication_error(
    reader: RedisStore, password_file: Path, content: bytes | None, verb: Verb
) -> None:
    if content is None:
        password_file.unlink()
    else:
        password_file.write_bytes(content)
    assert "authentication" == (await failure_of(verb(reader))).kind


@VERBS
async def test_r9_no_password_is_an_authentication_error(
    guarded: RedisServer, open_store: OpenStore, verb: Verb
) -> None:
    store = open_store(RedisSettings(url=guarded.url))
    assert "authentication" == (await failure_of(verb(store))).kind


async def test_r9_a_rotated_password_needs_no_restart(
    guarded: RedisServer, reader: RedisStore, password_file: Path
) -> None:
    assert await reader.read_decision() is None
    password_file.write_text("rotated\n")
    await guarded.call("ACL SETUSER", "reader", "resetpass", ">rotated")
    await guarded.call("CLIENT KILL", "USER", "reader")
    assert await reader.read_decision() is None


async def test_r9_a_password_file_that_lags_behind_is_waited_for(
    guarded: RedisServer, reader: RedisStore, password_file: Path
) -> None:
    await guarded.call("ACL SETUSER", "reader", "resetpass", ">rotated")
    assert "authentication" == (await failure_of(reader.read_decision())).kind
    password_file.write_text("rotated")
    assert await reader.read_decision() is None


async def test_no_error_shows_the_password(guarded: RedisServer, open_store: OpenStore) -> None:
    url = guarded.url.replace("//", "//reader:hunter2@")
    store = open_store(RedisSettings(url=url))
    assert "hunter2" not in str(await failure_of(store.read_decision()))


# TLS.


@pytest.fixture
def authority(rig: Rig) -> Authority:
    return Authority(rig.directory / "authority")


@pytest.fixture
async def encrypted(rig: Rig, authority: Authority) -> RedisServer:
    """A Redis that wants client certificates and is called 127.0.0.1 alone."""
    options = RedisOptions(tls=authority.server(names=[LOOPBACK]), client_certificates=True)
    server = RedisServer(rig, options=options)
    await server.start()
    return server


@pytest.fixture
def secured(encrypted: RedisServer, authority: Authority) -> RedisSettings:
    """Settings with which the encrypted Redis lets us in."""
    ours = authority.client("evaluator")
    return RedisSettings(
        url=encrypted.url,
        ca_file=str(authority.ca_file),
        cert_file=str(ours.cert_file),
        key_file=str(ours.key_file),
        timeout=Duration(2),  # handshakes on a busy machine
    )


async def test_a_client_certificate_opens_an_encrypted_redis(
    secured: RedisSettings, open_store: OpenStore
) -> None:
    store = open_store(secured)
    async with store.subscribe_decisions() as subscription:
        assert PublishResult.PUBLISHED is (await store.publish(DOCUMENT)).result
        assert b"decision" == await subscription.next(PATIENCE)


@VERBS
async def test_r9_a_redis_of_another_name_is_refused(
    secured: RedisSettings, open_store: OpenStore, verb: Verb
) -> None:
    store = open_store(replace(secured, url=secured.url.replace(LOOPBACK, "localhost")))
    error = await failure_of(verb(store))
    assert ("connection", True) == (error.kind, "certificate verify failed" in str(error))


async def test_a_redis_that_another_authority_vouches_for_is_refused(
    secured: RedisSettings, rig: Rig, open_store: OpenStore
) -> None:
    stranger = Authority(rig.directory / "stranger")
    store = open_store(replace(secured, ca_file=str(stranger.ca_file)))
    assert "certificate verify failed" in str(await failure_of(store.read_decision()))


@VERBS
async def test_without_its_client_certificate_a_store_is_not_let_in(
    secured: RedisSettings, open_store: OpenStore, verb: Verb
) -> None:
    store = open_store(replace(secured, cert_file=None, key_file=None))
    assert "connection" == (await failure_of(verb(store))).kind


@pytest.mark.parametrize("missing", ["ca_file", "cert_file", "key_file"])
async def test_a_certificate_file_that_is_gone_is_an_error_and_no_more(
    secured: RedisSettings, open_store: OpenStore, missing: str
) -> None:
    store = open_store(secured)
    Path(getattr(secured, missing)).unlink()
    assert "connection" == (await failure_of(store.read_decision())).kind


async def test_a_renewed_client_certificate_needs_no_restart(
    secured: RedisSettings, authority: Authority, rig: Rig, open_store: OpenStore
) -> None:
    stranger = Authority(rig.directory / "stranger").client("evaluator")
    link = rig.directory / "client.pem"
    link.symlink_to(_both(stranger))
    store = open_store(replace(secured, cert_file=str(link), key_file=str(link)))
    await failure_of(store.read_decision())
    link.unlink()
    link.symlink_to(_both(authority.client("evaluator")))
    assert await store.read_decision() is None


def _both(files: CertificateFiles) -> Path:
    together = files.cert_file.with_suffix(".both")
    together.write_bytes(files.cert_file.read_bytes() + files.key_file.read_bytes())
    return together


@VERBS
async def test_r2_a_frozen_encrypted_redis_is_a_timeout(
    encrypted: RedisServer, secured: RedisSettings, open_store: OpenStore, verb: Verb
) -> None:
    store = open_store(secured)
    await store.publish(DOCUMENT)
    encrypted.freeze()
    assert "timeout" == (await failure_of(verb(store))).kind
