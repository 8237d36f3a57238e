"""``shield-controller release``: starts held runs whatever the decision says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from shield_common.command_line import EXIT_BAD_CONFIG, EXIT_FAILED
from shield_controller.cli.options import (
    context_option,
    fail,
    kubeconfig_option,
    load_settings,
    operator_client,
    say,
)
from shield_controller.core.release import ReleaseOutcome, release_patch
from shield_controller.core.runs import NotARunError
from shield_controller.core.stop_policy import start_patch
from shield_controller.kubernetes.client import KubernetesError
from shield_controller.kubernetes.pipelineruns import PipelineRuns
from shield_controller.kueue import ClusterQueues
from shield_controller.patching import RunPatches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shield_controller.core.runs import HeldRun
    from shield_controller.kubernetes.client import KubernetesClient

# Admitters may hold more runs meanwhile, and a run may be changed at the same moment.
ROUNDS: Final = 10
PAUSE_SECONDS: Final = 2.0
CONCURRENT: Final = 8  # requests at a time, so that Tekton's webhook keeps answering others
# Without Kueue there is nothing to start, and without rights nothing was stopped.
_NO_QUEUES: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN)
_DONE: Final = (ReleaseOutcome.RELEASED, ReleaseOutcome.GONE, ReleaseOutcome.NOT_HELD)


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The controller's configuration, for the ClusterQueues that --all starts.",
)
@kubeconfig_option
@context_option
@click.option("--all", "everything", is_flag=True, help="Release every held run.")
@click.argument("run", required=False, metavar="[NAMESPACE/NAME]")
def release(
    *,
    config: Path | None,
    kubeconfig: str | None,
    context: str | None,
    everything: bool,
    run: str | None,
) -> None:
    """Start one held run, or all, whatever the decision says.

    Uses your credentials: the kubeconfig, or in a pod its service account. It needs neither a
    decision nor Redis nor a running controller. The user must be among hold.controllers of the
    admitters, or the start gate holds the runs again while the shield is closed.

    --all also starts Kueue's ClusterQueues that the controller stopped: those of the configuration,
    or without one any. Run it before holding is switched off; the chart does so before it is
    uninstalled.

    Exit codes: 0 started, or nothing was held, 1 something is still held (each run is named), or
    the API server does not answer, 2 bad usage.
    """
    if everything == (run is not None):
        fail("give either --all or NAMESPACE/NAME", EXIT_BAD_CONFIG)
    namespace, _, name = (run or "").partition("/")
    if not everything and (not namespace or not name or "/" in name):
        fail(f"{run!r} is not NAMESPACE/NAME", EXIT_BAD_CONFIG)
    queues = None if config is None else load_settings(config).kueue.cluster_queues
    client = operator_client(kubeconfig, context)
    work = _all(client, queues) if everything else _one(client, namespace, name)
    try:
        started, problems = asyncio.run(work)
    except KubernetesError as error:
        fail(f"the API server does not answer: {error}", EXIT_FAILED)
    for problem in problems:
        say(problem)
    if problems:
        fail(f"{_runs(started)} started, but not everything: see above", EXIT_FAILED)
    click.echo(f"{_runs(started)} started." if started else "No run is held.")


async def _one(client: KubernetesClient, namespace: str, name: str) -> tuple[int, list[str]]:
    async with _closing(client):
        return await release_one(PipelineRuns(client), namespace, name)


async def release_one(runs: PipelineRuns, namespace: str, name: str) -> tuple[int, list[str]]:
    """Start one run.

    Returns:
        1 if it was started, else 0 and a sentence that says why not.

    Raises:
        KubernetesError: it could not be read.
    """
    run = f"{namespace}/{name}"
    try:
        _, held = await runs.read(namespace, name)
    except KubernetesError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return 0, [f"there is no run {run}"]
    except NotARunError as error:
        return 0, [f"{run} cannot be read: {error}"]
    if held is None:
        return 0, [f"{run} is not held"]
    outcome, problem = await _start(RunPatches(runs), held)
    if outcome is ReleaseOutcome.RELEASED:
        return 1, []
    says = {
        ReleaseOutcome.GONE: f"there is no run {run}",
        ReleaseOutcome.NOT_HELD: f"{run} is not held",
    }
    return 0, [problem or says[outcome]]


async def _all(client: KubernetesClient, queues: Sequence[str] | None) -> tuple[int, list[str]]:
    async with _closing(client):
        started, problems = await _release_all(client)
        return started, [*problems, *await _start_queues(client, queues)]


async def _release_all(client: KubernetesClient) -> tuple[int, list[str]]:
    """Start all held runs, in rounds until none is left.

    Returns:
        How many were started, and a sentence for each that is still held.
    """
    runs = PipelineRuns(client)
    patches = RunPatches(runs)
    started = 0
    problems: list[str] = []
    for attempt in range(ROUNDS):
        held = await _list(runs)
        if not held:
            return started, []
        if attempt:
            await asyncio.sleep(PAUSE_SECONDS)
        limit = asyncio.Semaphore(CONCURRENT)
        results = await asyncio.gather(*(_limited(limit, patches, run) for run in held))
        started += sum(outcome is ReleaseOutcome.RELEASED for outcome, _ in results)
        problems = [problem for _, problem in results if problem is not None]
    held = await _list(runs)
    if held and not problems:
        problems = [f"{_runs(len(held))} held again and again: does an admitter still hold runs?"]
    return started, problems if held else []


async def _list(runs: PipelineRuns) -> list[HeldRun]:
    try:
        held, _ = await runs.list_held()
    except KubernetesError as error:
        if error.status == HTTPStatus.NOT_FOUND:  # without Tekton there are no runs
            return []
        raise
    return held


async def _limited(
    limit: asyncio.Semaphore, patches: RunPatches, run: HeldRun
) -> tuple[ReleaseOutcome, str | None]:
    async with limit:
        return await _start(patches, run)


async def _start(patches: RunPatches, run: HeldRun) -> tuple[ReleaseOutcome, str | None]:
    """Start one run; return the outcome, and a sentence if it is still held."""
    try:
        attempt = await patches.apply(run, release_patch)
    except KubernetesError as error:
        return ReleaseOutcome.FAILED, f"{run.namespace}/{run.name} did not start: {error}"
    if attempt.outcome in _DONE:
        return attempt.outcome, None
    return attempt.outcome, f"{run.namespace}/{run.name} did not start: {attempt.problem}"


async def _start_queues(client: KubernetesClient, names: Sequence[str] | None) -> list[str]:
    """Start the ClusterQueues that the controller stopped; return a sentence for each failure."""
    queues = ClusterQueues(client)
    try:
        if names is None:
            known = await queues.list()
        else:
            known = tuple([await queues.read(name) for name in names])
        stopped = [queue for queue in known if queue.is_stopped_by_us]
    except KubernetesError as error:
        return [] if error.status in _NO_QUEUES else [f"ClusterQueues: {error}"]
    problems = []
    for queue in stopped:
        try:
            await queues.patch(queue.name, start_patch(queue))
        except KubernetesError as error:
            problems.append(f"ClusterQueue {queue.name} did not start: {error}")
    return problems


@asynccontextmanager
async def _closing(client: KubernetesClient) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await client.close()


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
