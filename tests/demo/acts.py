"""What the API server and the operator do with a stack that already runs: fill, recover, inquire.

Nothing is started or stopped here. It runs in the evaluator's image (docker-compose.yml, service
`demo`), so it imports nothing but the standard library and what that service depends on.
"""

import asyncio
import itertools
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
import click

from tests.demo.flood import Flood
from tests.demo.plan import RUNS_PREFIX
from tests.demo.runs import review_of, run_name
from tests.demo.writing import Writing
from tests.rig.errors import RigError
from tests.rig.etcd import MEBIBYTE
from tests.rig.etcd_client import EtcdClient
from tests.rig.reviews import TYPICAL, stored_object
from tests.rig.waiting import wait_until
from tests.rig.webhook import WebhookError, ask

_IN_FLIGHT = 20
_TELL_SECONDS = 5.0
# Beyond the first denial, to see that it is no flicker.
_ENOUGH_DENIALS = 50
_RECOVERY_SECONDS = 60.0
# What else fills an etcd: events, here. Room ends below the thresholds, so runs alone set no latch.
_OTHERS_PREFIX = "/registry/events/"
_OTHERS_BYTES = 64 * 1024
_OF_A_LATCH = "not allowed: etcd is at "
# What deploy/compose/evaluator/evaluator.yaml says of a run: twelve more objects, one a second.
_WRITES_PER_RUN = 12
_WRITE_EVERY = 1.0


@dataclass(kw_only=True)
class Tally:
    """What was answered: `admitted`, `paced`, `denied` or `unanswered`; the first words of each."""

    counts: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)

    def count(self, verdict: str, words: str = "") -> bool:
        """Count one answer; tell whether it is the first of its kind."""
        self.counts[verdict] += 1
        is_first = verdict not in self.words
        self.words.setdefault(verdict, words)
        return is_first


class Stack:
    """The running stack, as its users see it.

    Args:
        http: For all requests.
        etcd: The etcd that is to be protected.
        webhook: URL of the webhook.
        trust: What the webhook's certificate is checked with.
    """

    def __init__(
        self, *, http: aiohttp.ClientSession, etcd: EtcdClient, webhook: str, trust: ssl.SSLContext
    ) -> None:
        self._http = http
        self._webhook = webhook
        self._trust = trust
        self.etcd = etcd
        self.tally = Tally()
        self.refusal = ""  # the words of the last one
        self.writing = Writing(self._write_step, writes=_WRITES_PER_RUN, every=_WRITE_EVERY)

    async def is_admitted(self, review: bytes) -> bool:
        """Ask the webhook, count the answer, and tell what is new in it."""
        try:
            answer = await ask(self._http, self._webhook, review, self._trust)
        except WebhookError as error:
            if self.tally.count("unanswered", str(error)):
                click.echo(f"unanswered: {error}")
            return False
        if not answer.allowed:
            verdict = "paced" if answer.paced else "denied"
            self.refusal = answer.message
            if self.tally.count(verdict, answer.message):
                click.echo(f"{verdict}: {answer.code} {answer.message}")
            return False
        self.tally.count("admitted")
        if answer.warnings and self.tally.count("warned"):
            click.echo(f"admitted with a warning: {answer.warnings[0]}")
        return True

    async def create(self, number: int) -> None:
        """Create the run of that number, as far as it is admitted; it then goes on to write."""
        review = review_of(number, TYPICAL)
        if await self.is_admitted(review):
            await self.etcd.put(RUNS_PREFIX + run_name(number), stored_object(review))
            self.writing.begin(number)

    async def _write_step(self, number: int, step: int) -> None:
        review = review_of(number, TYPICAL)
        await self.etcd.put(
            f"{RUNS_PREFIX}{run_name(number)}-step-{step:02}", stored_object(review)
        )


async def fill(stack: Stack, *, per_second: float, within: float) -> None:
    """Create runs until they are denied, and let those that were admitted write what they have to.

    Raises:
        RigError: They were not in time, or etcd was full first.
    """
    flood = Flood(stack.create, per_second=per_second, in_flight=_IN_FLIGHT)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(act) for act in (stack.writing.run(), _tell(stack), flood.run())
        ]
        try:
            await wait_until(
                lambda: stack.tally.counts["denied"] >= _ENOUGH_DENIALS,
                within=within,
                what="the shield to deny",
            )
            running.pop().cancel()
            await wait_until(
                lambda: stack.writing.finished == stack.writing.started,
                within=within,
                what="admitted runs to write everything",
            )
        finally:
            for task in running:
                task.cancel()
    click.echo(f"all {stack.writing.finished} admitted runs have written everything")
    await _fill_with_others(stack, within=within)
    alarms = await stack.etcd.alarms()
    if alarms:
        raise RigError(f"etcd raised {', '.join(sorted(alarms))}")
    click.echo(await _sizes(stack))
    click.echo(f"{stack.tally.counts['admitted']} runs admitted; etcd has room and no alarm.")


async def _fill_with_others(stack: Stack, *, within: float) -> None:
    """Write what is no run until a latch closes: the shield then stays closed until `recover`."""
    names = itertools.count()

    async def is_latched() -> bool:
        for _ in range(2):
            await stack.etcd.put(f"{_OTHERS_PREFIX}{next(names):06}", bytes(_OTHERS_BYTES))
        admitted = await stack.is_admitted(review_of(0, TYPICAL))
        return not admitted and _OF_A_LATCH in stack.refusal

    await wait_until(is_latched, within=within, what="a latch to close", every=0.2)
    click.echo(f"events filled the rest; denied: {stack.refusal}")


async def recover(stack: Stack) -> None:
    """Delete all that was written, compact, defragment, and wait until runs are admitted.

    Raises:
        RigError: They were not in time.
    """
    deleted = await stack.etcd.delete_prefix(RUNS_PREFIX)  # also what the runs wrote
    deleted += await stack.etcd.delete_prefix(_OTHERS_PREFIX)
    if deleted:  # else this revision may have been compacted already, which etcd refuses
        await stack.etcd.compact()
    click.echo(f"deleted {deleted} objects and compacted: {await _sizes(stack)}")
    await stack.etcd.defragment()
    click.echo(f"defragmented: {await _sizes(stack)}")
    started = time.monotonic()
    await wait_until(
        lambda: stack.is_admitted(review_of(0, TYPICAL)),
        within=_RECOVERY_SECONDS,
        what="the shield to admit",
        every=0.2,
    )
    click.echo(f"admitted again after {time.monotonic() - started:.0f} s")


async def inquire(stack: Stack, *, count: int, per_second: float, namespace: str) -> None:
    """Ask `count` times as `--dry-run=server` does: nothing is stored, and no room is used up.

    Raises:
        RigError: A review was not answered.
    """
    for number in range(count):
        if number:
            await asyncio.sleep(1 / per_second)
        await stack.is_admitted(review_of(number, TYPICAL, namespace, dry_run=True))
    counts = stack.tally.counts
    paced = f", {counts['paced']} paced" if counts["paced"] else ""
    click.echo(f"{counts['admitted']} admitted, {counts['denied']} denied{paced}")
    if counts["unanswered"]:
        raise RigError(f"{counts['unanswered']} of {count} reviews were not answered")


async def _tell(stack: Stack) -> None:
    for seconds in itertools.count():
        if seconds:
            counts = stack.tally.counts
            answers = (f"{counts[name]} {name}" for name in ("admitted", "paced", "denied"))
            click.echo(f"{', '.join(answers)}; ", nl=False)
            click.echo(await _sizes(stack))
        await asyncio.sleep(_TELL_SECONDS)


async def _sizes(stack: Stack) -> str:
    status = await stack.etcd.status()
    file, in_use = status.db_size / MEBIBYTE, status.db_size_in_use / MEBIBYTE
    return f"etcd's file has {file:.1f} MiB, {in_use:.1f} MiB of it in use"
