"""The composition root: everything is built here once and handed on by keyword."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from shield_common import logs
from shield_common.lifecycle import BackgroundTask, stop_signal
from shield_common.probes import ProbesServer, probes_app
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore
from shield_evaluator.core.latch import Instant
from shield_evaluator.cycle import Cycle, Loop, Report, Watch
from shield_evaluator.metrics import Metrics
from shield_evaluator.prometheus.client import PrometheusClient
from shield_evaluator.prometheus.source import PrometheusSource
from shield_evaluator.status import Board
from shield_evaluator.writer import EvictionPolicyError, Writer

if TYPE_CHECKING:
    from shield_common.store.protocol import OverrideStore
    from shield_evaluator.settings import EvaluatorSettings

SILENCE_SECONDS = 30.0  # how long to wait for an override before looking whether the feed lives


def now() -> Instant:
    """Read both clocks."""
    return Instant(ms=time.monotonic_ns() // 1_000_000, utc=datetime.now(UTC))


def watch_of(settings: EvaluatorSettings) -> Watch:
    """Return what a configuration asks to watch."""
    return Watch(
        plan=settings.plan(),
        expressions=settings.expressions(),
        cluster=settings.cluster,
        interval=settings.interval,
        budget=settings.query_timeout,
        ttl_ms=settings.ttl.milliseconds,
    )


async def run(settings: EvaluatorSettings) -> int:
    """Run the evaluator until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 1 when it cannot do its work.
    """
    log = logs.get(__name__)
    stop = stop_signal()
    watch = watch_of(settings)
    metrics = Metrics(watch.plan)
    store = RedisStore(settings.redis, cluster=settings.cluster)
    writer = Writer(
        store,
        holder=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        lease_ms=settings.lease_ttl.milliseconds,
        allow_eviction=settings.redis.allow_eviction,
        now_ms=lambda: now().ms,
    )
    board = Board(writer)
    client = PrometheusClient(settings.prometheus)
    failure: list[Exception] = []

    def report(seen: Report) -> None:
        metrics.record(seen)
        board.record(seen)

    cycle = Cycle(
        watch,
        source=PrometheusSource(
            client, on_error=lambda kind: metrics.prometheus_errors.labels(kind).inc()
        ),
        overrides=store,
        writer=writer,
        now=now,
        on_report=report,
    )
    loop = Loop(cycle, now=now, on_overrun=metrics.overruns.inc)

    async def evaluate() -> None:
        try:
            await loop.run()
        except EvictionPolicyError as error:
            failure.append(error)
            stop.set()
            await asyncio.Event().wait()

    def crashed(task: str) -> None:
        metrics.task_crashes.labels(task).inc()

    tasks = [
        BackgroundTask("evaluate", evaluate, on_crash=crashed),
        BackgroundTask("overrides", lambda: follow_overrides(store, loop), on_crash=crashed),
    ]
    for task in tasks:
        metrics.task_crashes.labels(task.name)  # so that the series exist before any crash
    probes = ProbesServer(
        probes_app(
            registry=metrics.registry,
            readiness=board.readiness,
            routes=[web.get("/status", board.handle_status)],
        ),
        listen=settings.metrics.listen,
    )
    try:
        await probes.start()
    except OSError as error:
        log.error(  # noqa: TRY400 - the problem says it all
            "cannot listen", address=settings.metrics.listen, problem=str(error)
        )
        return 1
    log.info("evaluator started", cluster=settings.cluster, holder=writer.holder)
    for task in tasks:
        await task.start()
    await stop.wait()
    for task in tasks:
        await task.stop()
    await writer.release()
    await store.close()
    await client.close()
    await probes.stop()
    if failure:
        log.error("evaluator cannot run", problem=str(failure[0]))
        return 1
    log.info("evaluator stopped")
    return 0


async def follow_overrides(overrides: OverrideStore, loop: Loop) -> None:
    """Nudge the loop at every announcement of an override; subscribe again after a failure."""
    while True:
        try:
            async with overrides.subscribe_overrides() as subscription:
                loop.nudge()
                while True:
                    if await subscription.next(SILENCE_SECONDS) is not None:
                        loop.nudge()
        except StoreError:
            await asyncio.sleep(1.0 + secrets.randbelow(1000) / 1000)  # spread reconnects
