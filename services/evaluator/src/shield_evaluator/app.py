"""The composition root: builds every part once and connects them."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from shield_common import logs
from shield_common.clock import now_ms, utc_now
from shield_common.config.reload import SettingsReloader
from shield_common.filewatch import FileWatch
from shield_common.lifecycle import BackgroundTask, stop_signal
from shield_common.probes import ProbesServer, probes_app
from shield_common.store.outage import OutageLog
from shield_common.store.redis import RedisStore
from shield_evaluator import override
from shield_evaluator.config_snapshot import ConfigSnapshot
from shield_evaluator.core.state import Instant
from shield_evaluator.cycle import Cycle
from shield_evaluator.lease import EvictionPolicyError, Writer
from shield_evaluator.loop import Loop
from shield_evaluator.metrics import Metrics
from shield_evaluator.override import OverrideInForce
from shield_evaluator.prometheus.client import PrometheusClient
from shield_evaluator.prometheus.source import PrometheusSource
from shield_evaluator.room_inputs import RoomReader
from shield_evaluator.settings import RESTART_KEYS
from shield_evaluator.status.board import Board

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from shield_evaluator.cycle_result import CycleResult
    from shield_evaluator.settings import EvaluatorSettings


def now() -> Instant:
    """Read the monotonic clock and the wall clock."""
    return Instant(ms=now_ms(), utc=utc_now())


class Evaluator:
    """One evaluator process: builds its parts, starts and stops them."""

    def __init__(
        self,
        settings: EvaluatorSettings,
        *,
        path: Path,
        fingerprint: bytes,
        environment: Mapping[str, str],
    ) -> None:
        """Build everything; nothing is opened yet.

        Args:
            settings: the content of the settings file.
            path: that file.
            fingerprint: its `shield_common.filewatch.fingerprint` from just before it was read.
            environment: the process environment.
        """
        config = ConfigSnapshot.of(settings)
        self._log = logs.get(__name__)
        self._cluster = settings.cluster
        self._stop: asyncio.Event = asyncio.Event()
        self._failure: EvictionPolicyError | None = None
        self._metrics = Metrics(config.plan)
        self._store = RedisStore(settings.redis, cluster=settings.cluster)
        outage = OutageLog()
        self._writer = Writer(
            self._store,
            holder=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
            lease_ms=settings.lease.milliseconds,
            allow_eviction=settings.redis.allow_eviction,
            now=now,
            outage=outage,
        )
        self._client = PrometheusClient(settings.prometheus)
        self._cycle = Cycle(
            config,
            source=PrometheusSource(self._client, on_error=self._metrics.prometheus_failed),
            room=RoomReader(self._store, self._client, now=now, outage=outage),
            decisions=self._store,
            override=OverrideInForce(self._store),
            writer=self._writer,
            now=now,
            on_result=self._record,
        )
        self._loop = Loop(self._cycle, now=now, on_overrun=self._metrics.overruns.inc)
        self._reloader = SettingsReloader(
            path,
            settings,
            restart_keys=RESTART_KEYS,
            environment=environment,
            apply_settings=self._apply_settings,
            on_result=self._metrics.count_config_reload,
        )
        self._board = Board(
            cycle=self._cycle,
            writer=self._writer,
            now=now,
            runbook_url=settings.runbook_url,
            config_problem=lambda: self._reloader.problem,
        )
        self._watch = FileWatch([path], self._reloader.reload, last_seen=fingerprint)
        self._probes = ProbesServer(
            probes_app(
                registry=self._metrics.registry,
                readiness=self._board.readiness,
                routes=[
                    web.get("/", self._board.handle_page),
                    web.get("/status", self._board.handle_status),
                ],
            ),
            listen=settings.metrics.listen,
        )

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT.

        Returns:
            The process's exit code: 0 after a signal, 1 when it cannot do its work.
        """
        self._stop = stop_signal()
        try:
            await self._probes.start()
        except OSError as error:
            self._log.error("cannot listen for metrics and probes", problem=str(error))
            return 1
        self._log.info("evaluator started", cluster=self._cluster, holder=self._writer.holder)
        tasks = self._tasks()
        for task in tasks:
            await task.start()
        await self._stop.wait()
        for task in tasks:
            await task.stop()
        await self._writer.release()
        await self._store.close()
        await self._client.close()
        await self._probes.stop()
        if self._failure is not None:
            self._log.error("evaluator cannot run", problem=str(self._failure))
            return 1
        self._log.info("evaluator stopped")
        return 0

    def _tasks(self) -> list[BackgroundTask]:
        runs: dict[str, Callable[[], Awaitable[None]]] = {
            "evaluate": self._evaluate,
            "overrides": partial(override.follow, self._store, self._loop.redecide),
            "config": self._watch.run,
        }
        self._metrics.create_task_series(runs)
        return [
            BackgroundTask(name, run, on_crash=self._metrics.count_crash)
            for name, run in runs.items()
        ]

    async def _evaluate(self) -> None:
        try:
            await self._loop.run()
        except EvictionPolicyError as error:
            self._failure = error
            self._stop.set()
            await asyncio.Event().wait()  # a task that returned would be started again

    def _record(self, result: CycleResult) -> None:
        self._metrics.record(result)
        self._board.record(result)

    def _apply_settings(self, settings: EvaluatorSettings) -> None:
        logs.set_level(settings.log.level)
        self._client.apply_settings(settings.prometheus)
        self._writer.lease_ms = settings.lease.milliseconds
        self._cycle.apply_settings(ConfigSnapshot.of(settings))
        self._board.runbook_url = settings.runbook_url
        self._loop.reevaluate()
