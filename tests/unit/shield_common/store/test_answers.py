"""What becomes of answers that Redis never gives, from a proxy or another server in its place."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from shield_common.decision import encode_decision
from shield_common.decision_feed import DecisionFeed
from shield_common.lifecycle import BackgroundTask
from shield_common.store.check import (
    try_admitter_operations,
    try_controller_operations,
    try_evaluator_operations,
)
from shield_common.store.keys import Keys
from shield_common.store.protocol import Publication, Store, StoreError, UnclearError
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings, SentinelSettings
from tests.rig.waiting import wait_until
from tests.unit.shield_admitter.builders import LIMITS, decision
from tests.unit.shield_common.store.odd_redis import (
    OddRedis,
    bulk,
    bulk_list,
    odd_redis,
)

CLUSTER = "rh01"
KEYS = Keys(CLUSTER)
PUBLICATION = Publication(
    holder="ada",
    epoch=9,
    lease_ms=60_000,
    document=b"decision",
    ttl_ms=60_000,
    allow=False,
    latches=b"latches",
)

ANSWERS = {
    "integer": b":5\r\n",
    "negative": b":-7\r\n",
    "largest": b":9223372036854775807\r\n",
    "too-large": b":99999999999999999999\r\n",
    "nil": b"$-1\r\n",
    "nil-list": b"*-1\r\n",
    "empty-list": b"*0\r\n",
    "status": b"+FINE\r\n",
    "empty": bulk(b""),
    "text": bulk(b"abc"),
    "no-utf-8": bulk(b"\xff\xfe:\xff\r\n"),
    "many-digits": bulk(b"9" * 5_000),
    "one-item": bulk_list(1),
    "three-items": bulk_list(1, 2, 3),
    "words-for-numbers": bulk_list(1, b"x", 1, b"y"),
    "thousands-of-digits": bulk_list(1, b"9" * 5_000, 1, b"9" * 5_000),
    "even-length": bulk_list(1, b"a", b"1", b"b"),
    "nils": bulk_list(None, None),
    "unknown-result": bulk_list(b"perhaps", 1),
    "no-number": bulk_list(b"published", None),
    "lists-in-a-list": b"*1\r\n*1\r\n:1\r\n",
    "error-in-a-list": b"*2\r\n-ERR no\r\n:1\r\n",
    "message-without-data": bulk_list(b"message", KEYS.decision.encode()),
    "message-with-a-number": bulk_list(b"message", KEYS.decision.encode(), 5),
    "message-with-nil": bulk_list(b"message", KEYS.decision.encode(), None),
    "float": b",1.5\r\n",
    "map": b"%1\r\n+a\r\n:1\r\n",
    "web-server": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}

Verb = Callable[[Store], Awaitable[object]]


async def subscribe(store: Store) -> bytes | None:
    async with store.subscribe_decisions() as subscription:
        return await subscription.next(0.01)


# Every operation, by the command whose answer is another.
VERBS: dict[str, tuple[str, Verb]] = {
    "claim-lease": ("EVAL", lambda store: store.claim_lease("ada", 60_000)),
    "publish": ("EVAL", lambda store: store.publish(PUBLICATION)),
    "release-lease": ("EVAL", lambda store: store.release_lease("ada")),
    "put-override": ("EVAL", lambda store: store.put_override(b"override", 60_000)),
    "clear-override": ("EVAL", lambda store: store.clear_override()),
    "read-admitted": ("EVAL", lambda store: store.read_admitted()),
    "read-latches": ("GET", lambda store: store.read_latches()),
    "lease-holder": ("GET", lambda store: store.lease_holder()),
    "read-decision": ("GET", lambda store: store.read_decision()),
    "time-left": ("PTTL", lambda store: store.read_decision()),
    "read-held-report": ("GET", lambda store: store.read_held_report()),
    "write-held-report": ("SET", lambda store: store.write_held_report(b"report", 60_000)),
    "read-held-counts": ("HMGET", lambda store: store.read_held_counts(["standard"])),
    "remove-admitted": ("HDEL", lambda store: store.remove_admitted(["standard"])),
    "add-admitted": ("HINCRBY", lambda store: store.add_admitted({"standard": 1, "critical": 2})),
    "before-adding": ("PING", lambda store: store.add_admitted({"standard": 1})),
    "eviction-policy": ("INFO", lambda store: store.eviction_policy()),
    "count-subscribers": ("PUBSUB", lambda store: store.count_subscribers()),
    "confirm-subscription": ("SUBSCRIBE", subscribe),
}


@pytest.fixture
async def odd() -> AsyncIterator[tuple[OddRedis, RedisSettings]]:
    async with odd_redis() as (server, settings):
        yield server, settings


@pytest.fixture
async def server(odd: tuple[OddRedis, RedisSettings]) -> OddRedis:
    return odd[0]


@pytest.fixture
async def settings(odd: tuple[OddRedis, RedisSettings]) -> RedisSettings:
    return odd[1]


@pytest.fixture
async def store(settings: RedisSettings) -> AsyncIterator[RedisStore]:
    store = RedisStore(settings, cluster=CLUSTER)
    yield store
    await store.close()


async def outcome(verb: Awaitable[object]) -> StoreError | None:
    """Return the store's error; any other fails the test."""
    try:
        await verb
    except StoreError as error:
        return error
    return None


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(("command", "verb"), VERBS.values(), ids=VERBS)
async def test_r12_an_answer_of_any_form_is_read_or_is_an_error_of_the_store(
    server: OddRedis, store: RedisStore, command: str, verb: Verb, answer: bytes
) -> None:
    server.answers[command] = answer
    error = await outcome(verb(store))
    assert error is None or str(error)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_r12_a_message_of_any_form_is_read_or_is_an_error_of_the_store(
    server: OddRedis, store: RedisStore, answer: bytes
) -> None:
    server.after_subscribe = answer
    error = await outcome(subscribe(store))
    assert error is None or str(error)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("through", ["cluster", "sentinel"])
async def test_r12_a_node_list_of_any_form_is_an_error_of_the_store(
    server: OddRedis, settings: RedisSettings, through: str, answer: bytes
) -> None:
    server.answers |= {"CLUSTER": answer, "SENTINEL": answer}
    address = settings.url.removeprefix("redis://").removesuffix("/0")
    sentinel = SentinelSettings(master="shield", addresses=(address,))
    asked = (
        RedisSettings(url=settings.url, cluster=True)
        if through == "cluster"
        else RedisSettings(url="redis:///0", sentinel=sentinel)
    )
    store = RedisStore(asked, cluster=CLUSTER)
    error = await outcome(store.read_latches())
    await store.close()
    assert error is not None


@pytest.mark.parametrize(
    ("operation", "answer", "sentence"),
    [
        (
            "claim-lease",
            "text",
            (
                "the answer to the script that claims the lease is a string of 3 characters"
                " instead of a list of 4 items"
            ),
        ),
        (
            "claim-lease",
            "words-for-numbers",
            (
                "the answer to the script that claims the lease is a string of 1 characters"
                " instead of a number of at most 2^53 in digits"
            ),
        ),
        (
            "publish",
            "nil",
            "the answer to the script that publishes is nil instead of a list of 2 items",
        ),
        (
            "publish",
            "unknown-result",
            (
                "the answer to the script that publishes is a string of 7 characters"
                " instead of one of its results"
            ),
        ),
        (
            "read-latches",
            "integer",
            f"the answer to GET {KEYS.latches} is the integer 5 instead of a string",
        ),
        (
            "time-left",
            "nil",
            f"the answer to PTTL {KEYS.decision} is nil instead of an integer of at least -2",
        ),
        (
            "read-admitted",
            "even-length",
            (
                "the answer to the script that reads the counters is a list of 4 items instead of a"
                " list of 3 items"
            ),
        ),
        (
            "read-held-counts",
            "nils",
            f"the answer to HMGET {KEYS.admitted} is a list of 2 items instead of a list of 1",
        ),
        (
            "write-held-report",
            "integer",
            f"the answer to SET {KEYS.held} is another status instead of OK",
        ),
    ],
)
async def test_r12_a_malformed_answer_is_reported_in_one_sentence(
    server: OddRedis, store: RedisStore, operation: str, answer: str, sentence: str
) -> None:
    command, verb = VERBS[operation]
    server.answers[command] = ANSWERS[answer]
    error = await outcome(verb(store))
    assert error is not None
    assert ("malformed", True) == (error.kind, str(error).startswith(sentence)), error
    assert str(error).endswith("a proxy or another server seems to answer in Redis' place")


async def test_a_connection_with_a_malformed_answer_is_not_used_again(
    server: OddRedis, store: RedisStore
) -> None:
    server.answers["GET"] = ANSWERS["integer"]
    await outcome(store.read_latches())
    del server.answers["GET"]
    assert await store.read_latches() is None
    assert 2 == server.connections


@pytest.mark.parametrize(("command", "may_be_added"), [("PING", False), ("HINCRBY", True)])
async def test_counts_with_a_malformed_answer_are_not_added_twice(
    server: OddRedis, store: RedisStore, command: str, *, may_be_added: bool
) -> None:
    server.answers[command] = ANSWERS["text"]
    error = await outcome(store.add_admitted({"standard": 1}))
    assert may_be_added == isinstance(error, UnclearError)


async def test_a_count_with_thousands_of_digits_is_a_problem_of_that_tier(
    server: OddRedis, store: RedisStore
) -> None:
    server.answers["EVAL"] = bulk_list(2, b"standard", b"9" * 5_000, b"critical", b"7")
    totals = await store.read_admitted()
    assert {"critical": 7} == totals.totals
    assert 1 == len(totals.problems)


async def test_r12_a_feed_outlives_malformed_answers_and_follows_what_comes_after_them(
    server: OddRedis, store: RedisStore
) -> None:
    server.answers["GET"] = ANSWERS["integer"]
    feed = DecisionFeed(
        store,
        cluster=CLUSTER,
        limits=LIMITS,
        refresh=0.01,
        now_ms=lambda: 5_000,
        random=lambda: 0.0,
    )
    crashes: list[str] = []
    tasks = [
        BackgroundTask(run.__name__, run, on_crash=crashes.append)
        for run in (feed.follow, feed.refresh)
    ]
    for task in tasks:
        await task.start()
    try:
        problem = f"the answer to GET {KEYS.decision} is the integer 5"
        await wait_until(
            lambda: (feed.problem or "").startswith(problem), within=10, what="the problem"
        )
        server.answers |= {"GET": bulk(encode_decision(decision())), "PTTL": b":300000\r\n"}
        await wait_until(lambda: feed.cached is not None, within=10, what="a decision")
    finally:
        for task in tasks:
            await task.stop()
    assert [] == crashes


async def test_r12_operations_beside_one_that_fails_leave_no_connection_open(
    server: OddRedis, settings: RedisSettings
) -> None:
    server.answers["GET"] = ANSWERS["integer"]
    for turns in range(40):  # of the event loop, between the two operations
        store = RedisStore(settings, cluster=CLUSTER)
        failing = asyncio.create_task(outcome(store.read_latches()))
        for _ in range(turns):
            await asyncio.sleep(0)
        await outcome(store.write_held_report(b"report", 60_000))
        await failing
        await store.close()
        await wait_until(lambda: server.open == 0, within=5, what=f"the end, after {turns} turns")


async def test_r12_messages_that_cannot_be_read_are_one_outage_however_often_it_is_subscribed(
    server: OddRedis, store: RedisStore
) -> None:
    server.after_subscribe = ANSWERS["message-with-a-number"]
    feed = DecisionFeed(
        store,
        cluster=CLUSTER,
        limits=LIMITS,
        refresh=1.0,
        now_ms=lambda: 5_000,
        random=lambda: 0.0,
    )
    task = BackgroundTask("follow", feed.follow)
    with capture_logs() as lines:
        await task.start()
        try:
            await wait_until(
                lambda: server.subscriptions >= 3, within=10, what="further subscriptions"
            )
        finally:
            await task.stop()
    assert ["the store does not answer"] == [line["event"] for line in lines]


@pytest.mark.parametrize("command", ["EVAL", "GET", "HINCRBY", "HMGET", "HDEL", "PUBSUB", "PING"])
async def test_check_shows_a_malformed_answer(
    server: OddRedis, settings: RedisSettings, command: str
) -> None:
    server.answers[command] = ANSWERS["three-items"]
    tried = [
        *await try_evaluator_operations(settings, cluster=CLUSTER, holds=True),
        *await try_admitter_operations(settings, cluster=CLUSTER, tier="standard"),
        *await try_controller_operations(settings, cluster=CLUSTER),
    ]
    assert any(operation.problem for operation in tried)


async def test_check_has_no_complaint_about_usual_answers(settings: RedisSettings) -> None:
    tried = await asyncio.gather(
        try_evaluator_operations(settings, cluster=CLUSTER, holds=True),
        try_admitter_operations(settings, cluster=CLUSTER, tier="standard"),
        try_controller_operations(settings, cluster=CLUSTER),
    )
    assert [] == [operation for found in tried for operation in found if operation.problem]
