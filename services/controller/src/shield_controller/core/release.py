"""What is written to a run to start, cancel or forget it, and what the answer means.

Theory of operation
===================

A release is one JSON Patch (RFC 6902), which the API server applies as a whole or not at all. It
begins with tests, so that it can be sent any number of times, by any number of releasers, and after
a lost answer: only a run that still is this one, and still is pending, is changed.

    answer   the run                                        next
    200      released; or still pending, if a webhook put   -; or stuck
             it back into the queue
    404      gone: deleted meanwhile                        -
    422      a test failed, or a label to remove was not    read the run once, then: released or
             there, or a webhook refused with this code     cancelled by its owner, a new patch from
                                                            what is there now, or stuck
    400,403  refused, usually by Tekton's webhook           stuck: event, metric, try again later
    409      changed at the same moment                     next round
    other    the API server's problem, not the run's        pause, then go on with the same run

A stuck run is tried again after `FIRST_RETRY_MS`, then after twice that, up to `LAST_RETRY_MS`. The
runs behind it do not wait for it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

from shield_common.held import HELD_LABEL, PENDING_STATUS, REASON_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Collection

    from shield_controller.core.runs import HeldRun, WholeRun

CANCELLED_STATUS: Final = "Cancelled"  # Tekton's `spec.status` of a run that is to be cancelled
FIRST_RETRY_MS: Final = 30_000
LAST_RETRY_MS: Final = 600_000

Patch = list[dict[str, Any]]


class ReleaseOutcome(enum.StrEnum):
    """The result of a release, as metrics count it."""

    RELEASED = "released"
    NOT_HELD = "not_held"  # its owner started or cancelled it, or took the label off
    GONE = "gone"
    STUCK = "stuck"
    CONFLICT = "conflict"
    FAILED = "failed"  # no answer, or an error of the API server


def _pointer(key: str) -> str:
    """Return a key as a part of a JSON Pointer (RFC 6901, 3)."""
    return key.replace("~", "~0").replace("/", "~1")


_LABEL_PATH: Final = f"/metadata/labels/{_pointer(HELD_LABEL)}"
_ANNOTATION_PATH: Final = f"/metadata/annotations/{_pointer(REASON_ANNOTATION)}"


def release_patch(run: HeldRun) -> Patch:
    """Return the patch that starts a held run and removes the marks of holding."""
    return [*_tests(run), {"op": "remove", "path": "/spec/status"}, *_unmark(run)]


def cancel_patch(run: HeldRun) -> Patch:
    """Return the patch that cancels a held run and removes the marks of holding."""
    return [
        *_tests(run),
        {"op": "replace", "path": "/spec/status", "value": CANCELLED_STATUS},
        *_unmark(run),
    ]


def forget_patch(run: HeldRun) -> Patch:
    """Return the patch that removes the marks of holding from a run that is no longer pending.

    It applies only to the state in which the run was read: no patch takes the label off a run
    that became pending meanwhile, because nothing would start that one.
    """
    return [
        {"op": "test", "path": "/metadata/uid", "value": run.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": run.resource_version},
        *_unmark(run),
    ]


def _tests(run: HeldRun) -> Patch:
    return [
        {"op": "test", "path": "/metadata/uid", "value": run.uid},
        {"op": "test", "path": "/spec/status", "value": PENDING_STATUS},
    ]


def _unmark(run: HeldRun) -> Patch:
    removals = [{"op": "remove", "path": _LABEL_PATH}]
    if run.has_reason:
        removals.append({"op": "remove", "path": _ANNOTATION_PATH})
    return removals


def outcome_of(status: int) -> ReleaseOutcome | None:
    """Return what a patch that was not applied means; None for 422, which is unclear.

    Args:
        status: the HTTP status of the failure; 0 if there was no answer.
    """
    match status:
        case 404:
            return ReleaseOutcome.GONE
        case 400 | 403:
            return ReleaseOutcome.STUCK
        case 409:
            return ReleaseOutcome.CONFLICT
        case 422:
            return None
        case _:
            return ReleaseOutcome.FAILED


class RunState(enum.Enum):
    """What a run is that was read because its patch or its spec left that open."""

    GONE = "gone"  # another run has its name now
    NOT_HELD = "not_held"  # not pending, or without the label
    TRY_AGAIN = "try_again"  # still held; the patch assumed an annotation that is not there
    STUCK = "stuck"  # still held, and the patch fits it


def resolve(tried: HeldRun, present: WholeRun, run: HeldRun | None) -> RunState:
    """Decide about a run whose patch was answered with 422.

    Args:
        tried: the run as the patch assumed it.
        present: the run as it was read afterwards.
        run: the same as a held run; None if it is not for the controller.
    """
    if present.metadata.uid != tried.uid:
        return RunState.GONE
    if run is None or present.spec_status != PENDING_STATUS:
        return RunState.NOT_HELD
    return RunState.STUCK if run.has_reason == tried.has_reason else RunState.TRY_AGAIN


class Retries:
    """Runs that could not be released, and when each is tried again."""

    def __init__(self) -> None:
        self._retries: dict[str, tuple[int, int]] = {}  # uid -> (due at, delay)

    def __contains__(self, uid: str) -> bool:
        return uid in self._retries

    def add(self, uid: str, *, now_ms: int) -> bool:
        """Note a failed release; return whether it is the run's first."""
        first = uid not in self._retries
        delay = FIRST_RETRY_MS if first else min(2 * self._retries[uid][1], LAST_RETRY_MS)
        self._retries[uid] = (now_ms + delay, delay)
        return first

    def is_due(self, uid: str, *, now_ms: int) -> bool:
        """Return whether a run may be tried now; true for every run that is not here."""
        due, _ = self._retries.get(uid, (now_ms, 0))
        return now_ms >= due

    def discard(self, uid: str) -> None:
        """Forget a run."""
        self._retries.pop(uid, None)

    def keep(self, uids: Collection[str]) -> None:
        """Forget all runs but these."""
        self._retries = {uid: retry for uid, retry in self._retries.items() if uid in uids}
