"""The shield's status as Redis holds it: what the admitters read, even if no evaluator runs."""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from shield_common.command_line import EXIT_FAILED
from shield_common.decision import (
    Decision,
    DocumentError,
    Override,
    decode_decision,
    decode_override,
)
from shield_common.held import HeldReport, decode_held_report
from shield_common.store.protocol import Store, StoredDocument, StoreError
from shield_common.store.redis import RedisStore
from shield_common.text import format_duration
from shield_evaluator.cli.terminal import fail, interruptible
from shield_evaluator.core.latches_document import LatchesDocumentError, decode
from shield_evaluator.core.reservations import Reservation
from shield_evaluator.core.room import reservations_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shield_evaluator.core.plan import Plan
    from shield_evaluator.settings import EvaluatorSettings

T = TypeVar("T")

# The admitters' default for `stale_after`, but at least three publications that did not come.
STALE_SECONDS: Final = 30.0
STALE_INTERVALS: Final = 3


class Standing(enum.StrEnum):
    """What the shield does for a tier."""

    ADMITTING = "admitting"
    DENYING = "denying"
    STALE = "stale"  # there is a decision, but no evaluator renews it
    ABSENT = "absent"  # there is no decision, or none that can be read


class StoredStatus(Struct, frozen=True, kw_only=True):
    """The content of Redis at one time; its JSON form is what ``--output json`` prints.

    Attributes:
        cluster: the cluster's name.
        tier: the tier of `standing`.
        standing: what the shield does for that tier.
        problem: why a decision or an override in Redis cannot be used.
        age_seconds: since when the decision is what it is, by Redis' own clock.
        decision: the decision document.
        lease_holder: which evaluator is the writer.
        override: the override in Redis.
        override_seconds: how long it still lasts.
        override_in_force: whether the decision obeys it already.
        admitters: how many connections are subscribed to decisions; None if Redis does not allow
            us to ask.
        reservations: what admitted runs are still going to write, by tier; a tier without a run
            cost is left out.
        held: the controller's report of held runs; None without one.
    """

    cluster: str
    tier: str
    standing: Standing
    problem: str | None = None
    age_seconds: float | None = None
    decision: Decision | None = None
    lease_holder: str | None = None
    override: Override | None = None
    override_seconds: float | None = None
    override_in_force: bool = False
    admitters: int | None = None
    reservations: dict[str, Reservation] = {}
    held: HeldReport | None = None


def with_store(settings: EvaluatorSettings, act: Callable[[RedisStore], Awaitable[T]]) -> T:
    """Act with a connection to Redis; the process ends with 1 if Redis does not answer."""

    async def connected() -> T:
        store = RedisStore(settings.redis, cluster=settings.cluster)
        try:
            return await act(store)
        finally:
            await store.close()

    with interruptible():
        try:
            return asyncio.run(connected())
        except StoreError as error:
            fail(f"Redis does not answer: {error}", EXIT_FAILED)


async def read_status(
    store: Store, *, cluster: str, tier: str, plan: Plan | None = None
) -> StoredStatus:
    """Read everything that Redis holds.

    Args:
        store: of the cluster.
        cluster: its name.
        tier: whose standing is wanted.
        plan: the configuration; without one there are no reservations.

    Raises:
        StoreError: Redis does not answer.
    """
    stored = await store.read_decision()
    stored_override = await store.read_override()
    decision, problem = _decoded(stored, decode_decision)
    override, override_problem = _decoded(stored_override, decode_override)
    age = None
    if stored is not None and stored.remaining_ms is not None and decision is not None:
        age = max(decision.ttl_ms - stored.remaining_ms, 0) / 1000
    remaining = None if stored_override is None else stored_override.remaining_ms
    return StoredStatus(
        cluster=cluster,
        tier=tier,
        standing=standing(decision, age, tier),
        problem=problem or override_problem,
        age_seconds=age,
        decision=decision,
        lease_holder=await store.lease_holder(),
        override=override,
        override_seconds=None if remaining is None else remaining / 1000,
        override_in_force=decision is not None
        and override is not None
        and decision.override == override,
        admitters=await _permitted(store.count_subscribers()),
        reservations={} if plan is None else await _reservations(store, plan, age or 0.0),
        held=await _held(store),
    )


def standing(decision: Decision | None, age_seconds: float | None, tier: str) -> Standing:
    """Return what a decision means for a tier.

    Args:
        decision: None if there is none.
        age_seconds: None if the decision never expires, which an evaluator's always does.
        tier: one that the decision lacks gets the default tier's bit, as on an admitter.
    """
    if decision is None:
        return Standing.ABSENT
    patience = max(STALE_SECONDS, STALE_INTERVALS * decision.interval_ms / 1000)
    if age_seconds is None or age_seconds > patience:
        return Standing.STALE
    entry = decision.tiers.get(tier)
    allow = decision.allow if entry is None else entry.allow
    return Standing.ADMITTING if allow else Standing.DENYING


def describe_override(override: Override, seconds: float | None) -> str:
    """Describe an override in one line.

    Args:
        override: the document.
        seconds: how long it still lasts; None if it does not expire.
    """
    verb = "allow" if override.allow else "deny"
    tiers = "all tiers" if override.tiers is None else f"tier {', '.join(override.tiers)}"
    left = "without an end" if seconds is None else f"for another {format_duration(seconds)}"
    until = f"until {override.until:%H:%M:%S}Z"
    return f"{verb} {tiers} {until} ({left}), by {override.by}: {override.reason}"


def _decoded(
    stored: StoredDocument | None, decode: Callable[[bytes], T]
) -> tuple[T | None, str | None]:
    if stored is None:
        return None, None
    try:
        return decode(stored.document), None
    except DocumentError as error:
        return None, str(error)


async def _permitted(reading: Awaitable[T]) -> T | None:
    """Return what is read; None if Redis does not let us."""
    try:
        return await reading
    except StoreError as error:
        if error.kind == "permission":
            return None
        raise


async def _reservations(store: Store, plan: Plan, age_seconds: float) -> dict[str, Reservation]:
    """Return the reservations of the stored latches, which are as old as the decision."""
    document = await _permitted(store.read_latches())
    if document is None:
        return {}
    try:
        room = decode(document, now_ms=0).state.room
    except LatchesDocumentError:
        return {}
    return reservations_of(plan, room, now_ms=round(age_seconds * 1000))


async def _held(store: Store) -> HeldReport | None:
    stored = await _permitted(store.read_held_report())
    try:
        return None if stored is None else decode_held_report(stored.document)
    except DocumentError:
        return None
