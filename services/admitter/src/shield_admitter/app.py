"""The composition root: everything is built here once and handed on by keyword."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from shield_admitter.feed import DecisionFeed
from shield_admitter.metrics import Metrics
from shield_admitter.webhook import Webhook
from shield_common import logs
from shield_common.lifecycle import BackgroundTask, stop_signal
from shield_common.probes import ProbesServer, Readiness, parse_address, probes_app
from shield_common.store.redis import RedisStore
from shield_common.tls import TLSError, server_context

if TYPE_CHECKING:
    from shield_admitter.settings import AdmitterSettings

# After draining: requests under way take milliseconds, the API server gives up after 30 s at most.
FINISH_SECONDS: Final = 5.0
BACKLOG: Final = 1024  # connections that wait to be accepted, for when all clients come at once


def now_ms() -> int:
    """Read the monotonic clock in whole milliseconds."""
    return time.monotonic_ns() // 1_000_000


def utc_now() -> datetime:
    """Read the wall clock."""
    return datetime.now(UTC)


async def run(settings: AdmitterSettings) -> int:
    """Run the admitter until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 1 when it cannot do its work.
    """
    log = logs.get(__name__)
    stop = stop_signal()
    policy = settings.policy()
    store = RedisStore(settings.redis, cluster=settings.cluster)
    feed = DecisionFeed(
        store,
        cluster=settings.cluster,
        limits=policy.limits,
        refresh=settings.refresh,
        now_ms=now_ms,
        chance=random.random,
        on_document=lambda source, result: metrics.updates.labels(source, result).inc(),
    )
    metrics = Metrics(policy, held=lambda: feed.held, now_ms=now_ms)
    metrics.redis_up.set_function(lambda: float(feed.problem is None))
    grace_ends = now_ms() + settings.startup_grace.milliseconds

    def serving() -> bool:
        return feed.held is not None or now_ms() >= grace_ends

    webhook = Webhook(
        policy=policy,
        style=settings.denial_style(),
        held=lambda: feed.held,
        serving=serving,
        metrics=metrics,
        max_body=settings.max_body,
        now_ms=now_ms,
        utc=utc_now,
        chance=random.random,
    )

    def readiness() -> Readiness:
        checks = {
            "redis": feed.problem or "ok",
            "decision": "ok" if feed.held is not None else "none yet",
            "draining": "yes" if webhook.draining else "no",
        }
        return Readiness(ready=serving() and not webhook.draining, checks=checks)

    def crashed(task: str) -> None:
        metrics.task_crashes.labels(task).inc()

    tasks = [
        BackgroundTask("follow", feed.follow, on_crash=crashed),
        BackgroundTask("refresh", feed.refresh, on_crash=crashed),
    ]
    for task in tasks:
        metrics.task_crashes.labels(task.name)  # so that the series exist before any crash
    probes = ProbesServer(
        probes_app(registry=metrics.registry, readiness=readiness), listen=settings.metrics.listen
    )
    runner = web.ServerRunner(webhook.server(), shutdown_timeout=FINISH_SECONDS)
    try:
        tls = server_context(
            Path(settings.tls.cert_file),
            Path(settings.tls.key_file),
            client_ca_file=Path(settings.tls.client_ca_file)
            if settings.tls.client_ca_file
            else None,
        )
        await probes.start()
        await runner.setup()
        host, port = parse_address(settings.listen)
        await web.TCPSite(runner, host or None, port, ssl_context=tls, backlog=BACKLOG).start()
    except (TLSError, OSError) as error:
        log.error("cannot serve", problem=str(error))  # noqa: TRY400 - the problem says it all
        await probes.stop()
        return 1
    log.info("admitter started", cluster=settings.cluster, listen=settings.listen)
    for task in tasks:
        await task.start()
    await stop.wait()
    log.info("draining", seconds=float(settings.drain))
    webhook.draining = True
    await asyncio.sleep(settings.drain)
    await runner.cleanup()
    for task in tasks:
        await task.stop()
    await store.close()
    await probes.stop()
    log.info("admitter stopped")
    return 0
