"""The report of held runs, which the controller writes and the evaluator and the status page read.

Only the wire form belongs here: the types, their encoding, and which bytes are refused. What an
absent report means is decided by the evaluator's slots.

The form is fixed by ``docs/architecture.md`` (report of held runs, schema 1): a reader ignores
fields that it does not know and refuses a higher ``schema``.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from shield_common.decision import Count, Text, Value, WireTime, decode_document

SCHEMA: Final = 1

MAX_NAMESPACES: Final = 100  # those with most held runs; the rest shows in the tiers' counts alone

# The label and the annotation of a held run; `docs/holding.md` names them to users.
HELD_LABEL: Final = "etcd-shield.dev/held"  # value: the tier in which the run was held
REASON_ANNOTATION: Final = "etcd-shield.dev/held-because"  # value: a sentence for people
# Tekton's `spec.status` of a run that must not start yet.
PENDING_STATUS: Final = "PipelineRunPending"
# Label or annotation of a run in a queue of Kueue, which starts it (https://kueue.sigs.k8s.io/docs/tasks/run/).
# etcd-shield neither holds such a run nor starts it.
KUEUE_QUEUE: Final = "kueue.x-k8s.io/queue-name"


class TierReport(Struct, frozen=True, kw_only=True):
    """Held runs of one tier.

    Attributes:
        held: how many runs are held.
        oldest_seconds: since the oldest of them was created; 0 without one.
        released_per_minute: mean over the last five minutes.
        stuck: how many of them Tekton's webhook refused to start.
        counted: the admitters' cumulative count of held runs (field ``held:TIER`` of the admitted
            hash), as read before the controller counted: growth beyond it is not in ``held`` yet.
    """

    held: Count
    oldest_seconds: Value = 0.0
    released_per_minute: Value = 0.0
    stuck: Count = 0
    counted: Count = 0


class NamespaceReport(Struct, frozen=True, kw_only=True):
    """Held runs of one tier in one namespace.

    Attributes:
        tier: the tier.
        namespace: the namespace.
        held: how many runs are held.
        oldest_seconds: since the oldest of them was created.
    """

    tier: Text
    namespace: Text
    held: Count
    oldest_seconds: Value = 0.0


class HeldReport(Struct, frozen=True, kw_only=True):
    """All held runs, as the controller sees them.

    Attributes:
        reported_at: the controller's wall clock; for display only.
        tiers: tier -> its held runs. A tier of which nothing is held or counted may be missing.
        namespaces: where runs are held, most first; at most `MAX_NAMESPACES`.
    """

    schema: Count = SCHEMA
    reported_at: WireTime
    tiers: dict[Text, TierReport]
    namespaces: Annotated[tuple[NamespaceReport, ...], Meta(max_length=MAX_NAMESPACES)] = ()


_decoder = msgspec.json.Decoder(HeldReport)
_encoder = msgspec.json.Encoder()


def encode_held_report(report: HeldReport) -> bytes:
    """Write the report as UTF-8 JSON."""
    return _encoder.encode(report)


def decode_held_report(document: bytes) -> HeldReport:
    """Read a report.

    Args:
        document: UTF-8 JSON; not trusted, since others may be able to write to the store.

    Raises:
        DocumentError: too large, no report, or of a higher schema than this reader knows.
    """
    return decode_document(document, _decoder, schema=SCHEMA, name="a report of held runs")
