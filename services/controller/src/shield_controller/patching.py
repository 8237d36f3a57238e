"""One attempt to start or cancel one run, from the patch to what it meant.

The rules are in `core.release`; here is the sequence of requests. Both the service and the command
`shield-controller release` start runs this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from shield_common import logs
from shield_controller.core.release import (
    ReleaseOutcome,
    RunState,
    forget_patch,
    outcome_of,
    resolve,
)
from shield_controller.core.runs import NotARunError
from shield_controller.kubernetes.client import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_controller.core.release import Patch
    from shield_controller.core.runs import HeldRun
    from shield_controller.kubernetes.pipelineruns import PipelineRuns

HELD_AGAIN: Final = (
    "a webhook put the run back into the queue; does hold.controllers of the admitters name the "
    "user of this controller?"
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of an attempt.

    Attributes:
        outcome: what happened.
        problem: why the run did not start, in the API server's words; empty if it did.
        run: the run as it was read meanwhile; None if it was not read, or is not held any more.
    """

    outcome: ReleaseOutcome
    problem: str = ""
    run: HeldRun | None = None


class RunPatches:
    """Starts and cancels runs."""

    def __init__(self, runs: PipelineRuns) -> None:
        self._runs = runs
        self._log = logs.get(__name__)

    async def apply(self, run: HeldRun, patch_of: Callable[[HeldRun], Patch]) -> Attempt:
        """Start or cancel a run.

        Args:
            run: the run, as it was last seen.
            patch_of: the patch for it.

        Raises:
            KubernetesError: the API server does not work, or its answer got lost.
        """
        outcome, problem = await self._patch(run, patch_of(run))
        if outcome is not None:
            return Attempt(outcome, problem)
        answer, fresh = await self.examine(run)
        match answer:
            case RunState.GONE:
                return Attempt(ReleaseOutcome.GONE, problem)
            case RunState.NOT_HELD:
                return Attempt(ReleaseOutcome.NOT_HELD, problem)
            case RunState.STUCK:
                return Attempt(ReleaseOutcome.STUCK, problem, fresh)
            case RunState.TRY_AGAIN:
                outcome, problem = await self._patch(fresh or run, patch_of(fresh or run))
                return Attempt(outcome or ReleaseOutcome.CONFLICT, problem, fresh)

    async def examine(self, run: HeldRun) -> tuple[RunState, HeldRun | None]:
        """Read a run and decide what it is; the label is taken off one that is not pending.

        Returns:
            What it is, and the run as it was read, if it is held.

        Raises:
            KubernetesError: it could not be read.
        """
        try:
            present, held = await self._runs.read(run.namespace, run.name)
        except KubernetesError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return RunState.GONE, None
        except NotARunError:
            return RunState.NOT_HELD, None  # without a spec that can be read it is not pending
        answer = resolve(run, present, held)
        if answer is RunState.NOT_HELD and held is not None:
            await self._forget(held)
        return answer, held if answer in {RunState.TRY_AGAIN, RunState.STUCK} else None

    async def _patch(self, run: HeldRun, patch: Patch) -> tuple[ReleaseOutcome | None, str]:
        try:
            still_held = await self._runs.patch(run, patch)
        except KubernetesError as error:
            outcome = outcome_of(error.status)
            if outcome is ReleaseOutcome.FAILED:
                raise
            return outcome, str(error)
        if still_held is None:
            return ReleaseOutcome.RELEASED, ""
        return ReleaseOutcome.STUCK, HELD_AGAIN

    async def _forget(self, run: HeldRun) -> None:
        """Take the label off a run that is not pending any more, so that lists do not show it."""
        try:
            await self._runs.patch(run, forget_patch(run))
        except KubernetesError as error:
            self._log.info("a label stays", run=f"{run.namespace}/{run.name}", problem=str(error))
