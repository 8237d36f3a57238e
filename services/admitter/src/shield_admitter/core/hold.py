"""Holding: a run that would be denied or paced waits as a pending run instead.

Theory of operation
===================

Two webhooks see a run that is created: /mutate, which alone can change it, and then /validate. Each
may be answered by another admitter. So while holding is in force for a run, everything that is
decided about it is decided once, by /mutate:

    tier          room left   runs held before it   slot      /mutate
    admits        yes         no                    any       admits and takes room
    admits        no          any                   yes       holds: pending, with a label
    admits        any         yes                   yes       holds: none overtakes
    denies        any         any                   yes       holds
    otherwise     any         any                   none, or  denies
                                                    tier full

Runs held before it are ignored while the evaluator reports holding as stalled.

/validate counts what /mutate admitted. It denies only if the tier has been denying for longer than
`core.slots.MUTATE_TO_VALIDATE_MS`, which catches requests for which /mutate was not called.

The start gate is the same table for an update that starts a pending run, except that such a run
is admitted or goes on waiting, because it exists already. It is never denied for lack of a slot,
but takes one when it joins the queue.

Holding is in force for a run if the configuration and the decision hold, its tier is enforced, no
exemption and no override admits it, and the run itself may be held (see `run_object`). Everything
else passes /mutate unchanged and is judged by /validate as without holding. Without a decision in
force nothing is held.
"""

from __future__ import annotations

import enum
from dataclasses import replace as replace_policy
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from shield_admitter.core.pacing import MAX_WAIT_SECONDS
from shield_admitter.core.review import CREATE, UPDATE
from shield_admitter.core.rules import first_match
from shield_admitter.core.run_object import RunObject
from shield_admitter.core.verdict import (
    ADMITTED,
    DECISION,
    DENIED,
    ENFORCE,
    HELD,
    NO_TIER,
    OVERRIDE,
    PACED,
    QUEUE,
    Reason,
    Verdict,
    judge,
)
from shield_common.decision import TierHold

if TYPE_CHECKING:
    from shield_admitter.core.review import Request
    from shield_admitter.core.slots import Slots
    from shield_admitter.core.verdict import AdmitterState, Policy
    from shield_common.decision import Decision

RUN_GROUP: Final = "tekton.dev"
RUN_KIND: Final = "PipelineRun"


class Action(enum.StrEnum):
    """What /mutate does with a request, as metrics count it."""

    PASSED = "passed"  # not ours to decide; /validate judges it
    ADMITTED = "admitted"  # takes room; /validate counts it
    STARTED = "started"  # an update that starts a run, which takes room and is counted
    HELD = "held"
    GATED = "gated"  # an update that would have started a run, which goes on waiting
    DENIED = "denied"


# On Python 3.11 an enum's member takes 1 µs when it is looked up in its class, 20 ns as a global.
ACTION_PASSED, ACTION_ADMITTED, ACTION_STARTED, ACTION_HELD, ACTION_GATED, ACTION_DENIED = Action
_ROOM_TAKING: Final = frozenset({ACTION_ADMITTED, ACTION_STARTED})


class Mutation(Struct, frozen=True):
    """The answer of /mutate to one request.

    Attributes:
        action: what is done.
        tier: the tier of the run; `NO_TIER` if it passed.
        verdict: the verdict of a request that is held, gated or denied, which /validate does not
            count again; None for all others.
        run: the object that a patch is made for; only of a run that is held or gated.
        queue_tier: the tier in whose queue such a run waits.
        joins_queue: whether it was not in the queue before; then it takes a slot and is counted as
            held, unless the request is a dry run.
        queue_hold: what the decision says of that queue; None if nothing.
        position: its approximate number there.
    """

    action: Action
    tier: str = NO_TIER
    verdict: Verdict | None = None
    run: RunObject | None = None
    queue_tier: str = NO_TIER
    joins_queue: bool = False
    queue_hold: TierHold | None = None
    position: int = 0

    @property
    def takes_room(self) -> bool:
        """Whether /mutate takes room for the run, which starts now or after /validate.

        Of a dry run nothing is taken.
        """
        return self.action in _ROOM_TAKING

    @property
    def counts_run(self) -> bool:
        """Whether /mutate counts the run as admitted; /validate counts one that is created.

        A dry run is not counted.
        """
        return self.action is ACTION_STARTED


_PASSED: Final = Mutation(ACTION_PASSED)


def mutation_policy(policy: Policy) -> Policy:
    """Return the policy of /mutate, which judges updates that start a run as well."""
    return replace_policy(policy, operations=policy.operations | {UPDATE})


def mutate(request: Request, policy: Policy, state: AdmitterState) -> Mutation:
    """Decide about one request to /mutate; nothing is counted and nothing is used up.

    Args:
        request: from the review.
        policy: of `mutation_policy`.
        state: what this admitter knows.
    """
    if policy.hold is None or not _is_run(request) or not request.starts_run:
        return _PASSED
    verdict = judge(request, policy, state)
    if verdict.tier == NO_TIER:  # not judged
        return _PASSED
    if _is_release(request, policy):
        decision = None if state.cached is None else state.cached.decision
        return Mutation(ACTION_STARTED, _queue_entry(request, verdict.tier, decision)[0])
    tier_hold = _hold_in_force(verdict, policy)
    if tier_hold is not None and request.object is not None and request.object.may_be_held:
        return _start_or_wait(request, verdict, policy, state.slots, tier_hold)
    # With UPDATE in `operations` /validate counts it.
    counts = request.operation == UPDATE and policy.hold.counts_starts
    return Mutation(ACTION_STARTED, verdict.tier) if counts else _PASSED


def _start_or_wait(
    request: Request, verdict: Verdict, policy: Policy, slots: Slots, tier_hold: TierHold
) -> Mutation:
    """Decide about a run for which holding is in force; see the table above."""
    is_update = request.operation == UPDATE
    if verdict.allowed:
        if tier_hold.held == 0 or tier_hold.stalled:
            return Mutation(ACTION_STARTED if is_update else ACTION_ADMITTED, verdict.tier)
        wait = tier_hold.wait_seconds
        wait = None if wait is None else min(wait, MAX_WAIT_SECONDS)
        verdict = replace(verdict, outcome=PACED, reason=QUEUE, wait_seconds=wait)
    if not is_update and (tier_hold.full or not slots.has_slot):
        rule = verdict.retry_rule or first_match(policy.retry_rules, request)
        return Mutation(ACTION_DENIED, verdict.tier, replace(verdict, retry_rule=rule))
    queue_tier, joins_queue = _queue_entry(request, verdict.tier, verdict.decision)
    entry = None if verdict.decision is None else verdict.decision.tiers.get(queue_tier)
    queue_hold = None if entry is None else entry.hold
    return Mutation(
        ACTION_GATED if is_update else ACTION_HELD,
        verdict.tier,
        replace(verdict, outcome=HELD, retry_rule=None, counts_run=False),
        request.object,
        queue_tier,
        joins_queue,
        queue_hold,
        slots.position(queue_tier, queue_hold, joins=joins_queue),
    )


def validate(request: Request, policy: Policy, state: AdmitterState) -> Verdict:
    """Judge one request to /validate, knowing what /mutate did before.

    Args:
        request: from the review, changed by /mutate and other webhooks.
        policy: the configuration.
        state: what this admitter knows.
    """
    verdict = judge(request, policy, state)
    if policy.hold is None or not _is_run(request) or verdict.tier == NO_TIER:
        return verdict
    if _is_release(request, policy):
        return _admitted(verdict, reason=Reason.RELEASED, counts_run=False)
    tier_hold = _hold_in_force(verdict, policy)
    run = None if tier_hold is None else request.readable_run
    if tier_hold is None or run is None:
        return verdict
    if not request.starts_run:
        return _judge_pending_run(verdict, run, tier_hold, state)
    denied = verdict.outcome is DENIED and not state.slots.may_have_been_open(
        verdict.tier, now_ms=state.now_ms
    )
    if denied or not run.may_be_held:
        return verdict
    counts_run = verdict.counts_run and request.operation == CREATE
    reason = DECISION if verdict.outcome is PACED else verdict.reason  # /mutate had room
    return _admitted(verdict, reason=reason, counts_run=counts_run, room_taken=True)


def _judge_pending_run(
    verdict: Verdict, run: RunObject, tier_hold: TierHold, state: AdmitterState
) -> Verdict:
    """Judge a run that is created pending, by /mutate or by its owner.

    It writes next to nothing until it is started, and its start is gated. Denied, it would be lost.
    """
    if run.held_label is not None:
        full = tier_hold.full and state.slots.has_stayed_full(verdict.tier, now_ms=state.now_ms)
        if full and not verdict.allowed:
            return verdict
        return _admitted(verdict, reason=Reason.PENDING, in_metrics=False)
    if verdict.allowed or tier_hold.full or not state.slots.has_slot:
        return verdict
    return _admitted(verdict, reason=Reason.PENDING, takes_slot=True)


def _admitted(verdict: Verdict, **changes: object) -> Verdict:
    """Return a verdict turned into an admission."""
    return replace(verdict, outcome=ADMITTED, retry_rule=None, wait_seconds=None, **changes)


def _is_run(request: Request) -> bool:
    return request.kind.kind == RUN_KIND and request.kind.group == RUN_GROUP


def _is_release(request: Request, policy: Policy) -> bool:
    """Return whether a controller of etcd-shield starts a run that waits."""
    return (
        policy.hold is not None
        and request.operation == UPDATE
        and request.userInfo.username in policy.hold.controllers
    )


def _queue_entry(request: Request, tier: str, decision: Decision | None) -> tuple[str, bool]:
    """Return the tier in whose queue a run waits, and whether it joins the queue only now.

    A run keeps the queue that its label names if that is a tier: users can set the label.
    """
    before = request.oldObject if request.operation == UPDATE else None
    if before is None or before.held_label is None:
        return tier, True
    known = decision is not None and before.held_label in decision.tiers
    return before.held_label if known else tier, False


def _hold_in_force(verdict: Verdict, policy: Policy) -> TierHold | None:
    """Return how a verdict's tier holds runs; None if holding is not in force for the verdict."""
    enforced = policy.tier_modes.get(verdict.tier, policy.mode) is ENFORCE
    overridden = verdict.reason is OVERRIDE and verdict.allowed
    return verdict.tier_hold if enforced and not overridden else None
