"""When the controller stops and starts Kueue's ClusterQueues.

Theory of operation
===================

`spec.stopPolicy` of a ClusterQueue is `None`, `Hold` (nothing new starts, what runs finishes) or
`HoldAndDrain`. Operators use it too, and theirs always wins. So the controller marks a queue that
it stopped with an annotation, and acts on marked queues only:

    shield    policy, marked        action
    closed    None, unmarked        set Hold, mark
    open      Hold, marked          set None, unmark
    closed    None, marked          none: an operator started it again; the mark remembers that
    any       HoldAndDrain, marked  unmark: an operator's
    open      None, marked          unmark
    any       other                 none

While no decision is in force, nothing is changed.
"""

from __future__ import annotations

import enum
from typing import Annotated, Final

from msgspec import Meta, Struct, field

NONE: Final = "None"
HOLD: Final = "Hold"
MARK: Final = "etcd-shield.dev/stopped"  # annotation of a ClusterQueue that the controller stopped
MARKED: Final = "true"


class _Spec(Struct, frozen=True):
    stopPolicy: str | None = None  # noqa: N815 - Kueue's name


class _Metadata(Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1)]
    resourceVersion: str = ""  # noqa: N815 - Kubernetes' name
    annotations: dict[str, str] | None = None


class ClusterQueue(Struct, frozen=True):
    """The part of a ClusterQueue that the controller reads."""

    metadata: _Metadata
    spec: _Spec = field(default_factory=_Spec)

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name

    @property
    def policy(self) -> str:
        """Its stop policy; `None` where it is not set."""
        return self.spec.stopPolicy or NONE

    @property
    def marked(self) -> bool:
        """Whether the controller stopped it."""
        return MARK in (self.metadata.annotations or {})

    @property
    def is_stopped_by_us(self) -> bool:
        """Whether it is stopped, and the controller did that."""
        return self.marked and self.policy == HOLD


class QueueList(Struct, frozen=True):
    """A list of ClusterQueues."""

    items: tuple[ClusterQueue, ...] | None = None  # an empty list may be written as null


class Action(enum.Enum):
    """What to do with a ClusterQueue."""

    LEAVE = "leave"
    STOP = "stop"
    START = "start"
    UNMARK = "unmark"


def action_for(queue: ClusterQueue, *, closed: bool) -> Action:
    """Return what to do with a queue.

    Args:
        queue: its present state.
        closed: whether the shield is closed.
    """
    if not queue.marked:
        return Action.STOP if closed and queue.policy == NONE else Action.LEAVE
    if queue.policy == HOLD:
        return Action.LEAVE if closed else Action.START
    if queue.policy == NONE and closed:
        return Action.LEAVE
    return Action.UNMARK


def patch_for(queue: ClusterQueue, action: Action) -> dict[str, object]:
    """Return the merge patch for an action; it fails if the queue has changed since it was read."""
    mark = MARKED if action is Action.STOP else None
    patch: dict[str, object] = {
        "metadata": {
            "resourceVersion": queue.metadata.resourceVersion,
            "annotations": {MARK: mark},
        }
    }
    if action is not Action.UNMARK:
        patch["spec"] = {"stopPolicy": HOLD if action is Action.STOP else NONE}
    return patch


def start_patch(queue: ClusterQueue) -> dict[str, object]:
    """Return the merge patch by which an operator's command starts a queue.

    The mark stays: a controller that still runs takes the queue for one that an operator started.
    """
    return {
        "metadata": {"resourceVersion": queue.metadata.resourceVersion},
        "spec": {"stopPolicy": NONE},
    }
