"""The decision document, which the evaluator publishes and the admitters read.

Only the wire form belongs here: the types, their encoding, and which bytes are refused. The meaning
of an absent, old or unknown decision is decided by the admitter's verdict.

The form is fixed by ``docs/architecture.md`` (decision document, schema 1): a reader ignores
fields that it does not know and refuses a higher ``schema``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T")

SCHEMA: Final = 1

# A decision for a hundred tiers and signals stays below 64 KiB; more is garbage, or an attack on
# every admitter's memory.
MAX_DOCUMENT_BYTES: Final = 256 * 1024

MAX_SAFE_INTEGER: Final = 2**53 - 1  # exact in every JSON reader (RFC 8259, 6)
Count = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
# An exabyte in bytes. The bound refuses Infinity, which a JSON number such as 1e999 turns into.
MAX_VALUE: Final = 1e18
MAX_TEXT: Final = 1024  # characters; the API server shows no longer message in full
Value = Annotated[float, Meta(ge=0.0, le=MAX_VALUE)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
WireTime = Annotated[datetime, Meta(tz=True)]


class DocumentError(Exception):
    """A document of the store cannot be used; its reader goes on without it and counts the error.

    Attributes:
        problem: ``malformed``, ``schema`` or ``size``, for a metric label.
    """

    def __init__(self, problem: str, message: str) -> None:
        super().__init__(message)
        self.problem = problem


class TierHold(Struct, frozen=True, kw_only=True):
    """How many runs of one tier may be held instead of denied.

    Attributes:
        slots: how many more runs may be held; the same for every tier, which share them.
        share: slots that one admitter may use until the next decision, whatever the tiers.
        held: runs of the tier that are held and can start: those reported, without the stuck ones,
            and those held since the report.
        wait_seconds: how long a run that is held now will wait; null if that is not known.
        full: etcd is so full that newcomers are denied although there may be slots.
        stalled: the controller has stopped reporting, so held runs may wait for ever; newcomers
            are held while the tier is closed, but do not queue behind them in an open tier.
    """

    slots: Value
    share: Value
    held: Count
    wait_seconds: Value | None = None
    full: bool = False
    stalled: bool = False


class TierDecision(Struct, frozen=True, kw_only=True):
    """Allow or deny for one tier, and why.

    Attributes:
        since: when the tier last changed; for display only, never compared with a clock.
        reason: why it denies, in words; empty while it admits.
        signal: the signal that denies; null while it admits.
        value: the reported signal's worst value, in the signal's unit.
        set: the threshold at or above which the tier denies.
        reset: the threshold below which it admits again.
        warning: for requests that are admitted nevertheless.
        room: how many more runs fit below the tier's target; null where no run cost is known.
        share: how many runs one admitter may admit until the next decision; null paces nothing.
        run_cost: bytes that one run of the tier adds to etcd.
        unit: how a value reads: ``ratio`` (0.9 is 90%), ``number``, or ``alert`` (1 is firing).
        hold: how many runs may be held instead of denied; null holds nothing.
        priority: the order in which tiers' held runs are released; 0 is first.
    """

    allow: bool
    since: WireTime
    reason: Text = ""
    signal: Text | None = None
    value: Value | None = None
    set: Value | None = None
    reset: Value | None = None
    warning: Text | None = None
    unit: Text = "ratio"
    room: Value | None = None
    share: Value | None = None
    run_cost: Count | None = None
    hold: TierHold | None = None
    priority: Count = 0


class SignalObservation(Struct, frozen=True, kw_only=True):
    """One signal's observation in this cycle.

    Attributes:
        value: the worst member's value, null when unusable.
        member: which member that was.
        members: how many members gave a usable sample.
        state: ``ok``, ``partial``, ``unusable`` or ``blind``.
    """

    value: Value | None = None
    member: Text | None = None
    members: Count = 0
    state: Text


class Override(Struct, frozen=True, kw_only=True):
    """An operator's allow or deny.

    Attributes:
        allow: the bit that is forced.
        tiers: which tiers; null means all.
        reason: why, in the operator's words.
        by: who set it.
        since: when it was set.
        until: when it ends.
    """

    allow: bool
    tiers: tuple[Text, ...] | None = None
    reason: Text
    by: Text
    since: WireTime
    until: WireTime

    def covers(self, tier: str) -> bool:
        """Return whether the override applies to a tier."""
        return self.tiers is None or tier in self.tiers


class Decision(Struct, frozen=True, kw_only=True):
    """One published decision.

    Attributes:
        epoch: the writer's fencing number.
        sequence: the count of decisions in this epoch.
        ttl_ms: how long the document lives in the store, milliseconds.
        interval_ms: the writer's cycle, milliseconds: how often to expect the next one.
        allow: the default tier's bit.
        admitters: among how many admitters the room is shared out; null without room.
        time_to_full_seconds: until the quota is reached at the present slope; null when
            usage is flat or falls.
        status_url: a page for people; added to the end of a denial.
    """

    schema: Count = SCHEMA
    cluster: Text
    epoch: Count
    sequence: Count
    ttl_ms: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
    interval_ms: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)] = 5_000
    evaluated_at: WireTime
    allow: bool
    tiers: dict[Text, TierDecision]
    signals: dict[Text, SignalObservation]
    override: Override | None = None
    time_to_full_seconds: Value | None = None
    admitters: Count | None = None
    status_url: Text | None = None

    @property
    def order(self) -> tuple[int, int]:
        """The decision's position among all decisions: a lower one is older."""
        return (self.epoch, self.sequence)


class _Header(Struct):
    schema: int


_header = msgspec.json.Decoder(_Header)
_decoder = msgspec.json.Decoder(Decision)
_override_decoder = msgspec.json.Decoder(Override)
_encoder = msgspec.json.Encoder()


def encode_decision(decision: Decision) -> bytes:
    """Write the document as UTF-8 JSON."""
    return _encoder.encode(decision)


def decode_decision(document: bytes) -> Decision:
    """Read a document.

    Args:
        document: UTF-8 JSON; not trusted, since others may be able to write to the store.

    Raises:
        DocumentError: too large, not a decision, or of a higher schema than this reader knows.
    """
    return decode_document(document, _decoder, schema=SCHEMA, name="a decision document")


def decode_document(
    document: bytes, decoder: msgspec.json.Decoder[T], *, schema: int, name: str
) -> T:
    """Read a document that says its own schema.

    Args:
        document: UTF-8 JSON.
        decoder: of its form.
        schema: the highest one that this reader knows.
        name: what the document is, with its article.

    Raises:
        DocumentError: too large, malformed, or of a higher schema.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise DocumentError("size", f"{len(document)} bytes, at most {MAX_DOCUMENT_BYTES} are read")
    try:
        actual = _header.decode(document).schema
        if actual > schema:
            raise DocumentError("schema", f"schema {actual}, this reader knows up to {schema}")
        return decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError("malformed", f"not {name}: {error}") from error


def encode_override(override: Override) -> bytes:
    """Write an override as UTF-8 JSON."""
    return _encoder.encode(override)


def decode_override(document: bytes) -> Override:
    """Read an override.

    Raises:
        DocumentError: not an override document.
    """
    try:
        return _override_decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError("malformed", f"not an override document: {error}") from error
