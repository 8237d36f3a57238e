"""What of a store's failures reaches its callers."""

import asyncio
from contextlib import suppress

import pytest
import redis.exceptions

from shield_common.store.errors import translated
from shield_common.store.protocol import StoreError


async def test_an_error_of_redis_is_a_store_error() -> None:
    with pytest.raises(StoreError, match="gone") as raised, translated():
        raise redis.exceptions.ConnectionError("gone")
    assert "connection" == raised.value.kind


@pytest.mark.shows("trial T11")
@pytest.mark.parametrize("error", [redis.exceptions.MovedError, redis.exceptions.AskError])
async def test_a_node_of_a_redis_cluster_that_is_asked_alone_is_named(
    error: type[redis.exceptions.AskError],
) -> None:
    with pytest.raises(StoreError, match=r"set redis\.cluster to true") as raised, translated():
        raise error("3999 10.0.0.1:6381")
    assert "other" == raised.value.kind


@pytest.mark.parametrize("error", [None, redis.exceptions.ConnectionError("gone")])
async def test_a_cancellation_that_the_client_swallowed_is_not_lost(
    error: Exception | None,
) -> None:
    begun = asyncio.Event()

    async def command() -> None:
        with translated():
            begun.set()
            with suppress(asyncio.CancelledError):  # as asyncio.wait_for does on Python 3.11
                await asyncio.Event().wait()
            if error is not None:
                raise error

    task = asyncio.create_task(command())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_time_limit_within_is_no_cancellation() -> None:
    with pytest.raises(StoreError) as raised, translated():
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    assert "timeout" == raised.value.kind


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("NOPERM this user has no permissions to run 'set'", id="command"),
        pytest.param("ACL failure in script: No permissions to access a channel", id="Redis 7"),
        pytest.param(
            "Error running script (call to f_1): @user_script:3: ERR The user executing the script "
            "can't run this command or subcommand",
            id="Redis 6",
        ),
        pytest.param("unknown command 'INFO', with args beginning with: 'memory'", id="renamed"),
        pytest.param("unsupported command 'info'", id="Envoy"),
        pytest.param("Unknown Redis command called from script script: f, on @1", id="script"),
    ],
)
async def test_t13_a_forbidden_command_is_a_permission_error(text: str) -> None:
    with pytest.raises(StoreError) as raised, translated():
        raise redis.exceptions.ResponseError(text)
    assert "permission" == raised.value.kind


async def test_a_full_redis_is_no_permission_error() -> None:
    with pytest.raises(StoreError) as raised, translated():
        raise redis.exceptions.OutOfMemoryError(
            "command not allowed when used memory > 'maxmemory'."
        )
    assert "out_of_memory" == raised.value.kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Error 111 connecting to 127.0.0.1:1. Connect call failed ('127.0.0.1', 1).",
            "cannot connect to 127.0.0.1:1: Connection refused",
        ),
        (
            "Error 111 connecting to ::1:1. Connect call failed ('::1', 1, 0, 0).",
            "cannot connect to ::1:1: Connection refused",
        ),
        (
            "Error 113 connecting to redis:6379. Connect call failed ('10.0.0.1', 6379).",
            "cannot connect to redis:6379: No route to host",
        ),
        (
            "Error -2 connecting to redis:6379. Name or service not known.",
            "cannot connect to redis:6379: Name or service not known",
        ),
        (
            # OpenSSL's numbers are no error numbers of the system.
            "Error 1 connecting to redis:6379. [SSL: CERTIFICATE_VERIFY_FAILED] it has expired.",
            "cannot connect to redis:6379: [SSL: CERTIFICATE_VERIFY_FAILED] it has expired",
        ),
        ("Timeout connecting to server", "Timeout connecting to server"),
    ],
)
async def test_a_connection_that_fails_is_one_plain_sentence(text: str, said: str) -> None:
    with pytest.raises(StoreError) as raised, translated():
        raise redis.exceptions.ConnectionError(text)
    assert said == str(raised.value)
