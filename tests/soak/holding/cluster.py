"""The users of the API server: clients that create runs, a stand-in for Tekton, and observers."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from tests.demo.holding.installation import RUNS_PATH
from tests.demo.plan import NAMESPACE
from tests.rig.errors import RigError
from tests.rig.kubernetes_api import Object, Reply
from tests.soak.chaos import Chaos
from tests.soak.filling import LOOK_SECONDS, Filling
from tests.soak.holding.runs import Runs, RunState
from tests.soak.holding.stack import DECISION_PATH, HoldingStack
from tests.soak.timeline import Timeline

CREATIONS_PER_SECOND = 5
# Runs that are being created at the same time; each is tried again until it exists.
CLIENTS = 20
# After a refusal, an error or a lost answer clients come back, ever more rarely, as client-go does.
PATIENCE_SECONDS = 1.0
MOST_PATIENCE_SECONDS = 8.0
# A look at etcd that was under way while something was decided counts for it.
JUDGE_AFTER_SECONDS = 1.5
REFUSED = "admission currently not allowed"  # what the shield says, and not another part
_OBSERVE_SECONDS = 0.5
_NO_ANSWER = (aiohttp.ClientError, OSError, RigError)  # TimeoutError is an OSError
# A Lease of 15 s expires, and the next leader lists all runs and writes the object.
TAKEOVER_SECONDS = 20.0


@dataclass
class Cluster:
    """Everything that talks to the API server.

    Attributes:
        is_creating: Whether clients create further runs.
    """

    stack: HoldingStack
    runs: Runs
    filling: Filling
    chaos: Chaos
    timeline: Timeline
    is_creating: bool = True
    unfinished: int = 0
    _unsure_since: float | None = None
    _judging: set[asyncio.Task[None]] = field(default_factory=set)

    async def create(self) -> None:
        """Create runs, until cancelled; a slow answer holds up no other creation."""
        async with asyncio.TaskGroup() as clients:
            for number in itertools.count():
                if self.is_creating and self.unfinished < CLIENTS:
                    self.unfinished += 1
                    clients.create_task(self._create(number))
                await asyncio.sleep(1 / CREATIONS_PER_SECOND)

    async def start_runs(self) -> None:
        """Start runs that may start, as Tekton's controller does, until cancelled."""
        api = self.stack.api_server.api
        while True:
            with suppress(*_NO_ANSWER):
                listed = await api.get(RUNS_PATH)
                if HTTPStatus.OK == listed.status:
                    for item in listed.body["items"]:
                        await self._see(item)
                    version = listed.body["metadata"]["resourceVersion"]
                    async for event in api.watch(RUNS_PATH, since=version):
                        await self._see(event["object"])
            await asyncio.sleep(LOOK_SECONDS)

    async def observe(self) -> None:
        """Hold the Decision object against the model, until cancelled."""
        while True:
            await asyncio.sleep(_OBSERVE_SECONDS)
            sent = self.timeline.now
            self._note_leader(sent)
            with suppress(*_NO_ANSWER):
                shown = await self.stack.api_server.api.get(DECISION_PATH)
                if HTTPStatus.OK == shown.status:
                    await asyncio.sleep(JUDGE_AFTER_SECONDS)
                    self._judge_object(shown.body["spec"], sent)

    async def finish(self) -> Sequence[RunState]:
        """Return every run that the API server has; no fault may be active.

        Raises:
            RefusedError: It refused the list.
        """
        items = await self.stack.api_server.api.items(RUNS_PATH)
        return [RunState.of(item) for item in items]

    @property
    def is_idle(self) -> bool:
        """Whether every run that was asked for exists and has started."""
        return self.unfinished == 0 and self.runs.started >= self.runs.answered

    async def _create(self, number: int) -> None:
        run = run_of(number)
        pause = PATIENCE_SECONDS
        while not await self._try(run):
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, MOST_PATIENCE_SECONDS)
        self.unfinished -= 1

    async def _try(self, run: Object) -> bool:
        """Create a run; return whether it exists now."""
        sent = self.timeline.now
        try:
            reply = await self.stack.api_server.api.create(run)
        except _NO_ANSWER as error:
            self._fail("no answer to a creation", repr(error), sent)
            return False
        if HTTPStatus.CONFLICT == reply.status:  # the answer to an earlier try was lost
            self.timeline.answers["existed"] += 1
            self.runs.answered.add(run["metadata"]["name"])
            return True
        if HTTPStatus.CREATED == reply.status:
            await self._judge_creation(RunState.of(reply.body), sent)
            return True
        if REFUSED in reply.message:
            self._refuse(reply, sent)
        else:
            self._fail("a creation failed", f"{reply.status} {reply.message}", sent)
        return False

    async def _judge_creation(self, state: RunState, sent: float) -> None:
        received = self.timeline.now
        self.timeline.answers["held" if state.is_pending else "started at once"] += 1
        await asyncio.sleep(JUDGE_AFTER_SECONDS)
        self._blame(self.runs.create(state, sent=sent, received=received))

    def _refuse(self, reply: Reply, sent: float) -> None:
        self.timeline.answers["refused"] += 1
        # Without a leader nothing is reported, and without reports nothing is held.
        if not (self.runs.may_refuse(sent) or self._may_lack_leader(sent)):
            self.timeline.blame(f"a creation of {sent:.1f} s was refused: {reply.message}")

    def _fail(self, what: str, why: str, sent: float) -> None:
        self.timeline.answers["failed"] += 1
        if not any(self.chaos.excused(server, sent) for server in self.stack.creating):
            self.timeline.blame(f"{what} although nothing was touched: {why}")

    async def _see(self, run: Object) -> None:
        state = RunState.of(run)
        seen = self.runs.see(state, self.timeline.now)
        self._blame(seen.wrong)
        if seen.was_held:
            judging = asyncio.create_task(self._judge_release(state.name, self.timeline.now))
            self._judging.add(judging)
            judging.add_done_callback(self._judging.discard)
        if seen.starts:
            await self.filling.begin(int(state.name.rpartition("-")[2]))

    async def _judge_release(self, name: str, at: float) -> None:
        since = self.chaos.broken_since(self.stack.releasing, at - JUDGE_AFTER_SECONDS)
        await asyncio.sleep(JUDGE_AFTER_SECONDS)
        if not self.runs.may_release(since, at):
            self.timeline.blame(f"{name} was released while only denying was possible")

    def _judge_object(self, spec: Object, sent: float) -> None:
        since = self._unsure_since or sent
        if not self.runs.may_show(since, self.timeline.now, allow=spec["allow"]):
            self.timeline.blame(f"the Decision object says allow={spec['allow']}: {spec['reason']}")
        self.timeline.answers["decisions read"] += 1

    def _note_leader(self, at: float) -> None:
        """Note since when no controller may have written the Decision object."""
        if not self._may_lack_leader(at):
            self._unsure_since = None
        elif self._unsure_since is None:
            since = at - TAKEOVER_SECONDS
            self._unsure_since = self.chaos.broken_since(self.stack.releasing, since)

    def _may_lack_leader(self, since: float) -> bool:
        releasing = self.stack.releasing
        return any(self.chaos.excused(server, since - TAKEOVER_SECONDS) for server in releasing)

    def _blame(self, wrong: Sequence[str]) -> None:
        for what in wrong:
            self.timeline.blame(what)


def run_of(number: int) -> Object:
    """Return the run of that number, without the tasks that would make it long."""
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": f"run-{number:07}", "namespace": NAMESPACE},
        "spec": {"pipelineRef": {"name": "build"}},
    }
