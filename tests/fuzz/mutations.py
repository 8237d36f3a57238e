"""What must hold for any review at /mutate: whom it holds, and what its patch does.

The expectations are worked out from the review as plain JSON, with a JSON Patch of our own.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from shield_admitter.core.hold import Action, mutate, mutation_policy
from shield_admitter.core.pacing import Pacing
from shield_admitter.core.response import DenialFormat, encode, mutation_response
from shield_admitter.core.review import ReviewError, decode
from shield_admitter.core.slots import Slots
from shield_admitter.core.verdict import AdmitterState, HoldPolicy, Mode, Policy
from shield_common.decision import Decision, TierDecision, TierHold
from shield_common.decision_age import CachedDecision, FreshnessLimits

_NOW: Final = datetime(2026, 11, 21, 10, tzinfo=UTC)
_PENDING: Final = "PipelineRunPending"
_LABEL: Final = "etcd-shield.dev/held"
_ANNOTATION: Final = "etcd-shield.dev/held-because"
_KUEUE: Final = "kueue.x-k8s.io/queue-name"
_OWNERS: Final = {"PipelineRun", "CustomRun"}
_WAITS: Final = {Action.HELD, Action.GATED}
_POLICY: Final = mutation_policy(
    Policy(
        tier_rules=(),
        default_tier="standard",
        mode=Mode.ENFORCE,
        limits=FreshnessLimits(stale_after_ms=30_000, expired_after_ms=300_000),
        allow_unknown=True,
        hold=HoldPolicy(controllers=frozenset({"controller"}), counts_starts=True),
    )
)


def _decision(tier: TierDecision) -> Decision:
    return Decision(
        cluster="rh01",
        epoch=1,
        sequence=1,
        ttl_ms=300_000,
        evaluated_at=_NOW,
        allow=tier.allow,
        tiers={"standard": tier},
        signals={},
        admitters=1,
    )


_SLOTS: Final = TierHold(slots=9, share=9, held=0)
_NO_SLOTS: Final = TierHold(slots=0, share=0, held=4)
_DECISIONS: Final = {
    "denies": _decision(TierDecision(allow=False, since=_NOW, reason="r\x00\ud7ff", hold=_SLOTS)),
    "denies without slots": _decision(TierDecision(allow=False, since=_NOW, hold=_NO_SLOTS)),
    "paces": _decision(TierDecision(allow=True, since=_NOW, share=0.0, hold=_SLOTS)),
    "admits": _decision(TierDecision(allow=True, since=_NOW, hold=_SLOTS)),
}


def mutation(data: bytes) -> None:
    """A review gets an answer; a run is held only if it may be, and by a patch that fits it."""
    try:
        request = decode(data)
    except ReviewError:
        return
    try:
        document = json.loads(data)["request"]
    except (ValueError, RecursionError):  # a number or depth that Python's reader refuses
        return
    for name, decision in _DECISIONS.items():
        slots = Slots()
        slots.grant(decision, now_ms=0, unflushed=0)
        pacing = Pacing()
        pacing.grant(decision)
        if name == "paces":
            pacing.take("standard")  # a new bucket has one run
        state = AdmitterState(CachedDecision(decision, 0), pacing, slots, 0, _NOW.timestamp())
        made = mutate(request, _POLICY, state)
        answer = json.loads(encode(mutation_response(request, made, DenialFormat())))["response"]
        assert request.uid == answer["uid"]
        assert answer["allowed"] is (made.action is not Action.DENIED)
        assert ("patch" in answer) is (made.action in _WAITS)
        if made.action in _WAITS:
            assert name != "denies without slots" or made.action is Action.GATED
            _is_held_rightly(document, json.loads(base64.b64decode(answer["patch"])))
        if name == "admits":
            assert made.action not in _WAITS | {Action.DENIED}


def _is_held_rightly(request: dict[str, Any], patch: list[dict[str, Any]]) -> None:
    assert ("tekton.dev", "PipelineRun") == (request["kind"]["group"], request["kind"]["kind"])
    assert not request.get("subResource")
    before = request["object"]
    metadata, status = before.get("metadata") or {}, (before.get("spec") or {}).get("status")
    assert not status
    assert metadata.get("deletionTimestamp") is None
    for names in (metadata.get("labels") or {}, metadata.get("annotations") or {}):
        assert _KUEUE not in names
    assert _OWNERS.isdisjoint(
        owner.get("kind") for owner in metadata.get("ownerReferences") or () if owner
    )
    after = json.loads(json.dumps(before))
    for operation in patch:
        _add(after, operation)
    assert _PENDING == after["spec"]["status"]
    assert "standard" == after["metadata"]["labels"][_LABEL]
    assert after["metadata"]["annotations"][_ANNOTATION].isprintable()
    assert _rest(before) == _rest(after)


def _add(document: Any, operation: Mapping[str, Any]) -> None:
    """Carry out one ``add`` of RFC 6902; a parent that is missing raises."""
    assert "add" == operation["op"]
    steps = [
        step.replace("~1", "/").replace("~0", "~") for step in operation["path"][1:].split("/")
    ]
    for step in steps[:-1]:
        document = document[step]
    assert isinstance(document, dict)
    document[steps[-1]] = operation["value"]


def _rest(document: dict[str, Any]) -> str:
    """Return the object without what holding writes, and without maps that are empty then."""
    copy = json.loads(json.dumps(document))
    metadata = copy.get("metadata") or {}
    for parent, key in ((copy, "spec"), (metadata, "labels"), (metadata, "annotations")):
        held = parent.get(key) or {}
        for name in ("status", _LABEL, _ANNOTATION):
            held.pop(name, None)
        if not held:
            parent.pop(key, None)
    if not metadata:
        copy.pop("metadata", None)
    return json.dumps(copy, sort_keys=True)
