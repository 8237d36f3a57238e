"""What every implementation of the store promises, in memory and on every kind of Redis."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from shield_common.store.protocol import Publication, PublishAnswer, PublishResult, StoreError
from tests.integration.store.deployments import Site
from tests.rig.waiting import wait_until

LONG_MS = 60_000  # nothing expires during a test
SHORT_MS = 100  # soon over, and nothing but the expiry is waited for
PATIENCE = 20.0  # seconds; for what comes at once unless the machine is busy
SILENCE = 0.2  # seconds of hearing nothing that count as silence
DOCUMENT = b'{"any": "\xc3\xa9", "bytes": "\x00\xff"}'


def publication(site: Site, **changes: Any) -> Publication:
    fields: dict[str, Any] = {
        "holder": "ada",
        "epoch": 0,
        "lease_ms": LONG_MS,
        "document": DOCUMENT,
        "ttl_ms": LONG_MS,
        "allow": False,
        "latches": b"latches",
    }
    assert site.cluster
    return Publication(**fields | changes)


async def published(site: Site, **changes: Any) -> int:
    """Take the lease as ada, publish, and return the epoch."""
    epoch = (await site.store.claim_lease("ada", LONG_MS)).epoch
    answer = await site.store.publish(publication(site, epoch=epoch, **changes))
    assert PublishResult.PUBLISHED is answer.result
    return epoch


# The lease.


async def test_a_free_lease_is_taken(site: Site) -> None:
    claim = await site.store.claim_lease("ada", LONG_MS)
    assert (True, True, "ada") == (claim.lease_held, claim.taken, await site.store.lease_holder())


async def test_a_lease_that_was_never_taken_is_free(site: Site) -> None:
    assert await site.store.lease_holder() is None


async def test_its_holder_renews_a_lease_without_a_new_epoch(site: Site) -> None:
    first = await site.store.claim_lease("ada", LONG_MS)
    again = await site.store.claim_lease("ada", 2 * LONG_MS)
    assert (True, False, first.epoch) == (again.lease_held, again.taken, again.epoch)
    assert LONG_MS < (await site.deployment.remaining_ms(site.keys.lease) or 0)


async def test_a_held_lease_is_refused_with_its_holders_epoch(site: Site) -> None:
    theirs = await site.store.claim_lease("ada", LONG_MS)
    claim = await site.store.claim_lease("bob", LONG_MS)
    assert (False, False, theirs.epoch) == (claim.lease_held, claim.taken, claim.epoch)
    assert "ada" == await site.store.lease_holder()


async def test_an_expired_lease_goes_to_the_next_with_a_higher_epoch(site: Site) -> None:
    first = await site.store.claim_lease("ada", SHORT_MS)

    async def taken() -> bool:
        return (await site.store.claim_lease("bob", LONG_MS)).lease_held

    await wait_until(taken, within=PATIENCE, what="the lease to expire")
    second = await site.store.claim_lease("bob", LONG_MS)
    assert first.epoch < second.epoch


async def test_a_released_lease_goes_to_the_next_at_once(site: Site) -> None:
    first = await site.store.claim_lease("ada", LONG_MS)
    assert await site.store.release_lease("ada")
    second = await site.store.claim_lease("bob", LONG_MS)
    assert (True, first.epoch) == (second.taken, second.previous_epoch)
    assert first.epoch < second.epoch


@pytest.mark.parametrize("holder", [None, "ada"], ids=["nobody's", "somebody else's"])
async def test_a_lease_is_released_by_its_holder_alone(site: Site, holder: str | None) -> None:
    if holder is not None:
        await site.store.claim_lease(holder, LONG_MS)
    assert not await site.store.release_lease("bob")
    assert holder == await site.store.lease_holder()


async def test_a_new_epoch_lies_above_what_the_claimant_has_seen(site: Site) -> None:
    seen = 9_000_000_000
    assert seen + 1 == (await site.store.claim_lease("ada", LONG_MS, above=seen)).epoch


@pytest.mark.shows("trial S7")
async def test_the_first_epoch_is_the_servers_clock(site: Site) -> None:
    before = int(time.time())
    epoch = (await site.store.claim_lease("ada", LONG_MS)).epoch
    assert before <= epoch <= time.time()


@pytest.mark.shows("trial S7")
async def test_an_epoch_from_an_old_snapshot_rises_to_the_servers_clock(site: Site) -> None:
    await site.deployment.write(site.keys.epoch, b"1600000000")
    before = int(time.time())
    epoch = (await site.store.claim_lease("ada", LONG_MS)).epoch
    assert before <= epoch <= time.time()


@pytest.mark.shows("trial S7")
async def test_an_epoch_ahead_of_the_servers_clock_still_rises(site: Site) -> None:
    await site.deployment.write(site.keys.epoch, b"9000000000")
    assert 9_000_000_001 == (await site.store.claim_lease("ada", LONG_MS)).epoch


async def test_a_holder_keeps_its_epoch_while_it_renews(site: Site) -> None:
    await site.deployment.write(site.keys.epoch, b"1600000000")
    await site.deployment.write(site.keys.lease, b"ada")
    claim = await site.store.claim_lease("ada", LONG_MS)
    assert (False, 1_600_000_000) == (claim.taken, claim.epoch)


@pytest.mark.parametrize(
    "counter",
    [b"", b"garbage", b"-5", b"1e400", b"0x10", b"7.5", b"9" * 40, b"\xff"],
    ids=["empty", "word", "negative", "infinite", "hexadecimal", "fraction", "huge", "binary"],
)
async def test_an_unreadable_counter_counts_as_missing(site: Site, counter: bytes) -> None:
    await site.deployment.write(site.keys.epoch, counter)
    before = int(time.time())
    claim = await site.store.claim_lease("ada", LONG_MS)
    assert (True, 0) == (claim.taken, claim.previous_epoch)
    assert before <= claim.epoch <= time.time()


async def test_a_lost_counter_makes_its_holder_take_the_lease_again(site: Site) -> None:
    await site.store.claim_lease("ada", LONG_MS)
    await site.deployment.delete(site.keys.epoch)
    assert (await site.store.claim_lease("ada", LONG_MS)).taken


async def test_a_claimant_that_waits_after_a_loss_does_not_take_the_lease(site: Site) -> None:
    claim = await site.store.claim_lease("ada", LONG_MS, after_loss=False)
    assert (False, None) == (claim.lease_held, await site.store.lease_holder())


# Publishing.


async def test_a_publication_is_read_back_byte_by_byte(site: Site) -> None:
    await published(site)
    stored = await site.store.read_decision()
    assert stored is not None
    assert DOCUMENT == stored.document


@pytest.mark.parametrize(("allow", "bit"), [(True, b"1"), (False, b"0")], ids=["allow", "deny"])
async def test_the_bit_is_stored_with_the_document(site: Site, allow: bool, bit: bytes) -> None:
    await published(site, allow=allow)
    assert bit == await site.deployment.read(site.keys.allow)


@pytest.mark.parametrize("key", ["decision", "allow", "lease"])
async def test_decision_bit_and_lease_expire(site: Site, key: str) -> None:
    await published(site, ttl_ms=LONG_MS, lease_ms=LONG_MS)
    remaining = await site.deployment.remaining_ms(getattr(site.keys, key))
    assert LONG_MS / 2 < (remaining or 0) <= LONG_MS


@pytest.mark.parametrize("key", ["latches", "epoch"])
async def test_latches_and_epoch_never_expire(site: Site, key: str) -> None:
    await published(site)
    assert await site.deployment.remaining_ms(getattr(site.keys, key)) is None


async def test_a_decision_is_read_with_its_remaining_time(site: Site) -> None:
    await published(site, ttl_ms=LONG_MS)
    stored = await site.store.read_decision()
    assert stored is not None
    assert LONG_MS / 2 < (stored.remaining_ms or 0) <= LONG_MS


async def test_r6_an_expired_decision_is_absent(site: Site) -> None:
    await published(site, ttl_ms=SHORT_MS)

    async def absent() -> bool:
        return await site.store.read_decision() is None

    await wait_until(absent, within=PATIENCE, what="the decision to expire")


async def test_a_document_without_expiry_is_read_without_remaining_time(site: Site) -> None:
    await site.deployment.write(site.keys.decision, b"forged")
    stored = await site.store.read_decision()
    assert stored is not None
    assert (b"forged", None) == (stored.document, stored.remaining_ms)


async def test_the_latches_are_those_of_the_last_writer(site: Site) -> None:
    await published(site, latches=b"first")
    await published(site, latches=b"second")
    assert b"second" == await site.store.read_latches()


async def test_an_empty_store_has_nothing(site: Site) -> None:
    store = site.store
    assert (None, None, None) == (
        await store.read_decision(),
        await store.read_latches(),
        await store.read_override(),
    )


async def test_a_publication_renews_the_lease(site: Site) -> None:
    epoch = (await site.store.claim_lease("ada", LONG_MS)).epoch
    await site.store.publish(publication(site, epoch=epoch, lease_ms=10 * LONG_MS))
    assert 5 * LONG_MS < (await site.deployment.remaining_ms(site.keys.lease) or 0)


async def test_a_lower_epoch_is_fenced(site: Site) -> None:
    late = await published(site, document=b"first")
    await site.store.release_lease("ada")
    await site.store.claim_lease("bob", LONG_MS)
    await site.store.release_lease("bob")
    answer = await site.store.publish(publication(site, epoch=late, document=b"late"))
    assert PublishAnswer(PublishResult.FENCED) == answer


async def test_nothing_of_a_fenced_publication_is_written(site: Site) -> None:
    late = await published(site, document=b"first", latches=b"first", allow=True)
    await site.store.release_lease("ada")
    await site.store.claim_lease("bob", LONG_MS)
    await site.store.publish(
        publication(site, epoch=late, document=b"late", latches=b"late", allow=False)
    )
    stored = await site.store.read_decision()
    assert stored is not None
    assert (b"first", b"first", b"1", "bob") == (
        stored.document,
        await site.store.read_latches(),
        await site.deployment.read(site.keys.allow),
        await site.store.lease_holder(),
    )


async def test_another_holder_under_the_same_epoch_loses_the_lease(site: Site) -> None:
    epoch = await published(site)
    await site.deployment.write(site.keys.lease, b"bob")
    assert (
        PublishResult.LEASE_LOST
        is (await site.store.publish(publication(site, epoch=epoch))).result
    )


async def test_a_newer_writer_takes_over_from_an_older_that_was_quicker_after_a_loss(
    site: Site,
) -> None:
    epoch = await published(site)
    await site.deployment.write(site.keys.lease, b"bob")
    await site.deployment.write(site.keys.epoch, str(epoch - 1).encode())
    assert (
        PublishResult.PUBLISHED is (await site.store.publish(publication(site, epoch=epoch))).result
    )
    assert "ada" == await site.store.lease_holder()


async def test_a_free_lease_is_taken_back_with_the_same_epoch(site: Site) -> None:
    epoch = await published(site)
    await site.deployment.delete(site.keys.lease)
    assert (
        PublishResult.PUBLISHED is (await site.store.publish(publication(site, epoch=epoch))).result
    )
    claim = await site.store.claim_lease("ada", LONG_MS)
    assert (False, epoch) == (claim.taken, claim.epoch)


async def test_r3_one_publication_makes_an_emptied_store_whole_again(site: Site) -> None:
    epoch = await published(site)
    keys = site.keys
    await site.deployment.delete(keys.decision, keys.allow, keys.latches, keys.epoch, keys.lease)
    assert (
        PublishResult.PUBLISHED is (await site.store.publish(publication(site, epoch=epoch))).result
    )
    bob = await site.store.claim_lease("bob", LONG_MS)
    assert (False, epoch, b"latches") == (
        bob.lease_held,
        bob.epoch,
        await site.store.read_latches(),
    )


async def test_two_clusters_share_nothing(site: Site) -> None:
    await published(site)
    other = Site(site.deployment)
    try:
        assert (None, True) == (
            await other.store.read_decision(),
            (await other.store.claim_lease("bob", LONG_MS)).taken,
        )
    finally:
        await other.store.close()


async def test_the_eviction_policy_can_be_read(site: Site) -> None:
    assert "noeviction" == await site.store.eviction_policy()


# Subscriptions.


async def test_a_publication_reaches_every_subscriber_as_it_was_written(site: Site) -> None:
    second = site.deployment.store(site.cluster)
    async with site.store.subscribe_decisions() as one, second.subscribe_decisions() as two:
        await published(site)
        assert (DOCUMENT, DOCUMENT) == (await one.next(PATIENCE), await two.next(PATIENCE))
    await second.close()


@pytest.mark.parametrize("subscribers", [0, 1, 2])
async def test_a_publication_returns_its_number_of_receivers(site: Site, subscribers: int) -> None:
    epoch = (await site.store.claim_lease("ada", LONG_MS)).epoch
    async with AsyncExitStack() as stack:
        for _ in range(subscribers):
            await stack.enter_async_context(site.store.subscribe_decisions())
        answer = await site.store.publish(publication(site, epoch=epoch))
    # In a Redis Cluster a subscription may be at another node than the decision's.
    assert 0 <= answer.receivers <= subscribers
    assert site.deployment.counts_locally or subscribers == answer.receivers


async def test_an_empty_announcement_of_a_decision_is_skipped(site: Site) -> None:
    async with site.store.subscribe_decisions() as subscription:
        await published(site, document=b"")
        await published(site, document=DOCUMENT)
        assert DOCUMENT == await subscription.next(PATIENCE)


async def test_publications_arrive_in_their_order(site: Site) -> None:
    async with site.store.subscribe_decisions() as subscription:
        sent = [b"%d" % number for number in range(20)]
        for document in sent:
            await published(site, document=document)
        assert sent == [await subscription.next(PATIENCE) for _ in sent]


async def test_a_publication_that_is_refused_is_not_announced(site: Site) -> None:
    late = await published(site)
    await site.store.release_lease("ada")
    await site.store.claim_lease("bob", LONG_MS)
    async with site.store.subscribe_decisions() as subscription:
        await site.store.publish(publication(site, epoch=late))
        assert await subscription.next(SILENCE) is None


async def test_without_a_message_the_subscription_returns_none(site: Site) -> None:
    async with site.store.subscribe_decisions() as subscription:
        assert await subscription.next(SILENCE) is None
        await published(site)
        assert DOCUMENT == await subscription.next(PATIENCE)


async def test_another_clusters_publications_are_not_heard(site: Site) -> None:
    other = Site(site.deployment)
    async with site.store.subscribe_decisions() as subscription:
        await published(other)
        assert await subscription.next(SILENCE) is None
    await other.store.close()


async def test_r8_a_broken_subscription_is_an_error(site: Site) -> None:
    async with site.store.subscribe_decisions() as subscription:
        await site.deployment.break_subscriptions()
        with pytest.raises(StoreError) as caught:
            await subscription.next(PATIENCE)
    assert "connection" == caught.value.kind


async def test_subscribing_again_works_after_a_break(site: Site) -> None:
    async with site.store.subscribe_decisions() as subscription:
        await site.deployment.break_subscriptions()
        with pytest.raises(StoreError):
            await subscription.next(PATIENCE)
    async with site.store.subscribe_decisions() as subscription:
        await published(site)
        assert DOCUMENT == await subscription.next(PATIENCE)


async def test_subscribers_are_counted_while_they_are_there(site: Site) -> None:
    counting = site.store

    def count_is(expected: int) -> Callable[[], Any]:
        async def reached() -> bool:
            return expected == await counting.count_subscribers()

        return reached

    other = site.deployment.store(site.cluster)
    assert 0 == await counting.count_subscribers()
    async with counting.subscribe_decisions():
        await wait_until(count_is(1), within=PATIENCE, what="one subscriber")
        async with other.subscribe_decisions():
            await wait_until(count_is(2), within=PATIENCE, what="two subscribers")
    await wait_until(count_is(0), within=PATIENCE, what="the subscribers to be gone")
    await other.close()


# Overrides.


async def test_an_override_is_read_back_with_its_time(site: Site) -> None:
    await site.store.put_override(b"deny", LONG_MS)
    stored = await site.store.read_override()
    assert stored is not None
    assert b"deny" == stored.document
    assert LONG_MS / 2 < (stored.remaining_ms or 0) <= LONG_MS


async def test_a_second_override_replaces_the_first(site: Site) -> None:
    await site.store.put_override(b"deny", LONG_MS)
    await site.store.put_override(b"allow", LONG_MS)
    stored = await site.store.read_override()
    assert stored is not None
    assert b"allow" == stored.document


async def test_an_override_expires(site: Site) -> None:
    await site.store.put_override(b"deny", SHORT_MS)

    async def ended() -> bool:
        return await site.store.read_override() is None

    await wait_until(ended, within=PATIENCE, what="the override to end")


async def test_a_cleared_override_is_gone(site: Site) -> None:
    await site.store.put_override(b"deny", LONG_MS)
    assert await site.store.clear_override()
    assert await site.store.read_override() is None


async def test_clearing_returns_whether_there_was_an_override(site: Site) -> None:
    assert not await site.store.clear_override()


async def test_the_end_of_an_override_is_announced_as_an_empty_message(site: Site) -> None:
    async with site.store.subscribe_overrides() as subscription:
        await site.store.put_override(b"deny", LONG_MS)
        await site.store.clear_override()
        heard = [await subscription.next(PATIENCE) for _ in range(2)]
    assert [b"deny", b""] == heard


async def test_decisions_are_not_heard_among_the_overrides(site: Site) -> None:
    async with site.store.subscribe_overrides() as subscription:
        await published(site)
        assert await subscription.next(SILENCE) is None


# The client.


async def test_a_closed_store_opens_again_when_it_is_needed(site: Site) -> None:
    await published(site)
    await site.store.close()
    await site.store.close()
    assert await site.store.read_decision() is not None


async def test_verbs_may_overlap(site: Site) -> None:
    await published(site)
    answers = await asyncio.gather(*(site.store.read_decision() for _ in range(50)))
    assert {DOCUMENT} == {stored.document for stored in answers if stored is not None}
