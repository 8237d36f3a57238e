"""One look at the shield as Redis holds it, and what it amounts to."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from msgspec import Struct

from shield_common.decision import (
    Decision,
    DecisionError,
    Override,
    decode_decision,
    decode_override,
)
from shield_common.store.protocol import (
    DecisionReader,
    OverrideStore,
    StatusReader,
    StoredDocument,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# The admitters' own default for `stale_after`, but no less than three missed publications.
STALE_SECONDS: Final = 30.0
STALE_INTERVALS: Final = 3


class Standing(enum.StrEnum):
    """What the shield does for a tier."""

    ADMITTING = "admitting"
    DENYING = "denying"
    STALE = "stale"  # there is a decision, but nobody renews it
    ABSENT = "absent"  # there is no decision, or none that can be read


class Store(DecisionReader, OverrideStore, StatusReader, Protocol):
    """What a look needs of the store."""


class Glance(Struct, frozen=True, kw_only=True):
    """What one look saw; its JSON form is what ``--output json`` prints.

    Attributes:
        cluster: which cluster's.
        tier: whose standing it is: the default tier's unless asked otherwise.
        standing: what the shield does for it.
        problem: why a decision or an override that is there cannot be used.
        age_seconds: since when the decision is what it is, by Redis' own clock.
        decision: the decision document.
        lease_holder: which evaluator is the writer.
        override: the override in Redis.
        override_seconds: how long it still lasts.
        override_in_force: the decision obeys it already.
        admitters: how many connections are subscribed to decisions; None if that may not be read.
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


async def look(store: Store, *, cluster: str, tier: str) -> Glance:
    """Read all that Redis knows.

    Args:
        store: of the cluster.
        cluster: its name.
        tier: whose standing to tell.

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
    return Glance(
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
        admitters=await _subscribers(store),
    )


def standing(decision: Decision | None, age_seconds: float | None, tier: str) -> Standing:
    """Say what a decision amounts to for a tier.

    Args:
        decision: None when there is none.
        age_seconds: None when it cannot be told, which nobody's renewal can cause.
        tier: one that the decision lacks has the default bit, as on an admitter.
    """
    if decision is None:
        return Standing.ABSENT
    patience = max(STALE_SECONDS, STALE_INTERVALS * decision.interval_ms / 1000)
    if age_seconds is None or age_seconds > patience:
        return Standing.STALE
    entry = decision.tiers.get(tier)
    allow = decision.allow if entry is None else entry.allow
    return Standing.ADMITTING if allow else Standing.DENYING


def _decoded(
    stored: StoredDocument | None, decode: Callable[[bytes], T]
) -> tuple[T | None, str | None]:
    if stored is None:
        return None, None
    try:
        return decode(stored.document), None
    except DecisionError as error:
        return None, str(error)


async def _subscribers(store: StatusReader) -> int | None:
    try:
        return await store.count_subscribers()
    except StoreError as error:
        if error.kind == "permission":
            return None
        raise
