"""What must hold for any decision document that is taken: what its readers make of it.

Documents come from Redis, where others may be able to write. Admitters turn them into admissions
and held runs, the controller into releases and objects of Kubernetes.
"""

import json
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from shield_admitter.core.pacing import MAX_WAIT_SECONDS, Pacing, retry_seconds, runs_per_minute
from shield_admitter.core.slots import Slots
from shield_common.allowance import Allowance
from shield_common.decision import Decision, DocumentError, decode_decision
from shield_common.decision_age import CachedDecision
from shield_controller.core.mirror import bits, config_map, decision_object

_CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "etcd-shield"
_DEFINITION = _CHART / "templates" / "decision-crd.yaml"
_LATER_MS = 60_000  # while decisions stay away, the last one grants its share again
_ENOUGH = 64  # attempts, more than enough to use up what a small share grants
_RATE = 20.0  # runs a second
_DAY_SECONDS = 86_400


def room(data: bytes) -> None:
    """Admissions, held runs and releases stay within what the document hands out."""
    decision = _taken(data)
    if decision is None:
        return
    for tier in decision.tiers:
        _admits_within_share(decision, tier)
        _releases_within_room(decision, tier)
    _holds_within_share(decision)


def decision_objects(data: bytes) -> None:
    """The API server takes the mirror of any document, and it says what the document says."""
    decision = _taken(data)
    if decision is None:
        return
    document = decision_object(decision, namespace="shield", name="decision")
    json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    problems = [error.message for error in _schema.iter_errors(document)]
    assert not problems, problems
    spec = document["spec"]
    tiers = {tier: state["allow"] for tier, state in spec["tiers"].items()}
    assert {"": spec["allow"], **tiers} == bits(decision)
    shown = datetime.strptime(spec["evaluatedAt"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    # UTC has no such day where the first or the last one of the calendar is in another zone.
    tolerance = 1 if 1 < shown.year < 9999 else _DAY_SECONDS
    assert abs((shown - decision.evaluated_at).total_seconds()) < tolerance
    texts = config_map(decision, namespace="shield", name="decision")["data"]
    assert ("1" if decision.allow else "0") == texts["allow"]
    assert all(isinstance(text, str) for text in texts.values())


def _taken(data: bytes) -> Decision | None:
    try:
        return decode_decision(data)
    except DocumentError:
        return None


def _admits_within_share(decision: Decision, tier: str) -> None:
    entry = decision.tiers[tier]
    pacing = Pacing()
    pacing.grant(decision)
    cached = CachedDecision(decision, 0)
    assert runs_per_minute(decision, tier) >= 0
    admitted = 0
    for attempt in range(_ENOUGH):
        wait = pacing.wait_seconds(tier, cached, now_ms=attempt * _LATER_MS)
        if wait is None:
            pacing.take(tier)
            admitted += 1
        else:
            assert 1 <= retry_seconds(wait, 0.5) <= 2 * MAX_WAIT_SECONDS
    if entry.share is None:  # paces nothing
        assert _ENOUGH == admitted
    else:  # a new bucket begins with a run where there is room for it
        part = (entry.room or 0.0) / (decision.admitters or 1)
        assert admitted <= 1 + max(entry.share, part)


def _holds_within_share(decision: Decision) -> None:
    slots = Slots()
    slots.grant(decision, now_ms=0, unflushed=0)
    shares = [entry.hold.share for entry in decision.tiers.values() if entry.hold is not None]
    held = 0
    while slots.has_slot and held < _ENOUGH:
        slots.take("any")
        held += 1
    assert held <= min(shares, default=0.0)
    slots.grant(decision, now_ms=1, unflushed=0)  # the same evaluation grants nothing again
    assert held == _ENOUGH or not slots.has_slot


def _releases_within_room(decision: Decision, tier: str) -> None:
    allowance = Allowance(rate=_RATE, interval=1.0, now_ms=0)
    allowance.follow(decision, since_ms=0)
    released = 0
    while allowance.permits(tier) and released < _ENOUGH:
        allowance.take()
        allowance.count(tier, now_ms=0)
        released += 1
    entry = decision.tiers[tier]
    assert entry.allow or released == 0
    assert released <= _RATE
    override = decision.override
    if override is not None and override.allow and override.covers(tier):
        return  # an operator opens the tier: nothing is paced
    assert entry.room is None or released <= entry.room
    if entry.share is not None:
        assert released <= max(1.0, entry.share * (decision.admitters or 1))


def _object_schema() -> Draft202012Validator:
    """Return the chart's definition of the object, which is the same without Helm."""
    text = _DEFINITION.read_text().partition("openAPIV3Schema:\n")[2].partition("{{- end }}")[0]
    return Draft202012Validator(yaml.safe_load(textwrap.dedent(text)))


_schema = _object_schema()
