"""What /mutate does with a run, and what /validate makes of it afterwards."""

import itertools
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shield_admitter.core.hold import Action, Mutation, mutate, mutation_policy, validate
from shield_admitter.core.pacing import Pacing
from shield_admitter.core.response import (
    MAX_WARNING,
    AdmissionResponse,
    DenialFormat,
    mutation_response,
)
from shield_admitter.core.review import Kind, Request, UserInfo
from shield_admitter.core.rules import Exemption, RetryRule, TierRule
from shield_admitter.core.slots import MUTATE_TO_VALIDATE_MS, Slots
from shield_admitter.core.verdict import (
    AdmitterState,
    HoldPolicy,
    Mode,
    Outcome,
    Policy,
    Reason,
    Verdict,
)
from shield_common.decision import Decision, Override, TierHold
from shield_common.decision_age import CachedDecision
from shield_common.held import HELD_LABEL, PENDING_STATUS
from tests.unit.shield_admitter.builders import (
    ADMITTING,
    DENYING,
    LIMITS,
    NOW,
    SINCE,
    decision,
    matcher,
    policy,
    request,
)

CONTROLLER = "system:serviceaccount:etcd-shield:controller"
HOLDING = HoldPolicy(controllers=frozenset({CONTROLLER}), counts_starts=True)
HOLD = TierHold(slots=9, share=3, held=0)
EVERYONE = matcher(users=("*",))
KUEUE = {"kueue.x-k8s.io/queue-name": "ci"}
HELD = {HELD_LABEL: "standard"}
AN_HOUR_MS = 3_600_000


def document(status: str | None = None, labels: Mapping[str, str] | None = None) -> msgspec.Raw:
    spec = {} if status is None else {"status": status}
    metadata = {"name": "run-7", "labels": dict(labels or {})}
    return msgspec.Raw(json.dumps({"metadata": metadata, "spec": spec}).encode())


def create(
    status: str | None = None, labels: Mapping[str, str] | None = None, **changes: Any
) -> Request:
    return request(object=document(status, labels), **changes)


def start(
    labels: Mapping[str, str] | None = None, user: str = "ada", to: str | None = None
) -> Request:
    return request(
        operation="UPDATE",
        object=document(to, labels),
        oldObject=document(PENDING_STATUS, labels),
        userInfo=UserInfo(user),
    )


def published(*, allow: bool = False, **changes: Any) -> Decision:
    """A decision whose tiers hold; `changes` are of `TierHold`."""
    hold = replace(HOLD, **changes)
    entry = ADMITTING if allow else DENYING
    return decision(
        allow=allow, tiers={tier: replace(entry, hold=hold) for tier in ("standard", "critical")}
    )


def paced(*, runs: float = 0.0, **changes: Any) -> Decision:
    """An admitting decision with room for so many runs."""
    open_ = published(allow=True, **changes)
    tiers = {
        tier: replace(entry, share=runs, room=runs, run_cost=4096)
        for tier, entry in open_.tiers.items()
    }
    return replace(open_, tiers=tiers)


class Desk:
    """One admitter's view: its rules, the decision in force, its room and its slots."""

    def __init__(self, document: Decision | None, **rules: Any) -> None:
        self.policy: Policy = policy(**({"hold": HOLDING} | rules))
        self.pacing, self.slots = Pacing(), Slots()
        self.cached: CachedDecision | None = None
        self.now_ms = AN_HOUR_MS
        if document is not None:
            self.accept(document)

    def accept(self, document: Decision) -> None:
        self.cached = CachedDecision(document, self.now_ms)
        self.pacing.grant(document)
        self.slots.grant(document, now_ms=self.now_ms, unflushed=0)

    @property
    def state(self) -> AdmitterState:
        return AdmitterState(self.cached, self.pacing, self.slots, self.now_ms, NOW.timestamp())

    def mutate(self, subject: Request) -> Mutation:
        return mutate(subject, mutation_policy(self.policy), self.state)

    def validate(self, subject: Request) -> Verdict:
        return validate(subject, self.policy, self.state)

    def answer(self, subject: Request) -> AdmissionResponse:
        return mutation_response(subject, self.mutate(subject), DenialFormat())


def override(*, allow: bool) -> Override:
    return Override(allow=allow, tiers=None, reason="r", by="ada", since=SINCE, until=NOW)


@pytest.mark.parametrize(
    ("document", "action", "reason"),
    [
        pytest.param(published(allow=True), Action.ADMITTED, None, id="open"),
        pytest.param(paced(runs=2), Action.ADMITTED, None, id="open with room"),
        pytest.param(paced(runs=0), Action.HELD, Reason.ROOM, id="open without room"),
        pytest.param(published(allow=True, held=4), Action.HELD, Reason.QUEUE, id="a queue"),
        pytest.param(paced(runs=2, held=4), Action.HELD, Reason.QUEUE, id="a queue and room"),
        pytest.param(
            published(allow=True, held=4, stalled=True),
            Action.ADMITTED,
            None,
            id="a queue that nobody serves",
        ),
        pytest.param(published(stalled=True), Action.HELD, Reason.DECISION, id="closed, stalled"),
        pytest.param(published(), Action.HELD, Reason.DECISION, id="closed"),
        pytest.param(published(share=0), Action.DENIED, Reason.DECISION, id="no slot"),
        pytest.param(published(full=True), Action.DENIED, Reason.DECISION, id="full"),
        pytest.param(paced(runs=0, share=0.9), Action.DENIED, Reason.ROOM, id="no room, no slot"),
        pytest.param(
            published(allow=True, held=4, share=0),
            Action.DENIED,
            Reason.QUEUE,
            id="a queue, no slot",
        ),
        pytest.param(decision(), Action.PASSED, None, id="the decision holds nothing"),
        pytest.param(None, Action.PASSED, None, id="no decision"),
        pytest.param(
            replace(published(), override=override(allow=False)),
            Action.HELD,
            Reason.OVERRIDE,
            id="denied by an operator",
        ),
        pytest.param(
            replace(published(allow=True, held=4), override=override(allow=True)),
            Action.PASSED,
            None,
            id="admitted by an operator",
        ),
    ],
)
def test_a_new_run_is_admitted_held_or_denied_by_room_queue_and_slots(
    document: Decision | None, action: Action, reason: Reason | None
) -> None:
    mutation = Desk(document).mutate(create())
    assert action is mutation.action
    assert reason == (mutation.verdict and mutation.verdict.reason)


@pytest.mark.parametrize(
    ("document", "action"),
    [
        pytest.param(published(allow=True), Action.STARTED, id="open"),
        pytest.param(paced(runs=2), Action.STARTED, id="open with room"),
        pytest.param(paced(runs=0), Action.GATED, id="open without room"),
        pytest.param(published(allow=True, held=4), Action.GATED, id="a queue"),
        pytest.param(published(), Action.GATED, id="closed"),
        pytest.param(published(share=0), Action.GATED, id="closed, no slot"),
        pytest.param(published(full=True), Action.GATED, id="full"),
        pytest.param(decision(), Action.STARTED, id="the decision holds nothing"),
    ],
)
@pytest.mark.parametrize("labels", [{}, HELD], ids=["by its owner", "by us"])
def test_the_start_of_a_pending_run_waits_while_the_tier_is_closed(
    document: Decision, action: Action, labels: dict[str, str]
) -> None:
    mutation = Desk(document).mutate(start(labels))
    assert action is mutation.action
    gated = action is Action.GATED
    assert (gated and not labels) is mutation.joins_queue
    assert gated is (mutation.run is not None)


@pytest.mark.parametrize("document", [published(), published(full=True), paced(), decision(), None])
def test_the_controller_always_starts_a_run_in_the_tier_of_its_label(
    document: Decision | None,
) -> None:
    desk = Desk(document)
    mutation = desk.mutate(start({HELD_LABEL: "critical"}, CONTROLLER))
    known = document is not None
    assert (Action.STARTED, "critical" if known else "standard") == (
        mutation.action,
        mutation.tier,
    )
    assert mutation.takes_room
    assert mutation.counts_run


def test_a_label_that_is_no_tier_chooses_no_counter() -> None:
    label = {HELD_LABEL: "chosen-by-a-user"}
    desk = Desk(published())
    assert "standard" == desk.mutate(start(label, CONTROLLER)).tier
    assert "standard" == desk.mutate(start(label)).queue_tier


def test_a_run_goes_on_waiting_in_the_queue_that_it_was_in() -> None:
    assert "critical" == Desk(published()).mutate(start({HELD_LABEL: "critical"})).queue_tier


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(create(PENDING_STATUS), id="created pending"),
        pytest.param(create(PENDING_STATUS, HELD), id="held already"),
        pytest.param(create("Cancelled"), id="created cancelled"),
        pytest.param(create(labels=KUEUE), id="in a queue of Kueue"),
        pytest.param(create(PENDING_STATUS, KUEUE), id="pending in a queue of Kueue"),
        pytest.param(start(to="Cancelled"), id="cancelled"),
        pytest.param(start(to="CancelledRunFinally"), id="cancelled, finally"),
        pytest.param(start(to="StoppedRunFinally"), id="stopped"),
        pytest.param(start(to=PENDING_STATUS), id="labels change"),
        pytest.param(
            request(operation="UPDATE", object=document(), oldObject=document()),
            id="a run that has started",
        ),
        pytest.param(request(operation="DELETE", oldObject=document(PENDING_STATUS)), id="deleted"),
        pytest.param(create(kind=Kind("tekton.dev", "v1", "TaskRun")), id="another kind"),
        pytest.param(create(kind=Kind("example.com", "v1", "PipelineRun")), id="another group"),
        pytest.param(create(subResource="status"), id="a subresource"),
        pytest.param(request(object=msgspec.Raw(b'{"metadata":[]}')), id="no metadata"),
        pytest.param(request(object=msgspec.Raw(b"null")), id="no object"),
    ],
)
def test_requests_that_are_not_ours_to_hold_pass_unchanged(subject: Request) -> None:
    desk = Desk(published(), kinds=frozenset({"*"}))
    assert Mutation(Action.PASSED) == desk.mutate(subject)
    assert AdmissionResponse("u-1", allowed=True) == desk.answer(subject)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param({"hold": None}, id="holding off"),
        pytest.param({"mode": Mode.WARN}, id="warn"),
        pytest.param({"mode": Mode.AUDIT}, id="audit"),
        pytest.param({"mode": Mode.OFF}, id="off"),
        pytest.param({"tier_modes": {"standard": Mode.WARN}}, id="the tier warns"),
        pytest.param(
            {"exemptions": [Exemption(EVERYONE, "r", (NOW + timedelta(days=1)).timestamp(), 0)]},
            id="exempt",
        ),
        pytest.param({"tier_rules": [TierRule("unknown", EVERYONE, 0)]}, id="a tier without slots"),
    ],
)
def test_runs_that_the_shield_does_not_hold_pass_unchanged(rules: dict[str, Any]) -> None:
    desk = Desk(published(), **rules)
    assert Action.PASSED is desk.mutate(create()).action
    assert desk.mutate(start()).action in {Action.PASSED, Action.STARTED}


def test_starts_that_nobody_gates_are_counted_once() -> None:
    kueue = start(KUEUE)
    assert Action.STARTED is Desk(published()).mutate(kueue).action
    validated = {
        "hold": HoldPolicy(HOLDING.controllers, counts_starts=False),
        "operations": frozenset({"CREATE", "UPDATE"}),
    }
    desk = Desk(published(allow=True), **validated)
    assert Action.PASSED is desk.mutate(kueue).action
    assert desk.validate(kueue).counts_run
    assert desk.mutate(start()).counts_run
    assert not desk.validate(start()).counts_run
    assert not desk.validate(start(user=CONTROLLER)).counts_run


def test_a_denied_run_is_told_when_to_come_back() -> None:
    rule = RetryRule(30, EVERYONE, 0)
    for document in (published(share=0), published(allow=True, held=4, share=0)):
        verdict = Desk(document, retry_rules=[rule]).mutate(create()).verdict
        assert verdict is not None
        assert rule == verdict.retry_rule


# What /validate sees afterwards.


def held_by_us() -> Request:
    return create(PENDING_STATUS, HELD)


@pytest.mark.parametrize("document", [published(), paced(), published(allow=True, held=4)])
def test_a_held_run_is_admitted_by_validate_without_a_second_verdict(document: Decision) -> None:
    verdict = Desk(document).validate(held_by_us())
    assert (True, False, False) == (verdict.allowed, verdict.in_metrics, verdict.counts_run)


def test_a_run_that_mutate_admitted_is_counted_and_spends_room_once() -> None:
    desk = Desk(paced(runs=1))
    assert desk.mutate(create()).takes_room
    desk.pacing.take("standard")
    verdict = desk.validate(create())
    assert (True, True, True) == (verdict.allowed, verdict.counts_run, verdict.room_taken)


def test_a_run_is_not_lost_because_its_tier_closes_between_the_two_webhooks() -> None:
    desk = Desk(published(allow=True))
    desk.accept(replace(published(), evaluated_at=NOW + timedelta(seconds=5), sequence=4212))
    assert desk.validate(create()).allowed
    desk.now_ms += MUTATE_TO_VALIDATE_MS
    assert not desk.validate(create()).allowed


def test_validate_denies_what_mutate_was_never_asked_about() -> None:
    assert Outcome.DENIED is Desk(published()).validate(create()).outcome


@pytest.mark.parametrize(
    ("rules", "document", "outcome"),
    [
        pytest.param({"hold": None}, published(), Outcome.DENIED, id="holding off"),
        pytest.param({}, decision(), Outcome.DENIED, id="the decision holds nothing"),
        pytest.param({"mode": Mode.WARN}, published(), Outcome.WARNED, id="warn"),
        pytest.param({"hold": None}, paced(), Outcome.PACED, id="paced, holding off"),
    ],
)
def test_validate_judges_as_ever_where_holding_is_not_in_force(
    rules: dict[str, Any], document: Decision, outcome: Outcome
) -> None:
    assert outcome is Desk(document, **rules).validate(create()).outcome


@pytest.mark.parametrize("subject", [create(labels=KUEUE), create("Cancelled")])
def test_validate_judges_as_ever_what_must_not_wait(subject: Request) -> None:
    assert Outcome.DENIED is Desk(published()).validate(subject).outcome
    assert Outcome.PACED is Desk(paced()).validate(subject).outcome


@pytest.mark.parametrize("labels", [{}, KUEUE], ids=["by its owner", "Kueue's"])
def test_a_run_that_is_created_pending_is_admitted_while_there_are_slots(
    labels: dict[str, str],
) -> None:
    subject = create(PENDING_STATUS, labels)
    verdict = Desk(published()).validate(subject)
    assert (Outcome.ADMITTED, Reason.PENDING) == (verdict.outcome, verdict.reason)
    assert (True, False) == (verdict.takes_slot, verdict.counts_run)
    assert Outcome.DENIED is Desk(published(share=0)).validate(subject).outcome
    assert Outcome.DENIED is Desk(published(full=True)).validate(subject).outcome


def test_a_label_opens_no_way_past_full() -> None:
    assert not Desk(published(full=True)).validate(held_by_us()).allowed


def test_a_run_that_mutate_held_is_not_lost_because_etcd_is_full_a_moment_later() -> None:
    desk = Desk(published())
    later = replace(published(full=True), evaluated_at=NOW + timedelta(seconds=5), sequence=4212)
    desk.accept(later)
    assert desk.validate(held_by_us()).allowed


@pytest.mark.parametrize("document", [published(), paced(), decision()])
def test_validate_never_refuses_what_the_controller_starts(document: Decision) -> None:
    desk = Desk(document, operations=frozenset({"CREATE", "UPDATE"}))
    verdict = desk.validate(start(HELD, CONTROLLER))
    assert (True, Reason.RELEASED) == (verdict.allowed, verdict.reason)


def test_validate_refuses_what_another_starts_although_mutate_was_not_asked() -> None:
    desk = Desk(published(), operations=frozenset({"CREATE", "UPDATE"}))
    assert not desk.validate(start(HELD, "ada")).allowed


def test_every_run_comes_to_one_verdict_in_the_two_webhooks_together() -> None:
    """Counted once, and room or a slot is used up once, whatever is decided."""
    for allow, held, share, room in itertools.product((True, False), (0, 4), (0, 3), (0, 5)):
        document = paced(runs=room, held=held, share=share)
        if not allow:
            document = published(held=held, share=share)
        desk = Desk(document)
        mutation = desk.mutate(create())
        counted = 0 if mutation.verdict is None else 1
        spent = int(mutation.takes_room) + int(mutation.joins_queue)
        if mutation.action is not Action.DENIED:
            verdict = desk.validate(held_by_us() if mutation.run is not None else create())
            assert verdict.allowed
            counted += verdict.in_metrics
            spent += verdict.counts_run and not verdict.room_taken
            spent += verdict.takes_slot
            assert verdict.counts_run is (mutation.action is Action.ADMITTED)
        assert (1, mutation.action is not Action.DENIED) == (counted, bool(spent))
        assert spent <= 1


# What people read.


def test_a_run_that_waits_on_is_told_its_number_in_the_queue_of_its_label() -> None:
    document = published(held=42, wait_seconds=370)
    critical = replace(document.tiers["critical"], hold=replace(HOLD, held=6, wait_seconds=60))
    desk = Desk(replace(document, tiers=document.tiers | {"critical": critical}))
    mutation = desk.mutate(start({HELD_LABEL: "critical"}))
    assert ("critical", 6) == (mutation.queue_tier, mutation.position)  # it is one of the six
    answer = desk.answer(start({HELD_LABEL: "critical"}))
    assert answer.warnings is not None
    (warning,) = answer.warnings
    assert "number 6, starts when etcd has room, in about a minute" in warning
    assert ("standard", 43) == (desk.mutate(start()).queue_tier, desk.mutate(start()).position)


def test_a_held_run_s_author_is_told_its_number_and_how_long_it_waits() -> None:
    answer = Desk(published(held=42, wait_seconds=370)).answer(create())
    assert answer.allowed
    assert answer.warnings is not None
    (warning,) = answer.warnings
    expected = "held, number 43, starts when etcd has room, in about 6 minutes (etcd-shield)"
    assert expected == warning


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "in about a minute"),
        (89, "in about a minute"),
        (91, "in about 2 minutes"),
        (5_340, "in about 89 minutes"),
        (7_300, "in about 2 hours"),
        (90_000, "in more than a day"),
        (1e18, "in more than a day"),
    ],
)
def test_a_wait_is_told_roughly(seconds: float, text: str) -> None:
    answer = Desk(published(wait_seconds=seconds, held=2**53 - 2)).answer(create())
    assert answer.warnings is not None
    (warning,) = answer.warnings
    assert text in warning
    assert len(warning) <= MAX_WARNING


def test_a_run_held_by_an_override_is_not_promised_to_start_with_room() -> None:
    closed = replace(published(held=42, wait_seconds=370), override=override(allow=False))
    answer = Desk(closed).answer(create())
    until = "when an operator's override has ended and etcd has room"
    assert [f"held, number 43, starts {until} (etcd-shield)"] == answer.warnings


def test_without_a_known_wait_none_is_told() -> None:
    answer = Desk(published()).answer(create())
    assert ["held, number 1, starts when etcd has room (etcd-shield)"] == answer.warnings


@pytest.mark.parametrize(
    ("document", "reason_text"),
    [
        (published(), "etcd is at 93.4% of its quota (denied since 09:58:10Z, until below 80%)"),
        (published(allow=True, held=4), "4 runs of this tier wait and start first"),
        (published(allow=True, held=1), "1 run of this tier waits and starts first"),
    ],
)
def test_the_annotation_says_why_a_run_waits(document: Decision, reason_text: str) -> None:
    patch = Desk(document).answer(create()).patch
    assert patch is not None
    values = {step["path"]: step["value"] for step in json.loads(patch)}
    assert {"etcd-shield.dev/held-because": reason_text} == values["/metadata/annotations"]


def test_a_denial_by_mutate_reads_like_one_by_validate() -> None:
    answer = Desk(published(share=0)).answer(create())
    assert not answer.allowed
    assert answer.status is not None
    assert answer.status.message.startswith("PipelineRun admission currently not allowed: etcd is")
    assert 429 == answer.status.code


def test_who_comes_to_a_full_queue_is_told_so() -> None:
    status = Desk(published(allow=True, held=4, share=0)).answer(create()).status
    assert status is not None
    assert "4 runs of this tier wait and start first, and no more can be held" in status.message


def test_nothing_is_held_once_the_decision_has_expired() -> None:
    desk = Desk(published())
    desk.now_ms += LIMITS.expired_after_ms
    assert Action.PASSED is desk.mutate(create()).action
    assert Action.STARTED is desk.mutate(start()).action
