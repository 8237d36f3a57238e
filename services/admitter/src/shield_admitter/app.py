"""The composition root: everything is built here once and handed on by keyword."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shield_admitter.decision_feed import DecisionFeed
from shield_admitter.denial_log import DenialLog
from shield_admitter.http.server import Server
from shield_admitter.metrics import Metrics
from shield_admitter.settings import RESTART_KEYS
from shield_admitter.webhook import Webhook
from shield_common import logs
from shield_common.config.reload import SettingsReloader
from shield_common.config.types import parse_address
from shield_common.filewatch import FileWatch
from shield_common.lifecycle import BackgroundTask, stop_signal
from shield_common.probes import ProbesServer, Readiness, probes_app
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore
from shield_common.tls.contexts import ServerCertificate, TLSError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shield_admitter.settings import AdmitterSettings

# After draining: requests under way take milliseconds, the API server gives up after 30 s at most.
FINISH_SECONDS: Final = 5.0


def now_ms() -> int:
    """Read the monotonic clock in whole milliseconds."""
    return time.monotonic_ns() // 1_000_000


def utc_now() -> datetime:
    """Read the wall clock."""
    return datetime.now(UTC)


async def run(settings: AdmitterSettings, config: Path, *, as_read: bytes) -> int:
    """Run the admitter until SIGTERM or SIGINT.

    Args:
        settings: what the configuration file says.
        config: the file, which is watched.
        as_read: its `shield_common.filewatch.fingerprint` from just before it was read.

    Returns:
        The process's exit code: 0 after a signal, 1 when it cannot do its work.
    """
    log = logs.get(__name__)
    stop = stop_signal()
    admitter = _Admitter(settings, config, as_read=as_read)
    try:
        await admitter.start()
    except (TLSError, OSError) as error:
        log.error("cannot serve", problem=str(error))  # noqa: TRY400 - the problem says it all
        await admitter.stop()
        return 1
    log.info("admitter started", cluster=settings.cluster, listen=settings.listen)
    await stop.wait()
    await admitter.drain()
    await admitter.stop()
    log.info("admitter stopped")
    return 0


class _Admitter:
    """All parts of one admitter and their order of starting and stopping."""

    def __init__(self, settings: AdmitterSettings, config: Path, *, as_read: bytes) -> None:
        self._settings = settings
        self._log = logs.get(__name__)
        policy = settings.policy()
        self._store = RedisStore(settings.redis, cluster=settings.cluster)
        self._feed = DecisionFeed(
            self._store,
            cluster=settings.cluster,
            limits=policy.limits,
            refresh=settings.refresh,
            now_ms=now_ms,
            chance=random.random,
            on_document=lambda source, result: self._metrics.updates.labels(source, result).inc(),
        )
        self._metrics = Metrics(policy, held=lambda: self._feed.held, now_ms=now_ms)
        self._metrics.redis_up.set_function(lambda: float(self._feed.problem is None))
        self._denials = DenialLog(now_ms=now_ms)
        self._grace_ends = now_ms() + settings.startup_grace.milliseconds
        self._webhook = Webhook(
            held=lambda: self._feed.held,
            serving=self._serving,
            metrics=self._metrics,
            denials=self._denials,
            now_ms=now_ms,
            utc=utc_now,
            chance=random.random,
            policy=policy,
            style=settings.denial_style(),
            max_body=settings.max_body,
        )
        self._reloader = SettingsReloader(
            config,
            settings,
            restart_keys=RESTART_KEYS,
            environment=os.environ,
            apply_settings=self._apply_settings,
            on_result=lambda result: self._metrics.config_reloads.labels(result).inc(),
        )
        self._watch = FileWatch([config], self._reloader.reload, as_read=as_read)
        self._probes = ProbesServer(
            probes_app(registry=self._metrics.registry, readiness=self._readiness),
            listen=settings.metrics.listen,
        )
        self._server: Server | None = None
        self._listening = False
        self._tasks: list[BackgroundTask] = []

    async def start(self) -> None:
        """Listen, and begin to follow decisions.

        Raises:
            TLSError: the certificate cannot be used.
            OSError: an address cannot be bound.
        """
        tls = self._settings.tls
        certificate = ServerCertificate(
            Path(tls.cert_file),
            Path(tls.key_file),
            client_ca_file=None if tls.client_ca_file is None else Path(tls.client_ca_file),
            on_reload=self._certificate_reloaded,
        )
        metrics = self._metrics
        metrics.certificate_ends.set_function(
            lambda: certificate.not_after.timestamp()  # noqa: PLW0108 - not_after changes
        )
        server = self._server = Server(
            self._webhook,
            context=certificate.context,
            max_connections=self._settings.max_connections,
            client_names=tls.client_names,
            on_handshake_failure=metrics.handshake_failures.inc,
        )
        metrics.show(server)
        await self._probes.start()
        # Whoever connects first finds a decision, if there is one; otherwise `follow` keeps asking.
        with contextlib.suppress(StoreError):
            await self._feed.read()
        await server.start(*parse_address(self._settings.listen))
        self._listening = True
        runs: dict[str, Callable[[], Awaitable[None]]] = {
            "follow": self._feed.follow,
            "refresh": self._feed.refresh,
            "certificate": certificate.watch,
            "configuration": self._watch.run,
            "denials": self._denials.run,
        }
        for name, run_ in runs.items():
            metrics.task_crashes.labels(name)  # so that the series exist before any crash
            task = BackgroundTask(name, run_, on_crash=self._crashed)
            await task.start()
            self._tasks.append(task)

    async def drain(self) -> None:
        """Serve on while clients move to other replicas."""
        self._log.info("draining", seconds=float(self._settings.drain))
        self._webhook.closing = True
        await asyncio.sleep(self._settings.drain)

    async def stop(self) -> None:
        """Finish what is under way and close everything."""
        if self._server is not None:
            await self._server.stop(within=FINISH_SECONDS)
        for task in self._tasks:
            await task.stop()
        await self._store.close()
        await self._probes.stop()

    def _serving(self) -> bool:
        return self._feed.held is not None or now_ms() >= self._grace_ends

    def _readiness(self) -> Readiness:
        draining = self._webhook.closing
        checks = {
            "redis": self._feed.problem or "ok",
            "decision": "ok" if self._feed.held is not None else "none yet",
            "config": self._reloader.problem or "ok",
            "draining": "yes" if draining else "no",
        }
        ready = self._listening and self._serving() and not draining
        return Readiness(ready=ready, checks=checks)

    def _apply_settings(self, settings: AdmitterSettings) -> None:
        policy = settings.policy()
        self._settings = settings
        self._webhook.apply_settings(policy, settings.denial_style(), settings.max_body)
        self._metrics.apply_settings(policy)
        self._feed.apply_settings(policy.limits, settings.refresh)
        logs.set_level(settings.log.level)

    def _certificate_reloaded(self, problem: str | None) -> None:
        if problem is None:
            self._log.info("certificate reloaded")
        else:
            self._log.error("certificate refused, keeping the old one", problem=problem)
        self._metrics.certificate_reloads.labels("failure" if problem else "success").inc()

    def _crashed(self, task: str) -> None:
        self._metrics.task_crashes.labels(task).inc()
